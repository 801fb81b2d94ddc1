/*
 * test_record.c - the record of assignments: what a daemon has noted is known to the next one, whenever it was killed.
 * Each "daemon" is a core of core_story.h; files are those of a directory.
 */
#include "base/log.h"
#include "core_story.h"
#include "daemon/record.h"
#include "devices.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

static void note(const struct fact *f) {
    step(f);
    record_sync(&core);
}

/* Another daemon, in place of the last one. Its devices are the same plugs. */
static void start(void) {
    begin(true);
    record_start(&conf, &core);
}

static void boot(const char *id) {
    make_file("proc/sys/kernel/random/boot_id", id);
}

static void afresh(void) {
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s/run", top);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
    make_directory("run");
    boot("one\n");
    heal();
    start();
}

static void place(const char *name, int devnum, uint8_t cls, bool coldplug) {
    device_make(&dev, name, 1, (unsigned)devnum, cls);
    dev.incarnation = (uint64_t)devnum * 1000;
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
    note(&f);
}

static void ready(int vm) {
    vm_fact_of(FACT_VM_SOCKET, vm);
    record_sync(&core);
    done(vm, OP_OK);
    record_sync(&core);
}

static vm_set doubt_of(const char *name) {
    int i = slot_find(&core, name);
    return i >= 0 ? core.slot[i].doubt : ~(vm_set)0;
}

static void at_the_first_start_no_vm_has_anything(void) {
    afresh();
    place("1-1", 5, 3, true);
    CHECK(core.earlier == EARLIER_NONE && doubt_of("1-1") == 0);
    vm_fact_of(FACT_VM_SOCKET, 1); /* b is silent */
    ready(0);
    CHECK(core.vm[0].op == OP_ATTACH);
}

static void what_a_vm_has_is_known_to_the_next_daemon(void) {
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    CHECK(op(OP_ATTACH, 0) != NULL); /* it is noted before the attach is done */
    place("1-2", 6, 8, false);
    start();
    CHECK(core.earlier == EARLIER_NOTED);
    place("1-1", 5, 3, true);
    place("1-2", 6, 8, true);
    CHECK(doubt_of("1-1") == 1 && doubt_of("1-2") == 0);
    start(); /* killed before a VM answered */
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 1);
    ready(0); /* a has nothing: it gets the device */
    CHECK(core.vm[0].op == OP_ATTACH);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    record_sync(&core);
    start();
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 1); /* the detach was only begun */
    ready(0);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    record_sync(&core);
    start();
    place("1-1", 5, 3, true);
    CHECK(core.earlier == EARLIER_NOTED && doubt_of("1-1") == 0);
}

/* The end of an operation of VM a, in the way of a VM that names nothing. */
static void ends(uint8_t port, uint64_t socket) {
    struct op_result r = {.serial = core.vm[0].op_serial, .socket = socket, .unnamed = true, .port = port};
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    note(&f);
}

static void a_port_is_known_with_its_socket(void) {
    afresh();
    vm_fact_of(FACT_VM_SOCKET, 0);
    record_sync(&core);
    ends(0, 7);
    place("1-1", 5, 3, false);
    ends(9, 7);
    start(); /* killed at once */
    place("1-1", 5, 3, true);
    CHECK(core.slot[0].vm_port == 9 && core.slot[0].vm_socket == 7 && core.slot[0].unshown == 1);
    start(); /* what was not matched yet is not lost */
    place("1-1", 5, 3, true);
    CHECK(core.slot[0].vm_port == 9 && core.slot[0].vm_socket == 7 && core.slot[0].unshown == 1);
    vm_fact_of(FACT_VM_SOCKET, 0);
    record_sync(&core);
    ends(0, 7); /* it lists nothing, and is given the device anew */
    CHECK(op(OP_ATTACH, 0) != NULL);
    start(); /* killed before the answer: the old port says nothing any more */
    place("1-1", 5, 3, true);
    CHECK(core.slot[0].vm_port == 0 && core.slot[0].unshown == 1);
}

/* What the daemon before has noted stays until this one has seen the device. */
static void rows_of_the_daemon_before_last_are_kept(void) {
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    place("1-2", 6, 3, false);
    done(0, OP_OK);
    record_sync(&core);
    start();
    place("1-2", 6, 3, true); /* in the row that 1-1 had */
    start();
    place("1-2", 6, 3, true);
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 1 && doubt_of("1-2") == 1);
}

static void one_that_is_read_late_is_known_all_the_same(void) {
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    start();
    place("1-1", 5, 3, false);
    CHECK(doubt_of("1-1") == 1);
}

static void another_plug_is_another_device(void) {
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    start();
    place("1-1", 7, 3, true);
    place("1-2", 5, 3, true);
    CHECK(doubt_of("1-1") == 0 && doubt_of("1-2") == 0);
    /* nor is an id that is left in the VM the new one's */
    static const struct vmm_found found[] = {{.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5}};
    vm_fact_of(FACT_VM_SOCKET, 0);
    done_with(0, OP_OK, "", found, 1);
    CHECK(core.slot[0].vm < 0 && core.slot[1].vm < 0 && core.vm[0].stale[0] != '\0');
}

static void the_record_of_another_boot_is_nothing(void) {
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    boot("two\n");
    start();
    CHECK(core.earlier == EARLIER_NONE);
}

static void vms_are_known_by_their_names(void) {
    static struct conf turned;
    static const char text[] = "{\"vms\": [" VM("b") ", " VM("a") "], \"usbPassthrough\": [{\"targetVm\": \"a\", "
                                                                  "\"allow\": [{\"interfaceClass\": 3}]}]}";
    static const char without[] = "{\"vms\": [" VM("b") "]}";
    CHECK(conf_parse(&turned, text, sizeof text - 1, no_diag, NULL));
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    memset(&core, 0, sizeof core);
    core_init(&core, &turned, true);
    record_start(&turned, &core);
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 2);
    CHECK(conf_parse(&turned, without, sizeof without - 1, no_diag, NULL));
    memset(&core, 0, sizeof core);
    core_init(&core, &turned, true);
    record_start(&turned, &core);
    CHECK(core.earlier == EARLIER_NOTED && core.nassigned == 1);
}

/* It may have kept a descriptor: until that is dead, no daemon forgets it. */
static void a_vm_that_is_configured_no_more_is_not_forgotten(void) {
    static struct conf without;
    static const char text[] = "{\"vms\": [{\"name\": \"b\", \"type\": \"qemu\", \"socket\": \"/run/b\"}]}";
    CHECK(conf_parse(&without, text, sizeof text - 1, no_diag, NULL));
    afresh();
    ready(0);
    place("1-1", 5, 3, false);
    for (int daemon = 0; daemon < 3; daemon++) {
        memset(&core, 0, sizeof core);
        core_init(&core, &without, true);
        record_start(&without, &core);
        place("1-1", 5, 3, true);
        CHECK(core.slot[0].stray && doubt_of("1-1") == 0 && core.slot[0].revoke == REVOKE_UNDER_WAY);
    }
    struct fact f = {.kind = FACT_REVOKED, .token = core.slot[0].plug, .ok = true, .text = ""};
    note(&f);
    CHECK(!core.slot[0].stray);
    memset(&core, 0, sizeof core);
    core_init(&core, &without, true);
    record_start(&without, &core);
    CHECK(core.earlier == EARLIER_NOTED && core.nassigned == 0);
}

static void vms_of_a_reload_have_names(void) {
    afresh();
    struct conf *more =
        other_conf("{\"vms\": [" VM("a") ", " VM("b") ", " VM("c") "], \"usbPassthrough\": [{\"targetVm\":"
                                                                   " \"c\", \"allow\": [{\"interfaceClass\": 3}]}]}");
    struct fact f = {.kind = FACT_RELOAD, .conf = more};
    record_names(more);
    note(&f);
    ready(2);
    place("1-1", 5, 3, false);
    CHECK(op(OP_ATTACH, 2) != NULL);
    memset(&core, 0, sizeof core);
    core_init(&core, more, true);
    record_start(more, &core);
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 4);
}

/* Then nothing is known, each device waits for every VM, and that is said. */
static void is_unknown(void) {
    heal();
    start();
    CHECK(core.earlier == EARLIER_UNKNOWN);
    CHECK(was_said("the record of assignments cannot be used: path=/run/vhotplug.record"));
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 3);
    start(); /* it was replaced by a good one, which has that */
    CHECK(core.earlier == EARLIER_NOTED);
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 3);
}

static void a_record_that_is_none_says_nothing(void) {
    static const char *const damage[] = {"truncate -s 100",
                                         "truncate -s 4000000",
                                         "chmod 0620",
                                         "chmod 0602",
                                         "chown 12345",
                                         "printf x | dd conv=notrunc bs=1 of=",
                                         "printf '%0200d' 0 | tr 0 x | dd conv=notrunc bs=1 seek=24 of="};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        char command[512];
        if (strncmp(damage[i], "chown", 5) == 0 && geteuid() != 0)
            continue; /* only root can do that */
        bool last_word = damage[i][strlen(damage[i]) - 1] == '=';
        afresh();
        (void)snprintf(command, sizeof command, "%s%s%s 2>/dev/null", damage[i], last_word ? "" : " ",
                       at("run/vhotplug.record"));
        CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
        is_unknown();
    }
    afresh();
    CHECK(unlink(at("run/vhotplug.record")) == 0);
    CHECK(symlink("/etc/passwd", at("run/vhotplug.record")) == 0);
    is_unknown();
    afresh();
    CHECK(unlink(at("run/vhotplug.record")) == 0);
    make_directory("run/vhotplug.record");
    heal();
    start();
    CHECK(core.earlier == EARLIER_UNKNOWN && was_said("no record of assignments: path=/run/vhotplug.record"));
    record_sync(&core); /* and nothing is noted */
}

static void without_its_directory_there_is_none(void) {
    char command[256];
    afresh();
    (void)snprintf(command, sizeof command, "rm -rf %s/run", top);
    CHECK(system(command) == 0); // NOLINT(cert-env33-c,concurrency-mt-unsafe): a test's own directory
    heal();
    start();
    CHECK(core.earlier == EARLIER_UNKNOWN && was_said("no record of assignments") && was_said(strerror(ENOENT)));
    place("1-1", 5, 3, true);
    CHECK(doubt_of("1-1") == 3);
}

/* What was noted before is not lost by that. */
static void what_cannot_be_written_is_said(void) {
    static const char *const calls[] = {"write", "mmap", "madvise"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        afresh();
        ready(0);
        place("1-1", 5, 3, false);
        heal();
        fail_call(calls[i], 1, ENOSPC); /* the log writes, too */
        start();
        CHECK(core.earlier == EARLIER_NOTED && all_failed());
        nfaults = 0;
        CHECK(was_said("no record of assignments: path=/run/vhotplug.record") && was_said(strerror(ENOSPC)));
        place("1-2", 6, 3, true); /* nothing is noted */
        heal();
        start();
        CHECK(core.earlier == EARLIER_NOTED && !was_said("record"));
        place("1-1", 5, 3, true);
        CHECK(doubt_of("1-1") == 1);
    }
}

static void a_record_that_cannot_be_read_is_unknown(void) {
    static const char *const calls[] = {"fstat", "read"};
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        afresh();
        heal();
        fail_call(calls[i], 0, EIO);
        start();
        CHECK(core.earlier == EARLIER_UNKNOWN && all_failed());
        heal();
    }
}

int main(void) {
    log_open("test_record", LOG_WARN);
    if (mkdtemp(top) == NULL || !sysfs_root(top))
        return 1;
    RUN(at_the_first_start_no_vm_has_anything);
    RUN(what_a_vm_has_is_known_to_the_next_daemon);
    RUN(a_port_is_known_with_its_socket);
    RUN(rows_of_the_daemon_before_last_are_kept);
    RUN(one_that_is_read_late_is_known_all_the_same);
    RUN(another_plug_is_another_device);
    RUN(the_record_of_another_boot_is_nothing);
    RUN(vms_are_known_by_their_names);
    RUN(a_vm_that_is_configured_no_more_is_not_forgotten);
    RUN(vms_of_a_reload_have_names);
    RUN(a_record_that_is_none_says_nothing);
    RUN(without_its_directory_there_is_none);
    RUN(what_cannot_be_written_is_said);
    RUN(a_record_that_cannot_be_read_is_unknown);
    remove_tree();
    TEST_MAIN_END;
}
