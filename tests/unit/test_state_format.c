/*
 * test_state_format.c - state_format.c: files of the older daemons, our own files, what each reads of the other, and
 * malformed entries.
 */
#include "codec/state_format.h"
#include "test.h"

static const char boot[] = "this-boot";
static struct remembered_set ms;
static char text[VH_STATE_MAX], why[VH_TEXT_MAX];
static unsigned dropped;

static bool parse(const char *s) {
    memset(&ms, 0, sizeof ms);
    why[0] = '\0';
    return state_format_parse(&ms, s, strlen(s), boot, &dropped, why, sizeof why);
}

static const char *print(void) {
    struct sbuf sb;
    sb_init(&sb, text, sizeof text - 1);
    state_format_print(&ms, boot, &sb);
    CHECK(sb_ok(&sb));
    text[sb.len] = '\0';
    return text;
}

/* The entry at this place, by age. */
static const struct remembered *nth(int n) {
    static const struct remembered none;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        if (ms.m[i].used && n-- == 0)
            return &ms.m[i];
    }
    return &none;
}

static int count(void) {
    int n = 0;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        n += ms.m[i].used;
    return n;
}

static void a_file_of_an_older_daemon_is_understood(void) {
    CHECK(parse("{\n  \"selected_vms\": {\"0951:1666:4C53\": \"vm1\", \"046d:c52b:None\": \"vm2\"},\n"
                "  \"disconnected_devices\": [\"046d:c52b:None\", \"1234:abcd:x:y\"]\n}\n"));
    CHECK_INT(dropped, 0);
    CHECK_INT(count(), 3);
    CHECK(nth(0)->vid == 0x0951 && nth(0)->pid == 0x1666 && nth(0)->file.by == ROLE_NONE);
    CHECK_STR(nth(0)->serial, "4C53");
    CHECK_STR(nth(0)->vm, "vm1");
    CHECK_STR(nth(0)->port, ""); /* any port */
    CHECK_STR(nth(1)->serial, "");
    CHECK_STR(nth(1)->vm, "vm2");
    CHECK_INT(nth(1)->file.by, ROLE_OPERATOR); /* the role is unknown */
    CHECK_INT(nth(1)->now.by, ROLE_OPERATOR);
    CHECK_STR(nth(2)->serial, "x:y");
    CHECK_INT(nth(2)->file.by, ROLE_OPERATOR);
}

static void a_peer_can_read_what_is_written(void) {
    memset(&ms, 0, sizeof ms);
    ms.m[4] = (struct remembered){
        .used = true, .vid = 0x46d, .pid = 0xc52b, .port = "1-2", .vm = "a", .vm_by = ROLE_OPERATOR, .stamp = 1};
    ms.m[2] = (struct remembered){.used = true,
                                  .vid = 0x951,
                                  .pid = 0x1666,
                                  .serial = "S\"1",
                                  .file.by = ROLE_ADMIN,
                                  .vm = "b",
                                  .vm_by = ROLE_ADMIN,
                                  .stamp = 2};
    CHECK_STR(print(),
              "{\n"
              "  \"selected_vms\": {\n"
              "    \"usb-046d:c52b:None\": \"a\",\n"
              "    \"usb-0951:1666:S\\\"1\": \"b\",\n"
              "    \"usb-0951:1666:S_1\": \"b\"\n"
              "  },\n"
              "  \"disconnected_devices\": [\n"
              "    \"usb-0951:1666:S\\\"1\",\n"
              "    \"usb-0951:1666:S_1\"\n"
              "  ],\n"
              "  \"devices\": [\n"
              "    {\"id\": \"usb-046d:c52b:None\", \"port\": \"1-2\", \"vm\": \"a\", \"selected_by\": \"operator\"},\n"
              "    {\"id\": \"usb-0951:1666:S\\\"1\", \"vm\": \"b\", \"selected_by\": \"admin\", "
              "\"disconnected_by\": \"admin\"}\n"
              "  ]\n"
              "}\n");
    memset(&ms, 0, sizeof ms);
    CHECK_STR(print(), "{\n  \"selected_vms\": {},\n  \"disconnected_devices\": [],\n  \"devices\": []\n}\n");
}

static void everything_comes_back(void) {
    static const char all[] =
        "{\n"
        "  \"selected_vms\": {\n"
        "    \"usb-046d:c52b:None\": \"b\"\n"
        "  },\n"
        "  \"disconnected_devices\": [\n"
        "    \"usb-046d:c52b:None\"\n"
        "  ],\n"
        "  \"devices\": [\n"
        "    {\"id\": \"usb-046d:c52b:None\", \"port\": \"1-2\", \"vm\": \"a\", \"selected_by\": \"admin\", "
        "\"disconnected_by\": \"guest\"},\n"
        "    {\"id\": \"usb-046d:c52b:None\", \"port\": \"1-3\", \"vm\": \"b\", \"selected_by\": \"operator\", "
        "\"suspended\": \"b\"},\n"
        "    {\"id\": \"usb-1234:5678:None\", \"serial\": true, \"port\": \"2-1.4\", \"exempt\": \"217\", "
        "\"exempt_by\": "
        "\"admin\"}\n"
        "  ],\n"
        "  \"boot_id\": \"this-boot\",\n"
        "  \"disconnected_tags\": {\n"
        "    \"sticks\": \"operator\",\n"
        "    \"k b\": \"admin\"\n"
        "  },\n"
        "  \"theirs\": [1, {\"a\": null}],\n"
        "  \"note\": \"x\"\n"
        "}\n";
    CHECK(parse(all));
    CHECK_INT(dropped, 0);
    CHECK_STR(nth(2)->serial, "None");
    CHECK(nth(2)->file.exempt == 217 && nth(2)->file.exempt_by == ROLE_ADMIN);
    CHECK_STR(print(), all);
}

static void both_forms_of_an_id_are_read(void) {
    CHECK(parse("{\n  \"selected_vms\": {\n    \"usb-0951:1666:4C53\": \"vm1\",\n    \"0951:1666:OLD\": \"vm2\"\n  },\n"
                "  \"disconnected_devices\": [\n    \"usb-046d:c31c:None\",\n    \"pci-0000:00:14.3\"\n  ]\n}"));
    CHECK(count() == 3 && dropped == 0 && state_format_kept(&ms) == 1);
    CHECK_STR(nth(0)->serial, "4C53");
    CHECK_STR(nth(1)->serial, "OLD");
    CHECK(nth(2)->vid == 0x46d && nth(2)->serial[0] == '\0' && nth(2)->file.by == ROLE_OPERATOR);
    CHECK(strstr(print(), "\"usb-0951:1666:OLD\": \"vm2\"") != NULL && strstr(text, "\"pci-0000:00:14.3\"") != NULL);
    /* The later daemon does not look at the old form: what it says is newer. */
    CHECK(parse("{\"selected_vms\": {\"usb-0951:1666:S\": \"new\", \"0951:1666:S\": \"old\"}}"));
    CHECK_INT(count(), 1);
    CHECK_STR(nth(0)->vm, "new");
    CHECK(parse("{\"selected_vms\": {\"0951:1666:S\": \"old\", \"usb-0951:1666:S\": \"new\"}}"));
    CHECK_INT(count(), 1);
    CHECK_STR(nth(0)->vm, "new");
}

/* A device whose serial number udev changes has two ids, one for each daemon. */
#define TWO_IDS(selected, away)                                                                                    \
    "{\"selected_vms\": {" selected "}, \"disconnected_devices\": [" away "], "                                    \
    "\"devices\": [{\"id\": \"usb-0951:1666:A B\", \"port\": \"1-2\", \"vm\": \"a\", \"selected_by\": \"admin\", " \
    "\"disconnected_by\": \"admin\"}]}"
#define OWN "\"usb-0951:1666:A B\""
#define UDEV "\"usb-0951:1666:A_B\""

static void either_daemon_may_change_its_id(void) {
    static const struct {
        const char *file, *vm;
        enum role vm_by, by;
    } cases[] = {
        {TWO_IDS(OWN ": \"a\", " UDEV ": \"a\"", OWN ", " UDEV), "a", ROLE_ADMIN, ROLE_ADMIN},
        {TWO_IDS(OWN ": \"b\", " UDEV ": \"a\"", OWN ", " UDEV), "b", ROLE_OPERATOR, ROLE_ADMIN},
        {TWO_IDS(UDEV ": \"b\", " OWN ": \"a\"", OWN ", " UDEV), "b", ROLE_OPERATOR, ROLE_ADMIN},
        {TWO_IDS(OWN ": \"a\"", OWN ", " UDEV), "", ROLE_NONE, ROLE_ADMIN}, /* taken back */
        {TWO_IDS(UDEV ": \"c\"", UDEV), "c", ROLE_OPERATOR, ROLE_NONE},     /* lifted by the one */
        {TWO_IDS("", OWN), "", ROLE_NONE, ROLE_NONE},                       /* by the other */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK(parse(cases[i].file) && dropped == 0);
        CHECK_INT(nth(0)->used && nth(0)->vm_by == cases[i].vm_by, cases[i].vm[0] != '\0' || cases[i].by != ROLE_NONE);
        CHECK_STR(nth(0)->vm, cases[i].vm);
        CHECK_INT(nth(0)->file.by, cases[i].by);
        CHECK(count() <= 1);
    }
}

/* The second id is missing in a file from before vhotplug wrote it. */
static void our_older_file_lifts_nothing(void) {
    CHECK(parse(
        "{\"selected_vms\": {\"0951:1666:A B\": \"a\"}, \"disconnected_devices\": [\"0951:1666:A B\"], \"devices\": "
        "[{\"id\": \"0951:1666:A B\", \"port\": \"1-2\", \"vm\": \"a\", \"disconnected_by\": \"admin\"}]}"));
    CHECK_INT(count(), 1);
    CHECK_STR(nth(0)->vm, "a");
    CHECK_INT(nth(0)->file.by, ROLE_ADMIN);
    CHECK_STR(print(),
              "{\n  \"selected_vms\": {\n    " OWN ": \"a\",\n    " UDEV ": \"a\"\n  },\n  \"disconnected_devices\": "
              "[\n    " OWN ",\n    " UDEV "\n  ],\n  \"devices\": [\n    {\"id\": " OWN
              ", \"port\": \"1-2\", \"vm\": \"a\", \"selected_by\": \"operator\", \"disconnected_by\": "
              "\"admin\"}\n  ]\n}\n");
}

/* Serial numbers that differ only before udev: each id is written once, and each device keeps its own. */
static void ids_that_udev_makes_one_stay_apart(void) {
    static const char *const files[] = {
        "{\"selected_vms\": {" OWN ": \"a\", " UDEV ": \"b\"}}",
        "{\"selected_vms\": {" UDEV ": \"b\", " OWN ": \"a\"}}",
        "{\"selected_vms\": {" OWN ": \"a\", " UDEV ": \"b\"}, \"devices\": [{\"id\": " OWN
        ", \"port\": \"1-2\", \"vm\": \"a\"}, {\"id\": " UDEV ", \"port\": \"1-3\", \"vm\": \"b\"}]}",
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char first[1024];
        CHECK(parse(files[i]) && count() == 2);
        for (int k = 0; k < 2; k++)
            CHECK_STR(nth(k)->vm, strcmp(nth(k)->serial, "A B") == 0 ? "a" : "b");
        snprintf(first, sizeof first, "%s", print());
        CHECK(parse(first));
        CHECK_STR(print(), first);
    }
    /* "None" may be three things: no serial number, that serial number, and one that udev shortens to it. */
    CHECK(parse("{\"devices\": [{\"id\": \"usb-0951:1666: None\", \"vm\": \"a\"}, {\"id\": \"usb-0951:1666:None\", "
                "\"serial\": true, \"vm\": \"b\"}, {\"id\": \"usb-0951:1666:\u6f22\", \"vm\": \"c\"}, "
                "{\"id\": \"usb-0951:1666:None\", \"vm\": \"d\", \"port\": \"1-2\"}]}"));
    CHECK_INT(count(), 4);
    char first[1024];
    snprintf(first, sizeof first, "%s", print());
    CHECK(parse(first) && count() == 4);
    CHECK_STR(print(), first);
}

static void what_a_peer_changed_since_is_believed(void) {
    const char *devices =
        "\"devices\": [{\"id\": \"046d:c52b:None\", \"port\": \"1-2\", \"vm\": \"a\", \"selected_by\": \"admin\"}, "
        "{\"id\": \"0951:1666:S\", \"port\": \"1-3\", \"vm\": \"a\", \"disconnected_by\": \"admin\"}]";
    char file[1024];
    /* another choice, a decision lifted, another one made */
    snprintf(file, sizeof file,
             "{\"selected_vms\": {\"046d:c52b:None\": \"b\"}, \"disconnected_devices\": [\"046d:c52b:None\"], %s}",
             devices);
    CHECK(parse(file));
    CHECK_INT(count(), 1); /* no entry of the other device */
    CHECK_STR(nth(0)->vm, "b");
    CHECK_INT(nth(0)->vm_by, ROLE_OPERATOR); /* an unknown client of the older daemon: not our admin */
    CHECK_STR(nth(0)->port, "1-2");
    CHECK_INT(nth(0)->file.by, ROLE_OPERATOR);
    /* the same choice keeps its author */
    snprintf(file, sizeof file, "{\"selected_vms\": {\"046d:c52b:None\": \"a\"}, %s}", devices);
    CHECK(parse(file));
    CHECK_STR(nth(0)->vm, "a");
    CHECK_INT(nth(0)->vm_by, ROLE_ADMIN);
    /* an entry of an older daemon has no author */
    CHECK(parse("{\"selected_vms\": {\"046d:c52b:None\": \"a\"}}"));
    CHECK_INT(nth(0)->vm_by, ROLE_OPERATOR);
    /* not mentioned is not changed */
    snprintf(file, sizeof file, "{%s}", devices);
    CHECK(parse(file));
    CHECK_STR(nth(0)->vm, "a");
    CHECK_INT(nth(1)->file.by, ROLE_ADMIN);
}

static void twins_keep_their_own(void) {
    CHECK(parse("{\"selected_vms\": {\"046d:c52b:None\": \"b\"}, \"disconnected_devices\": [], \"devices\": ["
                "{\"id\": \"046d:c52b:None\", \"port\": \"1-2\", \"vm\": \"a\"}, "
                "{\"id\": \"046d:c52b:None\", \"port\": \"1-3\", \"vm\": \"b\"}]}"));
    CHECK_INT(count(), 2);
    CHECK_STR(nth(0)->vm, "a");
    CHECK_STR(nth(1)->vm, "b");
}

static void another_boots_suspensions_are_over(void) {
    static const char file[] =
        "{\"devices\": [{\"id\": \"046d:c52b:None\", \"suspended\": \"a\"}, {\"id\": \"046d:c52b:None\", \"exempt\": "
        "\"1-2\", \"disconnected_by\": \"admin\"}], \"boot_id\": \"%s\"}";
    char filled[512];
    snprintf(filled, sizeof filled, file, "another-boot");
    CHECK(parse(filled));
    CHECK_INT(count(), 1);
    CHECK(nth(0)->file.by == ROLE_ADMIN && nth(0)->file.exempt == 0);
    snprintf(filled, sizeof filled, file, boot);
    CHECK(parse(filled));
    CHECK_INT(count(), 2);
}

/* Another program, or a later vhotplug, may understand them. */
static void entries_that_are_not_understood_are_kept(void) {
    static const char all[] = "{\n"
                              "  \"selected_vms\": {\n"
                              "    \"usb-046d:c52b:1\": \"a\",\n"
                              "    \"046d\": \"a\",\n"
                              "    \"pci-0000:00:14.3\": \"net\",\n"
                              "    \"usb-046d:c52b:2\": 5,\n"
                              "    \"046d:c52b:3\": \"\"\n"
                              "  },\n"
                              "  \"disconnected_devices\": [\n"
                              "    \"usb-046d:c52b:1\",\n"
                              "    7,\n"
                              "    \"pci-0000:00:1f.3\",\n"
                              "    \"046g:c52b:1\",\n"
                              "    \"046d-c52b-1\"\n"
                              "  ],\n"
                              "  \"devices\": [\n"
                              "    {\"id\": \"usb-046d:c52b:1\", \"vm\": \"a\", \"selected_by\": \"operator\", "
                              "\"disconnected_by\": \"operator\"},\n"
                              "    5,\n"
                              "    {\"id\": \"x\", \"b\": [{}]},\n"
                              "    {\"id\": \"usb-0001:0002:None\", \"vm\":   5}\n"
                              "  ],\n"
                              "  \"disconnected_tags\": {\n"
                              "    \"cam\": \"operator\",\n"
                              "    \"\": \"admin\"\n"
                              "  },\n"
                              "  \"crosvm_usb_ports\": {}\n"
                              "}\n";
    CHECK(parse(all));
    CHECK_INT(count(), 1);
    CHECK_INT(dropped, 0);
    CHECK_INT(state_format_kept(&ms), 4 + 4 + 3 + 1);
    CHECK_STR(print(), all);
    CHECK(parse("{\"disconnected_tags\": {\"\": 1}}") && strstr(print(), "\"disconnected_tags\": {\n    \"\": 1\n  }"));
}

static void a_loss_is_kept_until_it_is_acknowledged(void) {
    static const char *const bad[] = {"5", "null", "\"\"", "{}"};
    char file[512], longest[VH_TEXT_MAX + 1];
    CHECK(parse("{\"corrupt\": \"not JSON: \\u0001\"}"));
    CHECK_STR(ms.corrupt, "not JSON: \x01");
    CHECK_INT(ms.nkept, 0);
    CHECK(strstr(print(), ",\n  \"corrupt\": \"not JSON: \\u0001\"\n}\n") != NULL);
    ms.corrupt[0] = '\0';
    CHECK(strstr(print(), "corrupt") == NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        (void)snprintf(file, sizeof file, "{\"corrupt\": %s}", bad[i]);
        CHECK(parse(file));
        CHECK_STR(ms.corrupt, "for a reason that cannot be read");
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)snprintf(file, sizeof file, "{\"corrupt\": \"%s\"}", longest);
    CHECK(parse(file));
    CHECK_STR(ms.corrupt, "for a reason that cannot be read");
    (void)snprintf(file, sizeof file, "{\"corrupt\": \"%s\"}", longest + 1);
    CHECK(parse(file));
    CHECK_STR(ms.corrupt, longest + 1);
    CHECK(parse("{}"));
    CHECK(ms.corrupt[0] == '\0' && ms.unread == 0);
}

/* JSON has each key once. */
static void an_entry_that_is_not_understood_gives_way_to_one_that_is(void) {
    CHECK(parse("{\"selected_vms\": {\"usb-046D:c52b:\\u0041 B\": 5, \"usb-046d:c52b:C\": {}}}"));
    CHECK(strstr(print(), "\"usb-046d:c52b:A B\": 5,\n    \"usb-046d:c52b:C\": {}\n") != NULL);
    ms.m[7] = (struct remembered){
        .used = true, .vid = 0x46d, .pid = 0xc52b, .serial = "A B", .vm = "a", .vm_by = ROLE_ADMIN, .stamp = 1};
    CHECK(strstr(print(), "{\n    \"usb-046d:c52b:A B\": \"a\",\n    \"usb-046d:c52b:A_B\": \"a\",\n    "
                          "\"usb-046d:c52b:C\": {}\n  }") != NULL);
    CHECK(parse("{\"selected_vms\": {\"usb-046d:c52b:A\": 1, \"usb-046D:C52B:A\": 2}}"));
    CHECK_INT(dropped, 1);
    CHECK(strstr(print(), "\"usb-046d:c52b:A\": 1\n") != NULL);
}

static void fields_without_sense_spoil_their_entry_alone(void) {
    static const struct {
        const char *fields;
        bool kept;
    } cases[] = {
        {"\"vm\": \"a\", \"port\": null", true},
        {"\"vm\": \"a\", \"port\": 5", false},
        {"\"vm\": \"a\", \"port\": \"a-name-that-is-longer-than-any-port-can-be\"", false},
        {"\"vm\": \"a\", \"suspended\": true", false},
        {"\"vm\": \"a\", \"exempt\": 1", false},
        {"\"vm\": \"a\", \"disconnected_by\": 5", true}, /* a decision, whoever's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char file[256];
        snprintf(file, sizeof file,
                 "{\"devices\": [{\"id\": \"0001:0002:x\", %s}, {\"id\": \"0001:0003:y\", \"vm\": \"b\"}]}",
                 cases[i].fields);
        CHECK(parse(file));
        CHECK_INT(count(), cases[i].kept ? 2 : 1);
        CHECK_INT(state_format_kept(&ms), !cases[i].kept);
        CHECK_INT(dropped, 0);
    }
    CHECK_INT(nth(0)->file.by, ROLE_OPERATOR);
}

static void an_exception_is_of_one_plug_or_none(void) {
    static const char *const bad[] = {"", "x", "0", "1-5", "-5", "18446744073709551616", "1 ", "0x5"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char file[256];
        snprintf(file, sizeof file,
                 "{\"boot_id\": \"%s\", \"devices\": [{\"id\": \"0001:0002:x\", \"exempt\": \"%s\"}]}", boot, bad[i]);
        CHECK(parse(file));
        CHECK_INT(count(), 0); /* no entry is left */
    }
}

static void an_id_has_two_numbers(void) {
    static const char *const bad[] = {"046d:c52:1",  "046d:c52b",   "046dc52b:1x", "046d:c52bx1",
                                      "04gd:c52b:1", "046d:c5gb:1", ":::::::::::"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char file[128];
        snprintf(file, sizeof file, "{\"disconnected_devices\": [\"%s\"]}", bad[i]);
        CHECK(parse(file));
        CHECK(count() == 0 && state_format_kept(&ms) == 1);
    }
    CHECK(parse("{\"disconnected_devices\": [\"046d:c52b:\"]}"));
    CHECK_INT(count(), 1); /* an empty serial is none */
}

/* "None" in an id is a serial number or a missing one: the entry holds for both. */
static void a_serial_that_reads_none_is_found_by_its_id(void) {
    CHECK(
        parse("{\"disconnected_devices\": [\"1234:5678:None\"], \"devices\": [{\"id\": \"1234:5678:None\", \"serial\": "
              "true, \"port\": \"1-2\", \"vm\": \"a\"}]}"));
    CHECK_INT(count(), 1);
    CHECK_STR(nth(0)->serial, "None");
    CHECK_INT(nth(0)->file.by, ROLE_OPERATOR);
    CHECK(
        parse("{\"devices\": [{\"id\": \"1234:5678:S\", \"serial\": true, \"vm\": \"a\"}, {\"id\": \"1234:5678:None\", "
              "\"serial\": false, \"vm\": \"a\"}]}"));
    CHECK_STR(nth(0)->serial, "S"); /* as in the entry itself */
    CHECK_STR(nth(1)->serial, "");
}

static void more_than_there_is_room_for_is_counted(void) {
    static char file[VH_STATE_MAX];
    size_t n = (size_t)snprintf(file, sizeof file, "{\"disconnected_devices\": [");
    for (int i = 0; i < VH_MAX_REMEMBERED + 3; i++)
        n += (size_t)snprintf(file + n, sizeof file - n, "%s\"046d:c52b:%d\"", i > 0 ? ", " : "", i);
    snprintf(file + n, sizeof file - n, "]}");
    CHECK(parse(file));
    CHECK_INT(count(), VH_MAX_REMEMBERED); /* only decisions, and none was dropped */
    CHECK_INT(dropped, 3);
    n = (size_t)snprintf(file, sizeof file, "{\"disconnected_tags\": {");
    for (int i = 0; i < VH_MAX_TAG_DECISIONS + 2; i++)
        n += (size_t)snprintf(file + n, sizeof file - n, "%s\"tag %d\": \"admin\"", i > 0 ? ", " : "", i);
    snprintf(file + n, sizeof file - n, "}}");
    CHECK(parse(file));
    CHECK_INT(dropped, 2);
    CHECK(ms.tag_decision[VH_MAX_TAG_DECISIONS - 1].by == ROLE_ADMIN);
    CHECK_STR(ms.tag_decision[VH_MAX_TAG_DECISIONS - 1].tag, "tag 63");
    n = (size_t)snprintf(file, sizeof file, "{\"theirs\": \"");
    memset(file + n, 'x', VH_STATE_EXTRA);
    snprintf(file + n + VH_STATE_EXTRA, 8, "\"}");
    CHECK(parse(file)); /* the decisions count all the same */
    CHECK_INT(dropped, 1);
    file[n + VH_STATE_EXTRA - sizeof "f\"theirs\": \"\""] = '"';
    snprintf(file + n + VH_STATE_EXTRA + 1 - sizeof "f\"theirs\": \"\"", 16, ", \"a\":1}");
    CHECK(parse(file)); /* the first fits to the last byte */
    CHECK_INT(dropped, 1);
}

static void the_scratch_is_what_reading_needs(void) {
    size_t size = 0;
    void *scratch = state_format_scratch(&size);
    CHECK(scratch != NULL && size >= VH_STATE_TOKENS * sizeof(int));
    memset(scratch, 0xff, size);
    CHECK(parse("{\"selected_vms\": {\"0951:1666:4C53\": \"vm1\"}}") && count() == 1);
}

static void what_is_no_state_file_is_said_to_be_none(void) {
    static const char *const bad[][2] = {
        {"", "not JSON: "},
        {"{\"selected_vms\": {\"046d:c5", "not JSON: "},
        {"[]", "not a JSON object"},
        {"{\"selected_vms\": []}", "'selected_vms' is no object"},
        {"{\"disconnected_devices\": {}}", "'disconnected_devices' is no array"},
        {"{\"devices\": {}}", "'devices' is no array"},
        {"{\"disconnected_tags\": []}", "'disconnected_tags' is no object"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK(!parse(bad[i][0]));
        if (strncmp(why, bad[i][1], strlen(bad[i][1])) != 0)
            CHECK_STR(why, bad[i][1]);
    }
}

static void decisions_come_before_selections_when_it_is_full(void) {
    static char file[VH_STATE_MAX];
    size_t n = (size_t)snprintf(file, sizeof file, "{\"selected_vms\": {");
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        n += (size_t)snprintf(file + n, sizeof file - n, "%s\"046d:c52b:%d\": \"a\"", i > 0 ? ", " : "", i);
    snprintf(file + n, sizeof file - n, "}, \"disconnected_devices\": [\"0951:1666:1\"]}");
    CHECK(parse(file));
    CHECK_INT(dropped, 1);
    CHECK_INT(count(), VH_MAX_REMEMBERED);
    bool there = false, oldest = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        there = there || (ms.m[i].file.by == ROLE_OPERATOR && ms.m[i].vid == 0x0951);
        oldest = oldest || strcmp(ms.m[i].serial, "0") == 0;
    }
    CHECK(there && !oldest);
}

/* The largest that the core can hold, with serials that grow when they are written, must fit into a file. */
static void the_largest_fits(void) {
    memset(&ms, 0, sizeof ms);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &ms.m[i];
        *m = (struct remembered){.used = true,
                                 .vid = 1,
                                 .pid = (uint16_t)i,
                                 .file.by = ROLE_OPERATOR,
                                 .vm_by = ROLE_OPERATOR,
                                 .stamp = (uint64_t)i + 1};
        memset(m->serial, i % 2 == 0 ? 1 : ' ', VH_STRING_UNITS); /* the longest; six bytes each in JSON */
        if (i % 2 != 0) /* or with another form of udev's, as long as it can be */
            for (int k = 0; k < VH_STRING_UNITS; k++)
                m->serial[k] = k % 2 == 0 ? '"' : '!';
        memset(m->vm, 'v', sizeof m->vm - 1);
        memset(m->port, '1', sizeof m->port - 1);
        memcpy(m->port + sizeof m->port - sizeof "/2:1", "/2:1", sizeof "/2:1");
    }
    size_t len = strlen(print());
    static char again[VH_STATE_MAX];
    memcpy(again, text, len + 1);
    CHECK(parse(again) && dropped == 0);
    CHECK_STR(why, "");
    CHECK_INT(count(), VH_MAX_REMEMBERED);
    CHECK(strcmp(print(), again) == 0);
}

int main(void) {
    RUN(a_file_of_an_older_daemon_is_understood);
    RUN(a_peer_can_read_what_is_written);
    RUN(everything_comes_back);
    RUN(what_a_peer_changed_since_is_believed);
    RUN(twins_keep_their_own);
    RUN(another_boots_suspensions_are_over);
    RUN(both_forms_of_an_id_are_read);
    RUN(either_daemon_may_change_its_id);
    RUN(our_older_file_lifts_nothing);
    RUN(ids_that_udev_makes_one_stay_apart);
    RUN(entries_that_are_not_understood_are_kept);
    RUN(an_entry_that_is_not_understood_gives_way_to_one_that_is);
    RUN(a_loss_is_kept_until_it_is_acknowledged);
    RUN(what_is_no_state_file_is_said_to_be_none);
    RUN(decisions_come_before_selections_when_it_is_full);
    RUN(the_largest_fits);
    RUN(fields_without_sense_spoil_their_entry_alone);
    RUN(an_exception_is_of_one_plug_or_none);
    RUN(an_id_has_two_numbers);
    RUN(a_serial_that_reads_none_is_found_by_its_id);
    RUN(more_than_there_is_room_for_is_counted);
    RUN(the_scratch_is_what_reading_needs);
    TEST_MAIN_END;
}
