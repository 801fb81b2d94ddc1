/*
 * test_roles.c - every role, every action and every situation of a device in one table: a refused request changes
 * nothing, and a hidden device is answered like an absent one. Then cases that a table does not show.
 */
#include "api/api.h"
#include "config/access.h"
#include "core_story.h"

/* ---- the situations of the device, as the guest of VM a (row 0) sees them ---- */

enum situation {
    OWN,      /* both VMs may have it; a has it */
    FREE,     /* both may, nobody has */
    OTHERS,   /* both may; b has it */
    CHOSEN,   /* both may; somebody chose b, which takes it out of reach although b does not run */
    GIVEN,    /* both may; an admin gave it to b */
    HIDDEN,   /* only b may; b has it */
    UNRULED,  /* no rule concerns it */
    GONE_OP,  /* both may; an operator has taken it away */
    GONE_AD,  /* both may; an admin has */
    KEPT,     /* both may; the host uses it */
    PUT_AWAY, /* a's guest has detached it */
    ABSENT,   /* there is no such device */
    SITUATIONS
};

#define DEV 9 /* its address; ABSENT is asked for by the same */

static bool got_reply, reply_good;
static char reply_text[VH_ERROR_MAX];

static void note_reply(void) {
    const struct action *a = action(ACT_REPLY);
    if (a == NULL || a->client.index != 3)
        return;
    got_reply = true;
    reply_good = a->ok;
    snprintf(reply_text, sizeof reply_text, "%s", a->ok ? "" : out.texts[a->text]);
}

/* Every VM does at once what it is told. */
static void settle(void) {
    note_reply();
    for (int n = 0; n < 50; n++) {
        int busy = -1;
        for (int v = 0; v < 2; v++)
            busy = core.vm[v].op != OP_NONE ? v : busy;
        if (busy < 0)
            return;
        done(busy, OP_OK);
        note_reply();
        released();
    }
    CHECK(false);
}

static void request_as(enum role role, enum request_kind kind, int devnum, const char *vm) {
    static struct request r;
    const char *why = "";
    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.client = (struct client_ref){.index = 3, .gen = 9};
    r.who = (struct principal){.role = role, .vm = role == ROLE_GUEST ? 0 : -1};
    snprintf(r.vm, sizeof r.vm, "%s", vm);
    r.sel.by_node = kind == REQ_ATTACH || kind == REQ_DETACH;
    r.sel.node_bus = 1;
    r.sel.node_dev = (uint8_t)devnum;
    got_reply = false;
    if (!access_may(&r.who, kind, &why)) {
        got_reply = true;
        reply_good = false;
        snprintf(reply_text, sizeof reply_text, "%s", why);
        return;
    }
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    settle();
}

static void set_up(enum situation s) {
    begin(false);
    vm_up(0);
    vm_up(1);
    if (s == ABSENT)
        return;
    plug("1-1", DEV, s == HIDDEN ? 14 : s == UNRULED ? 1 : 8);
    settle();
    if (s == OWN || s == PUT_AWAY)
        request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    if (s == OTHERS || s == CHOSEN)
        request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "b");
    if (s == GIVEN)
        request_as(ROLE_ADMIN, REQ_ATTACH, DEV, "b");
    if (s == CHOSEN)
        vm_fact_of(FACT_VM_DOWN, 1);
    if (s == GONE_OP)
        request_as(ROLE_OPERATOR, REQ_DETACH, DEV, "");
    if (s == GONE_AD)
        request_as(ROLE_ADMIN, REQ_DETACH, DEV, "");
    if (s == PUT_AWAY)
        request_as(ROLE_GUEST, REQ_DETACH, DEV, "");
    released();
    if (s == KEPT) {
        struct device d = core.slot[0].dev;
        d.protect = "holds /boot";
        struct fact f = {.kind = FACT_DEVICE, .device = &d};
        step(&f);
    }
    settle();
}

/* ---- the table ---- */

/*
 * One letter a situation:  + done, or done already   - refused, and told why   h refused as if it were not there
 * (hidden) The reasons of refusals to an observer, and of a guest that names another VM, do not depend on the device at
 * all: o.
 */
static const struct {
    enum request_kind kind;
    const char *vm;
    enum role role;
    const char *cells;
} table[] = {
    /*                                  OWN FREE OTHERS CHOSEN GIVEN HIDDEN UNRULED GONE_OP GONE_AD KEPT PUT_AWAY ABSENT
     */
    {REQ_ATTACH, "", ROLE_ADMIN, "+++-++-++-+h"},
    {REQ_ATTACH, "a", ROLE_ADMIN, "+++++--++-+h"},
    {REQ_ATTACH, "b", ROLE_ADMIN, "+++-++-++-+h"},
    {REQ_DETACH, "", ROLE_ADMIN, "+++++++++++h"},
    {REQ_ATTACH, "", ROLE_OPERATOR, "+++-++-+--+h"},
    {REQ_ATTACH, "a", ROLE_OPERATOR, "++++---+--+h"},
    {REQ_ATTACH, "b", ROLE_OPERATOR, "+++-++-+--+h"},
    {REQ_DETACH, "", ROLE_OPERATOR, "+++++++++++h"},
    {REQ_ATTACH, "", ROLE_GUEST, "++---hh---+h"},
    {REQ_ATTACH, "a", ROLE_GUEST, "++---hh---+h"},
    {REQ_ATTACH, "b", ROLE_GUEST, "oooooooooooo"},
    {REQ_DETACH, "", ROLE_GUEST, "+----hh---+h"},
    {REQ_DETACH, "b", ROLE_GUEST, "oooooooooooo"},
    {REQ_ATTACH, "", ROLE_OBSERVER, "oooooooooooo"},
    {REQ_ATTACH, "a", ROLE_OBSERVER, "oooooooooooo"},
    {REQ_DETACH, "", ROLE_OBSERVER, "oooooooooooo"},
    /* Suspend and resume name no device; what happens to it is checked below. */
    {REQ_SUSPEND, "", ROLE_ADMIN, "++++++++++++"},
    {REQ_SUSPEND, "b", ROLE_OPERATOR, "++++++++++++"},
    {REQ_SUSPEND, "", ROLE_GUEST, "++++++++++++"},
    {REQ_SUSPEND, "a", ROLE_GUEST, "++++++++++++"},
    {REQ_SUSPEND, "b", ROLE_GUEST, "oooooooooooo"},
    {REQ_SUSPEND, "", ROLE_OBSERVER, "oooooooooooo"},
    {REQ_RESUME, "", ROLE_ADMIN, "++++++++++++"},
    {REQ_RESUME, "", ROLE_OPERATOR, "++++++++++++"},
    {REQ_RESUME, "", ROLE_GUEST, "++++++++++++"},
    {REQ_RESUME, "a", ROLE_GUEST, "++++++++++++"},
    {REQ_RESUME, "b", ROLE_GUEST, "oooooooooooo"},
    {REQ_RESUME, "", ROLE_OBSERVER, "oooooooooooo"},
};

struct snapshot {
    int vm, choice, suspended, guest_suspended, guest_detached, target, req;
    enum role by;
    uint64_t stamp;
};

static struct snapshot look(void) {
    const struct slot *s = &core.slot[0];
    struct snapshot n;
    memset(&n, 0, sizeof n);
    if (core.used == 0)
        return n;
    n.vm = s->vm;
    n.choice = s->choice;
    n.suspended = s->suspended;
    n.guest_suspended = s->guest_suspended;
    n.guest_detached = s->guest_detached;
    n.target = plan_target(&core, s);
    n.req = s->req;
    n.by = s->disconnected_by;
    n.stamp = core.remembered.stamp;
    return n;
}

static void check_cell(size_t row, int situation) {
    char cell = table[row].cells[situation];
    char not_there[80];
    bool before_ok = test_ok;
    snprintf(not_there, sizeof not_there, "no such USB device: /dev/bus/usb/001/%03d", DEV);
    set_up((enum situation)situation);
    struct snapshot before = look();
    request_as(table[row].role, table[row].kind, DEV, table[row].vm);
    struct snapshot after = look();
    CHECK(got_reply);
    CHECK_INT(reply_good, cell == '+');
    if (cell != '+')
        CHECK(memcmp(&before, &after, sizeof before) == 0);
    if (cell == 'h')
        CHECK_STR(reply_text, not_there);
    if (cell == '-')
        CHECK(strstr(reply_text, "no such") == NULL && reply_text[0] != '\0');
    if (cell == 'o')
        CHECK(strncmp(reply_text, "not allowed", 11) == 0 && strstr(reply_text, "001") == NULL);
    if (before_ok && !test_ok)
        printf("# %s vm='%s' as %s in situation %d: '%s'\n",
               api_request_name(&(struct request){.kind = table[row].kind}), table[row].vm, role_name(table[row].role),
               situation, reply_text);
}

static void every_role_action_and_situation(void) {
    for (size_t row = 0; row < sizeof table / sizeof *table; row++) {
        CHECK_INT(strlen(table[row].cells), SITUATIONS);
        for (int s = 0; s < SITUATIONS; s++)
            check_cell(row, s);
    }
}

/* ---- what is seen ---- */

static char seen[VH_REPLY_MAX];

static void list_as(enum role role, int vm) {
    struct request r = {.kind = REQ_LIST, .all = true, .who = {.role = role, .vm = vm}};
    uint64_t cursor = 0;
    struct sbuf sb;
    sb_init(&sb, seen, sizeof seen);
    while (api_list_part(&core, &r, &cursor, &sb))
        continue;
    CHECK(sb_ok(&sb));
}

/* Shown (+), shown without what is others' (r), not shown (.). */
static const char *const lists[] = {
    [ROLE_NONE] = "",
    /* OWN FREE OTHERS CHOSEN GIVEN HIDDEN UNRULED GONE_OP GONE_AD KEPT PUT_AWAY ABSENT */
    [ROLE_OBSERVER] = "rrrrrrrrrrr.",
    [ROLE_GUEST] = "rrrrr..rrrr.",
    [ROLE_OPERATOR] = "+++++++++++.",
    [ROLE_ADMIN] = "+++++++++++.",
};

static void every_role_sees_its_own_list(void) {
    for (int role = ROLE_OBSERVER; role <= ROLE_ADMIN; role++) {
        for (int s = 0; s < SITUATIONS; s++) {
            set_up((enum situation)s);
            list_as((enum role)role, role == ROLE_GUEST ? 0 : -1);
            CHECK_INT(strstr(seen, "device_node") != NULL, lists[role][s] != '.');
            CHECK_INT(strstr(seen, "S1-1") != NULL, lists[role][s] == '+'); /* its serial */
            if (lists[role][s] == 'r') {
                CHECK(strstr(seen, "\"b\"") == NULL && strstr(seen, "'b'") == NULL);
                CHECK(strstr(seen, "boot") == NULL);
                CHECK(strstr(seen, "admin") == NULL && strstr(seen, "operator") == NULL);
            }
        }
    }
}

static void a_guest_reads_how_its_devices_are(void) {
    static const struct {
        enum situation s;
        const char *vm, *state, *reason;
    } words[] = {
        {OWN, "\"a\"", "attached", "null"},
        {FREE, "null", "idle", "\"may be attached\""},
        {OTHERS, "null", "idle", "\"not free\""},
        {CHOSEN, "null", "idle", "\"not free\""},
        {GIVEN, "null", "idle", "\"not free\""},
        {GONE_OP, "null", "idle", "\"was taken away\""},
        {GONE_AD, "null", "idle", "\"was taken away\""},
        {KEPT, "null", "idle", "\"stays with the host\""},
        {PUT_AWAY, "null", "idle", "\"was detached by this guest\""},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        char expected[200];
        bool gone = words[i].s == GONE_OP || words[i].s == GONE_AD;
        set_up(words[i].s);
        list_as(ROLE_GUEST, 0);
        snprintf(expected, sizeof expected,
                 "\"allowed_vms\": [\"a\"], \"vm\": %s, \"foreign\": false, \"disconnected\": %s, \"tag\": \"disk\", "
                 "\"state\": \"%s\", \"reason\": %s}]}\n",
                 words[i].vm, gone ? "true" : "false", words[i].state, words[i].reason);
        CHECK(strstr(seen, expected) != NULL);
        if (strstr(seen, expected) == NULL)
            printf("# expected %s# in %s", expected, seen);
    }
}

static void guest_reads(const char *state, const char *reason) {
    char expected[120];
    list_as(ROLE_GUEST, 0);
    snprintf(expected, sizeof expected, "\"state\": \"%s\", \"reason\": %s}", state, reason);
    CHECK(strstr(seen, expected) != NULL);
    if (strstr(seen, expected) == NULL)
        printf("# expected %s in %s", expected, seen);
}

static void a_guest_reads_what_is_under_way(void) {
    begin(false);
    vm_up(0);
    plug("1-1", DEV, 3); /* the rule gives it to a */
    guest_reads("pending", "\"on its way\"");
    done(0, OP_FAILED);
    guest_reads("failed", "\"on its way\"");
    done(0, OP_REFUSED); /* the listing that follows: nobody is there */
    guest_reads("waiting", "\"on its way\"");
    unplug("1-1");
    plug("1-1", DEV + 1, 3);
    guest_reads("waiting", "\"on its way\"");
    vm_up(0);
    done(0, OP_OK);
    guest_reads("attached", "null");
    request_as(ROLE_GUEST, REQ_SUSPEND, 0, "");
    guest_reads("idle", "\"suspended\"");
}

/* ---- what is heard ---- */

/* For each event: by an observer, the guest of a, the guest of b, an operator, an admin. */
static const struct {
    uint8_t cls; /* of the device: 8 both may have it, 3 only a, 14 only b, 1 nobody */
    enum event_kind kind;
    int vm;
    const char *heard;
} events[] = {
    {8, EV_CONNECTED, -1, "+++++"},    {8, EV_DISCONNECTED, -1, "+++++"}, {8, EV_SELECT_VM, -1, "-++++"},
    {8, EV_ATTACHED, 0, "++-++"},      {8, EV_DETACHED, 0, "++-++"},      {8, EV_ATTACHED, 1, "+-+++"},
    {3, EV_CONNECTED, -1, "++-++"},    {3, EV_DISCONNECTED, -1, "++-++"}, {3, EV_ATTACHED, 0, "++-++"},
    {14, EV_CONNECTED, -1, "+-+++"},   {14, EV_DETACHED, 1, "+-+++"},     {1, EV_CONNECTED, -1, "+--++"},
    {1, EV_DISCONNECTED, -1, "+--++"},
};

static void every_role_hears_what_concerns_it(void) {
    static const struct principal readers[] = {{.role = ROLE_OBSERVER, .vm = -1},
                                               {.role = ROLE_GUEST, .vm = 0},
                                               {.role = ROLE_GUEST, .vm = 1},
                                               {.role = ROLE_OPERATOR, .vm = -1},
                                               {.role = ROLE_ADMIN, .vm = -1}};
    for (size_t e = 0; e < sizeof events / sizeof *events; e++) {
        begin(false);
        plug("1-1", DEV, events[e].cls);
        for (int k = 0; k < 5; k++) {
            struct sbuf sb;
            bool concerns = api_event_concerns(&core, &readers[k], events[e].kind, 0, events[e].vm);
            CHECK_INT(concerns, events[e].heard[k] == '+');
            if (!concerns)
                continue;
            sb_init(&sb, seen, sizeof seen);
            api_event(&sb, &core, &readers[k], events[e].kind, 0, events[e].vm);
            CHECK_INT(strstr(seen, "S1-1") != NULL, k >= 3);
            if (k == 0)
                CHECK(strstr(seen, "\"a\"") == NULL && strstr(seen, "\"b\"") == NULL);
            if (k == 1)
                CHECK(strstr(seen, "\"b\"") == NULL);
            if (k == 2)
                CHECK(strstr(seen, "\"a\"") == NULL);
            if (k >= 3 && events[e].kind == EV_SELECT_VM)
                CHECK(strstr(seen, "[\"a\", \"b\"]") != NULL);
        }
    }
    struct principal nobody = {.role = ROLE_NONE, .vm = -1};
    CHECK(!api_event_concerns(&core, &nobody, EV_CONNECTED, 0, -1));
}

/* ---- what a table does not show ---- */

static void a_guests_detach_is_temporary_and_written_nowhere(void) {
    set_up(OWN);
    uint64_t stamp = core.remembered.stamp;
    core.persist = true;
    request_as(ROLE_GUEST, REQ_DETACH, DEV, "");
    CHECK(reply_good && core.slot[0].vm == -1 && !core.slot[0].disconnected);
    CHECK(!core.dirty && core.remembered.stamp == stamp);
    vm_fact_of(FACT_VM_SOCKET, 1); /* whatever happens elsewhere, it stays where it is */
    settle();
    CHECK_INT(core.slot[0].vm, -1);
    CHECK(event(EV_SELECT_VM) == NULL);
    unplug("1-1");
    plug("1-1", DEV + 1, 8);
    settle();
    CHECK_INT(core.slot[0].vm, 0); /* an admin had chosen a: that holds for the next plug */
}

static void a_guest_takes_back_what_it_put_away(void) {
    set_up(PUT_AWAY);
    request_as(ROLE_GUEST, REQ_ATTACH, DEV, "");
    CHECK(reply_good);
    CHECK_INT(core.slot[0].vm, 0);
    CHECK_INT(core.slot[0].guest_detached, -1);
}

static void what_a_guest_put_away_comes_back_with_its_vm(void) {
    set_up(PUT_AWAY);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK_INT(core.slot[0].guest_detached, -1);
    vm_up(0);
    settle();
    CHECK_INT(core.slot[0].vm, 0);
}

static void guest_of_b_attaches(void) {
    static struct request r;
    r = (struct request){.kind = REQ_ATTACH,
                         .client = {.index = 3, .gen = 9},
                         .who = {.role = ROLE_GUEST, .vm = 1},
                         .sel = {.by_node = true, .node_bus = 1, .node_dev = DEV}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    settle();
}

/* Somebody above guests has chosen VM a for it. */
static void another_guest_may_not_take_what_was_chosen_for_one(void) {
    set_up(PUT_AWAY);
    guest_of_b_attaches();
    CHECK(got_reply && !reply_good);
    CHECK_INT(core.slot[0].vm, -1);
}

static void another_guest_may_take_what_one_put_away(void) {
    set_up(FREE);
    request_as(ROLE_GUEST, REQ_ATTACH, DEV, "a");
    settle();
    request_as(ROLE_GUEST, REQ_DETACH, DEV, "");
    settle();
    released();
    guest_of_b_attaches();
    CHECK(reply_good);
    CHECK_INT(core.slot[0].vm, 1);
}

static void a_guests_choice_is_not_remembered(void) {
    set_up(FREE);
    uint64_t stamp = core.remembered.stamp;
    core.persist = true;
    request_as(ROLE_GUEST, REQ_ATTACH, DEV, "a");
    CHECK(reply_good && core.slot[0].vm == 0);
    CHECK(!core.dirty && core.remembered.stamp == stamp);
    unplug("1-1");
    plug("1-1", DEV + 1, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
}

static void a_guest_suspends_and_resumes_its_own_only(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", DEV, 8);
    plug("1-2", DEV + 1, 8);
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV, "a");
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV + 1, "b");
    uint64_t stamp = core.remembered.stamp;
    request_as(ROLE_GUEST, REQ_SUSPEND, 0, "");
    CHECK(core.slot[0].vm == -1 && core.slot[1].vm == 1);
    CHECK(core.remembered.stamp == stamp);
    struct device d = core.slot[0].dev; /* a fact about the device does not forget it */
    struct fact f = {.kind = FACT_DEVICE, .device = &d};
    step(&f);
    CHECK_INT(core.slot[0].suspended, 0);
    request_as(ROLE_GUEST, REQ_RESUME, 0, "a");
    CHECK(core.slot[0].vm == 0 && core.slot[1].vm == 1);
}

static void a_guest_does_not_resume_what_an_operator_suspended(void) {
    set_up(OWN);
    request_as(ROLE_OPERATOR, REQ_SUSPEND, 0, "a");
    CHECK_INT(core.slot[0].vm, -1);
    request_as(ROLE_GUEST, REQ_RESUME, 0, "");
    CHECK(reply_good);
    CHECK_INT(core.slot[0].vm, -1);
    request_as(ROLE_GUEST, REQ_ATTACH, DEV, "");
    CHECK(!reply_good);
    request_as(ROLE_OPERATOR, REQ_RESUME, 0, "a");
    CHECK_INT(core.slot[0].vm, 0);
}

static void two_alike_as(enum role role, enum request_kind kind) {
    static struct request r;
    r = (struct request){.kind = kind,
                         .client = {.index = 3, .gen = 9},
                         .who = {.role = role, .vm = role == ROLE_GUEST ? 0 : -1},
                         .sel = {.by_vid = true, .by_pid = true, .vid = 0x1234, .pid = 8}};
    got_reply = false;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    settle();
}

static void a_selector_means_only_what_the_asker_may_touch(void) {
    begin(false);
    vm_up(0);
    vm_up(1);
    plug("1-1", DEV, 8);
    plug("1-2", DEV + 1, 8);
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV, "b");
    two_alike_as(ROLE_ADMIN, REQ_ATTACH);
    CHECK(!reply_good && strstr(reply_text, "ambiguous") != NULL);
    two_alike_as(ROLE_GUEST, REQ_ATTACH); /* b's is not free: it means the other */
    CHECK(reply_good && core.slot[0].vm == 1 && core.slot[1].vm == 0);
    two_alike_as(ROLE_GUEST, REQ_DETACH);
    CHECK(reply_good && core.slot[0].vm == 1 && core.slot[1].vm == -1);
    request_as(ROLE_ADMIN, REQ_DETACH, DEV, "");
    two_alike_as(ROLE_OPERATOR, REQ_ATTACH); /* an admin took the first: the operator cannot mean it */
    CHECK(reply_good && core.slot[1].vm == 0);
    request_as(ROLE_ADMIN, REQ_DETACH, DEV + 1, "");
    two_alike_as(ROLE_GUEST, REQ_ATTACH);
    CHECK(!reply_good);
    CHECK_STR(reply_text, "none of the devices that fit is free");
    plug("1-3", DEV + 2, 8);
    plug("1-4", DEV + 3, 8);
    two_alike_as(ROLE_GUEST, REQ_ATTACH);
    CHECK_STR(reply_text, "ambiguous: /dev/bus/usb/001/011 (1-3, 1234:0008) /dev/bus/usb/001/012 (1-4, 1234:0008)");
}

static void tag_as(enum role role, enum request_kind kind, const char *tag) {
    static struct request r;
    r = (struct request){.kind = kind,
                         .client = {.index = 3, .gen = 9},
                         .who = {.role = role, .vm = role == ROLE_GUEST ? 0 : -1},
                         .sel = {.by_tag = true}};
    snprintf(r.sel.tag, sizeof r.sel.tag, "%s", tag);
    got_reply = false;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    settle();
}

static void a_tag_tells_a_guest_nothing(void) {
    set_up(HIDDEN);
    tag_as(ROLE_GUEST, REQ_ATTACH, "disk"); /* a rule has it */
    CHECK_STR(reply_text, "no such USB device: tag 'disk'");
    tag_as(ROLE_GUEST, REQ_ATTACH, "none"); /* none has it */
    CHECK_STR(reply_text, "no such USB device: tag 'none'");
}

static void a_guest_detaches_a_tag_of_its_own_devices_and_no_decision_is_taken(void) {
    set_up(OWN);
    plug("1-2", DEV + 1, 8);
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV + 1, "b");
    tag_as(ROLE_GUEST, REQ_DETACH, "disk");
    CHECK(reply_good && core.slot[0].vm == -1 && core.slot[1].vm == 1);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_NONE);
    tag_as(ROLE_ADMIN, REQ_DETACH, "disk");
    tag_as(ROLE_GUEST, REQ_ATTACH, "disk");
    CHECK(!reply_good);
    CHECK(core.slot[0].vm == -1 && core.slot[1].vm == -1);
    CHECK_INT(remembered_tag_decision(&core, KIND_USB, "disk"), ROLE_ADMIN);
}

/* Whose it is may only show when its serial number is known. */
static void a_guest_takes_nothing_that_is_not_fully_known(void) {
    set_up(ABSENT);
    plug_as("1-1", DEV, 8, false, false);
    request_as(ROLE_GUEST, REQ_ATTACH, DEV, "");
    CHECK_STR(reply_text, "/dev/bus/usb/001/009 is not free");
    CHECK_INT(core.slot[0].req, -1);
}

static const char given[] = "/dev/bus/usb/001/009 was given to VM 'b' by a higher role";

static void what_an_admin_gave_an_operator_does_not_move(void) {
    set_up(GIVEN);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    CHECK_STR(reply_text, given);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "b"); /* that is no other choice, and stays the admin's */
    CHECK(reply_good);
    vm_fact_of(FACT_VM_DOWN, 1);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    CHECK_STR(reply_text, given);
    request_as(ROLE_OPERATOR, REQ_DETACH, DEV, ""); /* to take it away is always safe; to give it back is the same */
    CHECK(reply_good);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    CHECK_STR(reply_text, given);
    CHECK_INT(core.slot[0].disconnected_by, ROLE_OPERATOR); /* and was not lifted by the attempt */
    unplug("1-1");
    plug("1-1", DEV, 8);
    settle();
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    CHECK_STR(reply_text, given);
    tag_as(ROLE_OPERATOR, REQ_ATTACH, "disk");
    vm_up(1);
    settle();
    CHECK_INT(core.slot[0].vm, -1);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "");
    CHECK(reply_good && core.slot[0].vm == 1);
}

static void an_admin_moves_what_anybody_gave(void) {
    set_up(GIVEN);
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV, "a");
    CHECK(reply_good && core.slot[0].vm == 0);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "b");
    CHECK_STR(reply_text, "/dev/bus/usb/001/009 was given to VM 'a' by a higher role");
    set_up(OTHERS);
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a"); /* an operator's own is any operator's */
    CHECK(reply_good && core.slot[0].vm == 0);
    request_as(ROLE_ADMIN, REQ_ATTACH, DEV, "a"); /* confirmed: from now on it is the admin's */
    request_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "b");
    CHECK(!reply_good && core.slot[0].vm == 0);
}

/* A guest that never lets an operation end must not keep an admin from its device. */
static void a_higher_role_does_not_wait_for_a_lower_one(void) {
    set_up(OWN);
    static struct request r;
    r = (struct request){.kind = REQ_DETACH,
                         .client = {.index = 4, .gen = 2},
                         .who = {.role = ROLE_GUEST, .vm = 0},
                         .sel = {.by_node = true, .node_bus = 1, .node_dev = DEV}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    CHECK(core.slot[0].op == OP_DETACH && core.slot[0].req >= 0);
    ask_as(ROLE_ADMIN, REQ_DETACH, DEV, "");
    const struct action *a = action(ACT_REPLY); /* the guest's ends first */
    CHECK(a != NULL && !a->ok && a->client.index == 4);
    settle();
    CHECK(got_reply && reply_good);
    CHECK_INT(core.slot[0].disconnected_by, ROLE_ADMIN);
    CHECK_INT(core.slot[0].vm, -1);
}

static void a_guest_waits_for_whoever_moves_its_device(void) {
    set_up(OWN);
    ask_as(ROLE_OPERATOR, REQ_DETACH, DEV, "");
    CHECK(core.slot[0].op == OP_DETACH);
    ask_as(ROLE_GUEST, REQ_DETACH, DEV, "");
    CHECK_STR(refusal(), "it is being moved at the moment");
    ask_as(ROLE_GUEST, REQ_ATTACH, DEV, "");
    CHECK(strstr(refusal(), "was taken away") != NULL);
    settle();
    CHECK_INT(core.slot[0].disconnected_by, ROLE_OPERATOR);
}

static void equals_wait_for_each_other(void) {
    set_up(OWN);
    ask_as(ROLE_OPERATOR, REQ_DETACH, DEV, "");
    ask_as(ROLE_OPERATOR, REQ_ATTACH, DEV, "a");
    CHECK(strstr(refusal(), "busy") != NULL);
    settle();
}

static void a_guest_is_not_told_of_others_troubles(void) {
    set_up(FREE);
    static struct request r;
    r = (struct request){.kind = REQ_ATTACH,
                         .client = {.index = 3, .gen = 9},
                         .who = {.role = ROLE_GUEST, .vm = 0},
                         .sel = {.by_node = true, .node_bus = 1, .node_dev = DEV}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    done_with(0, OP_FAILED, "failed to open /secret/path for VM 'b'", NULL, 0);
    CHECK(replied(false));
    CHECK_STR(refusal(), "it could not be attached");
}

static void nothing_is_free_while_somebody_else_may_have_it(void) {
    begin(false);
    vm_fact_of(FACT_VM_SOCKET, 1); /* b may hold anything: it has not been listed */
    plug_as("1-1", DEV, 8, true, true);
    vm_fact_of(FACT_VM_SOCKET, 0);
    done(0, OP_OK);
    CHECK(core.slot[0].doubt != 0);
    ask_as(ROLE_GUEST, REQ_ATTACH, DEV, "");
    CHECK(replied(false));
}

/* ---- audit ---- */

static const struct audit *audited(void) {
    const struct action *a = action(ACT_AUDIT);
    return a != NULL ? &out.audits[a->audit] : NULL;
}

static void what_is_tried_is_told_even_if_nobody_waits_for_the_answer(void) {
    set_up(OWN);
    ask_as(ROLE_OPERATOR, REQ_DETACH, DEV, "");
    struct fact gone = {.kind = FACT_CLIENT_GONE, .client = {.index = 3, .gen = 9}};
    step(&gone);
    CHECK(audited() == NULL);
    done(0, OP_OK);
    const struct audit *a = audited();
    CHECK(a != NULL && action(ACT_REPLY) == NULL);
    if (a == NULL)
        return;
    CHECK(a->outcome == AUDIT_OK && a->devices == 1 && a->asked.kind == REQ_DETACH && a->vid == 0x1234);
    CHECK_STR(a->device, "1-1");
    ask_as(ROLE_GUEST, REQ_DETACH, 77, "");
    a = audited();
    CHECK(a != NULL && a->outcome == AUDIT_REFUSED && a->devices == 0);
    ask_as(ROLE_ADMIN, REQ_LIST, 0, "");
    CHECK(audited() == NULL); /* to look is no decision */
}

int main(void) {
    RUN(every_role_action_and_situation);
    RUN(every_role_sees_its_own_list);
    RUN(a_guest_reads_how_its_devices_are);
    RUN(a_guest_reads_what_is_under_way);
    RUN(every_role_hears_what_concerns_it);
    RUN(a_guests_detach_is_temporary_and_written_nowhere);
    RUN(a_guest_takes_back_what_it_put_away);
    RUN(what_a_guest_put_away_comes_back_with_its_vm);
    RUN(another_guest_may_not_take_what_was_chosen_for_one);
    RUN(another_guest_may_take_what_one_put_away);
    RUN(a_guests_choice_is_not_remembered);
    RUN(a_guest_suspends_and_resumes_its_own_only);
    RUN(a_guest_does_not_resume_what_an_operator_suspended);
    RUN(a_selector_means_only_what_the_asker_may_touch);
    RUN(a_tag_tells_a_guest_nothing);
    RUN(a_guest_detaches_a_tag_of_its_own_devices_and_no_decision_is_taken);
    RUN(a_guest_takes_nothing_that_is_not_fully_known);
    RUN(what_an_admin_gave_an_operator_does_not_move);
    RUN(an_admin_moves_what_anybody_gave);
    RUN(a_higher_role_does_not_wait_for_a_lower_one);
    RUN(a_guest_waits_for_whoever_moves_its_device);
    RUN(equals_wait_for_each_other);
    RUN(a_guest_is_not_told_of_others_troubles);
    RUN(nothing_is_free_while_somebody_else_may_have_it);
    RUN(what_is_tried_is_told_even_if_nobody_waits_for_the_answer);
    TEST_MAIN_END;
}
