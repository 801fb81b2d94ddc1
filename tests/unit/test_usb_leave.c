/*
 * test_usb_leave.c - usb_leave.c and os/outlive.c in a made-up tree: what is no guest's is configured by one process,
 * and what is held is waited for.
 */
#include "bus/usb/auth_default.h"
#include "bus/usb/usb_leave.h"
#include "fault.h"
#include "os/outlive.h"
#include "os/sysfs.h"
#include "tree.h"

#include <sys/wait.h>

static void attribute(const char *device, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/%s", device, name);
    make_file(path, text);
}

static uint64_t place(const char *name, const char *config) {
    char path[256];
    struct stat st;
    attribute(name, "bConfigurationValue", config);
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s", name);
    CHECK(stat(at(path), &st) == 0);
    return st.st_ino;
}

/* What the kernel was asked last, "" nothing; and no more. */
static const char *asked(const char *file) {
    static char text[64];
    char path[128];
    (void)snprintf(path, sizeof path, "sys/bus/usb/%s", file);
    FILE *f = fopen(at(path), "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    CHECK(f != NULL && fclose(f) == 0);
    make_file(path, "");
    return text;
}

static int in_a_process(int (*what)(void)) {
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(what());
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int leave(void) {
    outlive_watch();
    usb_leave(true);
    return 0;
}

static void without_a_start_nothing_is_held_and_nothing_is_taken(void) {
    outlive_note(0, 5);
    CHECK(!outlive_noted(5) && !outlive_take(5) && outlive_free(1000) && outlive_turn() == 0);
    place("1-1", "\n");
    usb_leave(true);
    CHECK_STR(asked("drivers/usb/bind"), "");
}

static void a_start_that_fails_says_why(void) {
    int files = open_files();
    fail_call("mmap", 1, ENOMEM);
    CHECK(!outlive_start() && was_said("no memory or no pipe") && all_failed());
    heal();
    fail_call("pipe2", 1, EMFILE);
    CHECK(!outlive_start() && was_said("no memory or no pipe") && all_failed());
    heal();
    CHECK_INT(open_files(), files);
}

static int takes(void) {
    return outlive_take(77);
}

static int turns(void) {
    return (int)outlive_turn();
}

static void of_all_processes_one_takes_a_number(void) {
    CHECK(outlive_start());
    CHECK(in_a_process(takes) == 1 && in_a_process(takes) == 0 && !outlive_take(77));
    CHECK(in_a_process(turns) == 0 && in_a_process(turns) == 1 && outlive_turn() == 2);
}

static int writes(void) {
    outlive_watch();
    outlive_note(0, 1); /* ends it */
    return 0;
}

static void what_the_loop_notes_nobody_else_can_change(void) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL);
        _exit(writes());
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void what_is_no_guests_is_configured_once(void) {
    uint64_t guests = place("1-2", "\n");
    place("1-3", "1\n");
    place("usb1", "1\n");
    outlive_note(3, guests);
    CHECK_INT(in_a_process(leave), 0);
    CHECK_STR(asked("drivers/usb/bind"), "1-1");
    CHECK_STR(asked("drivers/usb/unbind"), "1-1");
    CHECK_INT(in_a_process(leave), 0); /* the next process finds all of it taken on */
    CHECK_STR(asked("drivers/usb/bind"), "");
    outlive_note(3, 0);
    place("1-4", "\n");
    CHECK_INT(in_a_process(leave), 0);
    CHECK_STR(asked("drivers/usb/bind"), "1-4"); /* 1-2 was taken on as a guest's */
}

static int leave_what_was_revoked(void) {
    outlive_watch();
    usb_leave(false);
    return 0;
}

/* Another worker may still be at it: what has a driver is not taken on. */
static void without_quarantine_what_was_revoked_is_bound(void) {
    place("1-7", "1\n");
    CHECK_INT(in_a_process(leave_what_was_revoked), 0);
    CHECK_STR(asked("drivers/usb/bind"), "");
    uint64_t kept = place("1-8", "");
    outlive_note(3, kept);
    place("1-7", "");
    CHECK_INT(in_a_process(leave_what_was_revoked), 0);
    CHECK_STR(asked("drivers/usb/bind"), "1-7");
    outlive_note(3, 0);
}

static void an_interface_without_any_driver_is_offered(void) {
    place("1-5", "1\n");
    attribute("1-5/1-5:1.0", "x", "");
    place("1-6", "1\n");
    attribute("1-6/1-6:1.0", "x", "");
    make_file("sys/bus/usb/drivers/usbhid/x", "");
    char link[256];
    (void)snprintf(link, sizeof link, "%s", at("sys/bus/usb/devices/1-6:1.0"));
    CHECK(mkdir(link, 0755) == 0);
    (void)snprintf(link, sizeof link, "%s", at("sys/bus/usb/devices/1-6:1.0/driver"));
    CHECK(symlink("../../drivers/usbhid", link) == 0);
    CHECK_INT(in_a_process(leave), 0);
    CHECK_STR(asked("drivers_probe"), "1-5:1.0");
}

static const char *value(const char *path) {
    static char text[16];
    FILE *f = fopen(at(path), "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    CHECK(f != NULL && fclose(f) == 0);
    return text;
}

#define DEVICE(name, file) value("sys/bus/usb/devices/" name "/" file)
#define PARAMETER "sys/module/usbcore/parameters/authorized_default"

static uint64_t place_authorized(const char *name, const char *authorized) {
    uint64_t incarnation = place(name, "1\n");
    attribute(name, "authorized", authorized);
    return incarnation;
}

/* The bus 5 came later. */
static void what_the_kernel_authorised_is_put_back(void) {
    static const struct auth_values before = {.parameter = 2, .n = 1, .bus = {{"usb1", 1, 1}}};
    (void)place_authorized("1-10", "1\n");
    (void)place_authorized("1-11", "0\n");
    auth_default_start(&before, false);
    CHECK(auth_default_on());
    make_file(PARAMETER, "0\n");
    attribute("usb1", "authorized_default", "0\n");
    attribute("usb1", "interface_authorized_default", "0\n");
    attribute("usb5", "authorized_default", "0\n");
    attribute("usb5", "interface_authorized_default", "1\n");
    attribute("1-10", "authorized", "0\n"); /* deauthorizeUnmatched */
    (void)place_authorized("1-12", "0\n");
    attribute("1-12/1-12:1.0", "authorized", "0\n");
    outlive_note(4, place_authorized("1-13", "0\n"));
    (void)place_authorized("5-1", "0\n");
    CHECK_INT(in_a_process(leave_what_was_revoked), 0);
    CHECK_STR(value(PARAMETER), "2\n");
    CHECK_STR(DEVICE("usb1", "authorized_default"), "1\n");
    CHECK_STR(DEVICE("usb1", "interface_authorized_default"), "1\n");
    CHECK_STR(DEVICE("usb5", "authorized_default"), "2\n");
    CHECK_STR(DEVICE("1-10", "authorized"), "1\n");
    CHECK_STR(DEVICE("1-11", "authorized"), "0\n"); /* by somebody else */
    CHECK_STR(DEVICE("1-12", "authorized"), "1\n");
    CHECK_STR(DEVICE("1-12/1-12:1.0", "authorized"), "1\n");
    CHECK_STR(DEVICE("1-13", "authorized"), "0\n"); /* a VM's */
    CHECK_STR(DEVICE("5-1", "authorized"), "1\n");
    outlive_note(4, 0);
}

static void values_are_those_of_the_kernel(void) {
    static struct auth_values v;
    char why[VH_TEXT_MAX] = "";
    make_file(PARAMETER, "-1\n");
    CHECK(auth_default_read(&v, why, sizeof why) && auth_default_is(&v));
    CHECK(v.parameter == -1 && v.n == 2); /* usb1, usb5 */
    make_file(PARAMETER, "3\n");
    CHECK(!auth_default_read(&v, why, sizeof why));
    CHECK_STR(why, "this kernel has no parameter usbcore.authorized_default");
    v.n = VH_MAX_BUSES + 1;
    CHECK(!auth_default_is(&v));
    v = (struct auth_values){.n = 1, .bus = {{"usb1", 3, 1}}};
    CHECK(!auth_default_is(&v));
    v = (struct auth_values){.n = 1, .bus = {{"1-1", 1, 1}}};
    CHECK(!auth_default_is(&v));
}

static void what_is_held_is_waited_for(void) {
    int go[2];
    CHECK(pipe(go) == 0);
    pid_t holder = fork();
    if (holder == 0) {
        char c;
        outlive_hold();
        _exit(read(go[0], &c, 1) == 1 ? 0 : 1);
    }
    outlive_watch();
    CHECK(!outlive_free(1));
    CHECK(write(go[1], "x", 1) == 1 && waitpid(holder, NULL, 0) == holder);
    CHECK(outlive_free(10000));
    CHECK(close(go[0]) == 0 && close(go[1]) == 0);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/bus/usb/devices");
    make_file("sys/bus/usb/drivers/usb/bind", "");
    make_file("sys/bus/usb/drivers/usb/unbind", "");
    make_file("sys/bus/usb/drivers_probe", "");
    CHECK(sysfs_root(top));
    RUN(without_a_start_nothing_is_held_and_nothing_is_taken);
    RUN(a_start_that_fails_says_why);
    RUN(of_all_processes_one_takes_a_number);
    RUN(what_the_loop_notes_nobody_else_can_change);
    RUN(what_is_no_guests_is_configured_once);
    RUN(without_quarantine_what_was_revoked_is_bound);
    RUN(an_interface_without_any_driver_is_offered);
    RUN(what_the_kernel_authorised_is_put_back);
    RUN(values_are_those_of_the_kernel);
    RUN(what_is_held_is_waited_for);
    remove_tree();
    TEST_MAIN_END;
}
