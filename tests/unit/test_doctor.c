/*
 * test_doctor.c - doctor.c and doctor_daemon.c: the text for each problem of a host or of the daemon that runs, and the
 * verdict: problems fail, notes do not. Each run is a process of its own.
 */
#include "daemon/doctor.h"
#include "fault.h"
#include "os/host_lock.h"
#include "os/sock.h"
#include "os/sysfs.h"
#include "tree.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { FINE, WRONG, LANDLOCK_CREATE = 444 };

static char sock_path[VH_SUN_PATH_MAX];
static struct conf conf;
static char words[16384];

/* ---- the host ---- */

static struct device devices[2];
static int ndevices;

static const struct bus_calls *calls;

static bool bus_start(const struct bus_calls *table) {
    calls = table;
    return calls->reported("1-1") == NULL; /* nothing is known before the first scan */
}

static void bus_scan(bool coldplug) {
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = coldplug};
    calls->fact(&f);
    for (int i = 0; i < ndevices; i++) {
        f = (struct fact){.kind = FACT_DEVICE, .device = &devices[i], .coldplug = coldplug};
        calls->fact(&f);
    }
}

static const struct bus bus = {.name = "test", .start = bus_start, .scan = bus_scan};

/* libusb and we look at the same made-up tree. The lock of the host is another one, too. */
static const char *below(const char *path) {
    static const char *const tops[] = {"/sys/bus/usb", "sys/bus/usb", "/dev/bus/usb", "dev/bus/usb",
                                       "dev/vhotplug.lock"};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        if (strncmp(path, tops[i], strlen(tops[i])) == 0)
            return at(path + (path[0] == '/'));
    }
    return NULL;
}

static void healthy(void) {
    static const char descriptors[] = {18, 1, 0,  2, 0, 0, 0, 64,         1,  2, 3, 4, 0, 1, 0, 0, 0, 1,
                                       9,  2, 18, 0, 1, 1, 0, (char)0x80, 50, 9, 4, 0, 0, 0, 3, 0, 0, 0};
    make_bytes("sys/bus/usb/drivers/usb/bind", "", 0);
    make_bytes("sys/bus/usb/drivers/usb/unbind", "", 0);
    make_bytes("sys/bus/usb/devices/1-2/busnum", "1\n", 2);
    make_bytes("sys/bus/usb/devices/1-2/devnum", "5\n", 2);
    make_bytes("sys/bus/usb/devices/1-2/speed", "480\n", 4);
    make_bytes("sys/bus/usb/devices/1-2/bConfigurationValue", "1\n", 2);
    make_bytes("sys/bus/usb/devices/1-2/descriptors", descriptors, sizeof descriptors);
    make_bytes("dev/bus/usb/001/005", descriptors, sizeof descriptors);
    device_clear(&devices[0]);
    device_clear(&devices[1]);
    ndevices = 1;
    devices[0].usb.busnum = 1;
    devices[0].usb.devnum = 5;
    (void)snprintf(devices[0].sys_name, sizeof devices[0].sys_name, "1-2");
    (void)snprintf(devices[0].node, sizeof devices[0].node, "/dev/bus/usb/001/005");
    memset(&conf, 0, sizeof conf);
    conf.nvms = 1;
    conf.vms[0].supported = true;
    (void)snprintf(conf.vms[0].name, sizeof conf.vms[0].name, "vm1");
    (void)snprintf(conf.vms[0].type, sizeof conf.vms[0].type, "qemu");
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s/none.sock", top);
    (void)snprintf(conf.state_path, sizeof conf.state_path, "%s/state/state.json", top);
    heal();
}

/* ---- a visit ---- */

/* Its exit status; what it said is in words. greeting: what the VM's monitor says first, if it is called. */
static int visit_vm(int listener, const char *greeting) {
    int status = -1, out = open(at("words"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), monitor = -1;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(out, STDOUT_FILENO);
        int result = doctor(&conf, &bus);
        (void)fflush(stdout);
        _exit(result);
    }
    heal();
    while (pid > 0 && waitpid(pid, &status, listener >= 0 ? WNOHANG : 0) == 0) {
        int fd = listener >= 0 ? sock_accept(listener) : -1;
        if (fd >= 0) {
            (void)sock_send(fd, greeting, strlen(greeting), -1); /* one that only looks who serves it is gone already */
            if (monitor >= 0)
                (void)close(monitor);
            monitor = fd;
        }
        (void)poll(NULL, 0, 1);
    }
    if (monitor >= 0)
        (void)close(monitor);
    ssize_t n = pread(out, words, sizeof words - 1, 0);
    words[n > 0 ? n : 0] = '\0';
    (void)close(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int visit(void) {
    return visit_vm(-1, "");
}

/* A line that begins with the level and what it is about, and has this in it. */
static bool told(const char *level, const char *about, const char *part) {
    char begin[256];
    (void)snprintf(begin, sizeof begin, "%-9s%s", level, about);
    for (const char *line = words; line != NULL && *line != '\0'; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *end = strchr(line, '\n'), *found = strstr(line, part);
        if (strncmp(line, begin, strlen(begin)) == 0 && found != NULL && (end == NULL || found < end))
            return true;
    }
    printf("# no line \"%s...%s\" in:\n%s", begin, part, words);
    return false;
}

static bool says(const char *about) {
    return strstr(words, about) != NULL;
}

/* ---- */

static void nothing_wrong_is_said_so(void) {
    healthy();
    CHECK_INT(visit(), FINE);
    CHECK(told("ok", "configuration: ", "0 rules, 1 VMs"));
    CHECK(told("ok", "kernel: ", "Linux"));
    CHECK(told("ok", "uevents: ", "socket open"));
    CHECK(told("ok", "limits: ", "enough"));
    CHECK(told("ok", "usbfs: ", "1 devices, 0 of them hubs"));
    CHECK(told("ok", "libusb: ", "the same 1 devices"));
    CHECK(told("note", "VM vm1: ", "not running"));
    CHECK(says("nothing stands in the way\n"));
    conf.nvms = 0;
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "configuration: ", "0 VMs"));
}

static void a_kernel_that_lacks_something_is_told_of(void) {
    healthy();
    fail_call("uname", 1, EFAULT);
    fail_nr(SYS_socket, 1, EPROTONOSUPPORT);
    fail_nr(SYS_pidfd_open, 1, ENOSYS);
    fail_call("inotify_init1", 1, ENOSYS);
    fail_nr(LANDLOCK_CREATE, 1, EOPNOTSUPP);
    fail_call("prctl", 1, EINVAL);
    fail_call("socket", 1, EAFNOSUPPORT);
    CHECK_INT(visit(), WRONG);
    CHECK(!says("kernel:"));
    CHECK(told("problem", "uevents: ", strerror(EPROTONOSUPPORT)));
    CHECK(told("note", "pidfd: ", strerror(ENOSYS)));
    CHECK(told("problem", "inotify: ", strerror(ENOSYS)));
    CHECK(told("note", "landlock: ", strerror(EOPNOTSUPP)));
    CHECK(told("note", "seccomp: ", "none"));
    CHECK(told("note", "VSOCK: ", strerror(EAFNOSUPPORT)));
    CHECK(says("2 problems\n"));
}

/* What nobody asked for is a note; what the configuration wants, a problem. */
static void vsock_matters_to_who_wants_it(void) {
    healthy();
    conf.api.enable = conf.api.vsock_on = true;
    fail_call("socket", 1, EAFNOSUPPORT);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VSOCK: ", strerror(EAFNOSUPPORT)));
    CHECK(says("1 problem\n"));
    give_call("socket", 1, dup(0));
    fail_call("access", 1, ENOENT);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VSOCK: ", "no /dev/vhost-vsock"));
    give_call("socket", 1, dup(0));
    give_call("access", 1, 0);
    CHECK_INT(visit(), FINE);
    CHECK(told("ok", "VSOCK: ", "there"));
    conf.api.enable = false;
    fail_call("socket", 1, EAFNOSUPPORT);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VSOCK: ", strerror(EAFNOSUPPORT)));
}

static void too_few_open_files_are_a_problem(void) {
    healthy();
    struct rlimit few = {32, 32}, old;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    few.rlim_max = old.rlim_max;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "limits: ", "32 open files"));
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
}

static void devices_are_told_of_one_by_one(void) {
    healthy();
    devices[0].malformed = "its descriptors are too long";
    devices[0].protect = "holds /boot";
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "device 1-2: ", "unclassifiable: its descriptors are too long"));
    CHECK(told("note", "device 1-2: ", "stays with the host: it holds /boot"));
    healthy();
    devices[0].note = "wTotalLength is wrong";
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "device 1-2: ", "its descriptors or strings are odd: wTotalLength is wrong"));
    healthy();
    devices[0].protect = "is a hub";
    CHECK_INT(visit(), FINE);
    CHECK(told("ok", "usbfs: ", "1 of them hubs"));
    CHECK(!says("stays with the host"));
    fail_call("openat", 4, EACCES); /* before it: /sys/bus/usb, and what revokes */
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "usbfs: 1 of 1 nodes cannot be opened: ", strerror(EACCES)));
    fail_call("openat", 5, ENOENT);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "usbfs: ", "no /dev/bus/usb"));
    CHECK(!says("libusb:"));
}

static void where_nothing_can_be_revoked_is_said(void) {
    healthy();
    conf.vms[0].revoke = true;
    CHECK_INT(visit(), FINE);
    CHECK(told("ok", "revocation: ", "taken from it for good"));
    fail_call("openat", 2, EROFS);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "revocation: ", strerror(EROFS)));
    conf.vms[0].revoke = false;
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "revocation: ", "no VM wants it"));
}

static void libusb_has_a_second_opinion(void) {
    healthy();
    devices[0].usb.devnum = 6;
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "libusb: ", "has bus 1 device 5, sysfs does not"));
    CHECK(says("1 problem\n"));
    healthy();
    ndevices = 0;
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "libusb: ", "1 devices, sysfs has 0"));
    healthy();
    fail_call("eventfd", 1, EMFILE);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "libusb: ", "LIBUSB_ERROR_"));
}

/* ---- VMs ---- */

static void a_monitor_that_greets_is_a_vm(void) {
    healthy();
    int listener = sock_listen_unix(sock_path, 0600, -1, -1);
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s", sock_path);
    CHECK(listener >= 0);
    CHECK_INT(visit_vm(listener, "{\"QMP\": {}}\n"), FINE);
    CHECK(told("ok", "VM vm1: process ", "answers as QEMU"));
    CHECK_INT(visit_vm(listener, "SSH-2.0\r\n"), WRONG);
    CHECK(told("problem", "VM vm1: ", "is no QMP monitor"));
    CHECK(chmod(sock_path, 0666) == 0);
    CHECK_INT(visit_vm(listener, "{\"QMP\": {}}\n"), WRONG);
    CHECK(told("problem", "VM vm1: every user of this host can drive it: ", "mode 0666"));
    CHECK(chmod(sock_path, 0600) == 0);
    give_call("poll", 1, 0);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VM vm1: ", "does not greet"));
    give_call("poll", 1, 1);
    fail_call("recv", 1, ECONNRESET);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VM vm1: ", "does not greet"));
    CHECK(close(listener) == 0);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VM vm1: ", "not running"));
    fail_call("connect", 1, EAGAIN); /* its queue is full */
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VM vm1: ", strerror(EAGAIN)));
    fail_call("connect", 1, EACCES);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VM vm1: ", strerror(EACCES)));
    fail_call("socket", 3, EMFILE); /* the others are VSOCK's and libusb's */
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VM vm1: ", strerror(EMFILE)));
    CHECK(unlink(sock_path) == 0);
}

/* It would be handed opened devices. */
static void a_monitor_of_another_user_is_a_problem(void) {
    healthy();
    int listener = sock_listen_unix(sock_path, 0600, -1, -1);
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s", sock_path);
    conf.vms[0].uid_given = true;
    conf.vms[0].uid = geteuid();
    CHECK_INT(visit_vm(listener, "{\"QMP\": {}}\n"), FINE);
    CHECK(told("ok", "VM vm1: process ", "answers as QEMU"));
    conf.vms[0].uid++;
    CHECK_INT(visit_vm(listener, "{\"QMP\": {}}\n"), WRONG);
    CHECK(told("problem", "VM vm1: process ", "serves its monitor, and the configuration has user "));
    CHECK(close(listener) == 0 && unlink(sock_path) == 0);
}

/* ---- addresses of the API ---- */

static void a_port_is_free_or_in_use(void) {
    healthy();
    conf.api.enable = conf.api.tcp_on = true;
    (void)snprintf(conf.api.host, sizeof conf.api.host, "127.0.0.1");
    fail_call("listen", 1, EADDRINUSE); /* though the tables of /proc have nobody there */
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "TCP: 127.0.0.1 port 0 ", "by the daemon or by another program"));
    fail_call("listen", 1, EADDRNOTAVAIL);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "TCP: ", "no interface of this host has that address"));
    fail_call("listen", 1, EACCES);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "TCP: ", "run it as the daemon's user"));
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "TCP: ", "is free; the daemon that runs does not listen there"));
}

static void what_is_no_monitor_is_said(void) {
    healthy();
    fail_call("stat", 0, EACCES);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VM vm1: ", strerror(EACCES)));
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s", top);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "VM vm1: ", "is no socket"));
    conf.vms[0].supported = false;
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "VM vm1: ", "gets no devices yet"));
}

/* ---- the daemon's places ---- */

static void the_state_must_be_writable_if_it_is_wanted(void) {
    healthy();
    CHECK_INT(visit(), FINE);
    CHECK(!says("state:"));
    conf.persistency = true;
    CHECK_INT(visit(), FINE); /* not there yet: it is made */
    CHECK(told("ok", "state: ", "/state/state.json"));
    fail_call("access", 0, EROFS);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "state: ", strerror(EROFS)));
    CHECK(told("problem", "state: ", "mount a disk there"));
    (void)snprintf(conf.state_path, sizeof conf.state_path, "/state.json");
    CHECK_INT(visit(), FINE);
    (void)snprintf(conf.state_path, sizeof conf.state_path, "state.json"); /* no configuration has such a path */
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "state: ", "its path is too long"));
}

static void a_state_that_is_lost_is_a_problem(void) {
    healthy();
    conf.persistency = true;
    make_file("state/state.json", "{\"selected_vms\": {}");
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "state: ", "not JSON") && says("decisions may be lost (vhotplugcli state acknowledge)"));
    conf.closed_on_loss = true;
    make_file("state/state.json", "{\"corrupt\": \"it was\"}");
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "state: ", "it was; decisions may be lost, and no VM is given a device"));
    make_file("state/state.json", "{}");
    CHECK_INT(visit(), FINE);
    give_call("access", 1, 0);
    give_call("access", 2, 0); /* the first one is the directory of the VM's socket */
    fail_call("access", 3, EACCES);
    conf.api.enable = conf.api.vsock_on = false;
    give_call("socket", 1, -1);
    CHECK_INT(visit(), WRONG);
    CHECK(told("problem", "state: ", "run it as the daemon's user"));
    heal();
    CHECK(unlink(at("state/state.json")) == 0);
    conf.closed_on_loss = false;
}

static void whether_a_daemon_runs_is_said(void) {
    healthy();
    conf.api.enable = conf.api.unix_on = true;
    (void)snprintf(conf.api.unix_path, sizeof conf.api.unix_path, "%s", sock_path);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "daemon: ", "no such socket: is vhotplug running?"));
    int listener = sock_listen_unix(sock_path, 0600, -1, -1);
    give_call("poll", 0, 0);        /* it does not answer; nobody waits for that here */
    fail_call("openat", 5, ENOENT); /* libusb, which polls, is not started: another problem */
    CHECK_INT(visit(), WRONG);
    CHECK(told("ok", "daemon: ", "somebody listens"));
    CHECK(told("problem", "daemon: ", "no answer within 5 s (is it stopped?"));
    CHECK(says("2 problems\n"));
    fail_call("socket", 3, EMFILE);
    CHECK_INT(visit(), FINE);
    CHECK(told("note", "daemon: ", strerror(EMFILE)));
    conf.api.unix_on = false;
    CHECK_INT(visit(), FINE);
    CHECK(!says("daemon:"));
    CHECK(close(listener) == 0 && unlink(sock_path) == 0);
}

/* ---- what the daemon says of itself ---- */

struct figure {
    const char *group, *name;
    int value;
};

/* A daemon's `stats`, with these figures and no other trouble. */
static const char *stats(const struct figure *odd, int n) {
    static const struct figure good[] = {{"state", "saves", 5},         {"state", "save_failed", 0},
                                         {"state", "failing", 0},       {"device_workers", "running", 4},
                                         {"device_workers", "late", 0}, {"device_workers", "ended", 0},
                                         {"connectors", "running", 2},  {"connectors", "late", 0},
                                         {"connectors", "ended", 0},    {"opener", "running", 1},
                                         {"opener", "late", 0},         {"opener", "ended", 0},
                                         {"disk_worker", "running", 1}, {"disk_worker", "late", 0},
                                         {"disk_worker", "ended", 0},   {"log", "dropped", 0}};
    static char text[2048];
    const char *group = "";
    int len = snprintf(text, sizeof text, "{\"result\": \"ok\"");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int value = good[i].value;
        for (int k = 0; k < n; k++) {
            if (strcmp(odd[k].group, good[i].group) == 0 && strcmp(odd[k].name, good[i].name) == 0)
                value = odd[k].value;
        }
        bool fresh = strcmp(group, good[i].group) != 0;
        len += snprintf(text + len, sizeof text - (size_t)len, fresh && i > 0 ? "}" : "");
        len += fresh ? snprintf(text + len, sizeof text - (size_t)len, ", \"%s\": {", good[i].group) : 0;
        len += snprintf(text + len, sizeof text - (size_t)len, "%s\"%s\": %d", fresh ? "" : ", ", good[i].name, value);
        group = good[i].group;
    }
    (void)snprintf(text + len, sizeof text - (size_t)len, "}, \"vms\": []}\n");
    return text;
}

/* Doctor's exit status, with a daemon that answers like that, or hangs up instead. */
static int visit_daemon(const char *answer, bool hangs_up) {
    healthy();
    if (hangs_up)
        give_call("recv", 1, 0);
    conf.api.enable = conf.api.unix_on = true;
    (void)snprintf(conf.api.unix_path, sizeof conf.api.unix_path, "%s", sock_path);
    int listener = sock_listen_unix(sock_path, 0600, -1, -1);
    int status = visit_vm(listener, answer);
    CHECK(close(listener) == 0 && unlink(sock_path) == 0);
    return status;
}

static void a_daemon_without_trouble_is_said_to_have_none(void) {
    CHECK_INT(visit_daemon(stats(NULL, 0), false), FINE);
    CHECK(told("ok", "workers: ", "8 run, each answers in time"));
    CHECK(told("ok", "log: ", "no line dropped"));
    CHECK(told("ok", "saves: ", "none of 5 failed"));
    CHECK(says("nothing stands in the way\n"));
    const struct figure no_disk[] = {{"disk_worker", "running", 0}, {"state", "saves", 0}}; /* nothing is saved */
    CHECK_INT(visit_daemon(stats(no_disk, 2), false), FINE);
    CHECK(told("ok", "workers: ", "7 run") && !says("saves: "));
}

/* Late while another one is free: a note. None left, or one gone for good: a problem. */
static void each_trouble_of_a_daemon_is_told_with_advice(void) {
    static const struct {
        struct figure odd[2];
        int status;
        const char *level, *about, *part;
    } troubles[] = {
        {{{"device_workers", "late", 1}}, FINE, "note", "device workers: ", "1 of 4 not answering in time (a device"},
        {{{"device_workers", "late", 4}}, WRONG, "problem", "device workers: ", "4 of 4 not answering"},
        {{{"device_workers", "running", 3}, {"device_workers", "ended", 1}},
         WRONG,
         "problem",
         "device workers: ",
         "1 of 4 ended (the log says why; restart the daemon)"},
        {{{"connectors", "late", 1}}, FINE, "note", "connectors: ", "1 of 2 not answering in time (a VM's socket"},
        {{{"connectors", "late", 2}}, WRONG, "problem", "connectors: ", "2 of 2 not answering"},
        {{{"opener", "late", 1}}, WRONG, "problem", "opener: ", "no reload and no new socket"},
        {{{"opener", "running", 0}, {"opener", "ended", 1}}, WRONG, "problem", "opener: ", "1 of 1 ended"},
        {{{"disk_worker", "late", 1}}, WRONG, "problem", "disk worker: ", "nothing is saved meanwhile"},
        {{{"disk_worker", "running", 0}, {"disk_worker", "ended", 1}}, WRONG, "problem", "disk worker: ", "ended"},
        {{{"log", "dropped", 12}}, FINE, "note", "log: ", "12 lines dropped since the start ("},
        {{{"state", "save_failed", 2}}, FINE, "note", "saves: ", "2 of 5 failed since the start"},
        {{{"state", "save_failed", 2}, {"state", "failing", 1}}, WRONG, "problem", "saves: ", "2 of 5; decisions"},
    };
    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        int n = troubles[i].odd[1].group != NULL ? 2 : 1;
        CHECK_INT(visit_daemon(stats(troubles[i].odd, n), false), troubles[i].status);
        CHECK(told(troubles[i].level, troubles[i].about, troubles[i].part));
        CHECK(says(troubles[i].status == FINE ? "nothing stands in the way\n" : "1 problem\n"));
    }
}

static const char *quarantined(const char *members) {
    static char text[4096];
    const char *all = stats(NULL, 0), *vms = strstr(all, ", \"vms\"");
    (void)snprintf(text, sizeof text, "%.*s, \"quarantine\": {%s}%s", (int)(vms - all), all, members, vms);
    return text;
}

static void quarantine_is_judged_where_it_is_on(void) {
    CHECK_INT(visit_daemon(stats(NULL, 0), false), FINE);
    CHECK(!says("quarantine"));
    CHECK_INT(visit_daemon(quarantined("\"works\": true, \"reason\": null, \"hubs\": 2, \"waiting\": 0, \"ports\": 30, "
                                       "\"refused\": 0"),
                           false),
              FINE);
    CHECK(told("ok", "quarantine: ", "30 ports of 2 hubs are held"));
    CHECK_INT(visit_daemon(quarantined("\"works\": true, \"reason\": null, \"waiting\": 1, \"refused\": 0"), false),
              FINE);
    CHECK(told("note", "quarantine: ", "1 hubs are not held yet"));
    CHECK_INT(visit_daemon(quarantined("\"works\": true, \"reason\": null, \"waiting\": 1, \"refused\": 3"), false),
              WRONG);
    CHECK(told("problem", "quarantine: ", "another program holds 3 ports"));
    CHECK_INT(visit_daemon(
                  quarantined("\"works\": true, \"reason\": null, \"waiting\": 1, \"late\": 2, \"refused\": 0"), false),
              FINE);
    CHECK(told("note", "quarantine: ", "the kernel is busy with 2 hubs"));
    CHECK_INT(visit_daemon(quarantined("\"works\": true, \"reason\": null, \"late\": 2, \"refused\": 0}, "
                                       "\"port_workers\": {\"running\": 2, \"ended\": 1"),
                           false),
              FINE);
    CHECK(told("note", "quarantine: ", "1 port workers have ended; the others hold all ports"));
    CHECK_INT(visit_daemon(quarantined("\"works\": false, \"reason\": \"it has ended\", \"refused\": 0"), false),
              WRONG);
    CHECK(told("problem", "quarantine: ", "off: it has ended; the host's drivers see every device"));
}

static const char *authorising(const char *members) {
    static char text[4096];
    const char *all = stats(NULL, 0), *vms = strstr(all, ", \"vms\"");
    (void)snprintf(text, sizeof text, "%.*s, \"usb_authorization\": {%s}%s", (int)(vms - all), all, members, vms);
    return text;
}

static void authorization_is_judged_where_it_is_on(void) {
    CHECK_INT(visit_daemon(stats(NULL, 0), false), FINE);
    CHECK(!says("usbAuthorization"));
    CHECK_INT(visit_daemon(authorising("\"works\": true, \"reason\": null, \"buses\": 3, \"open\": 0, \"devices\": 2"),
                           false),
              FINE);
    CHECK(told("ok", "usbAuthorization: ", "at 3 buses the kernel authorises nothing by itself"));
    CHECK_INT(visit_daemon(authorising("\"works\": false, \"reason\": \"read-only\", \"open\": 2"), false), WRONG);
    CHECK(told("problem", "usbAuthorization: ", "authorises what is plugged in at 2 buses: read-only"));
    CHECK_INT(visit_daemon(authorising("\"works\": false, \"reason\": \"no parameter\", \"open\": 0"), false), WRONG);
    CHECK(told("problem", "usbAuthorization: ", "off: no parameter"));
}

static void who_answers_something_else_is_told_apart(void) {
    CHECK_INT(visit_daemon("{\"result\": \"failed\", \"error\": \"\\u001b[2J\"}\n", false), FINE);
    CHECK(told("note", "daemon: ", "ask as an operator or admin") && !says("\x1b"));
    CHECK_INT(visit_daemon("{\"result\": \"ok\", \"device_workers\": {\"running\": 4}}\n", false), FINE);
    CHECK(told("note", "daemon: ", "of another version"));
    CHECK_INT(visit_daemon("220 mail ready\r\n", false), WRONG);
    CHECK(told("problem", "daemon: ", "is not vhotplug"));
    CHECK_INT(visit_daemon("{\"result\": 5}\n", false), WRONG);
    CHECK(told("problem", "daemon: ", "is not vhotplug"));
    CHECK_INT(visit_daemon(stats(NULL, 0), true), FINE); /* who has no access is not answered */
    CHECK(told("note", "daemon: ", "not allowed, or it ended (ask as an operator or admin)"));
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    (void)snprintf(sock_path, sizeof sock_path, "%s/vm1.sock", top);
    on_path = below;
    healthy();
    CHECK(host_lock_take()); /* so the API's socket, which is of this process, is that of the daemon */
    RUN(nothing_wrong_is_said_so);
    RUN(a_kernel_that_lacks_something_is_told_of);
    RUN(vsock_matters_to_who_wants_it);
    RUN(too_few_open_files_are_a_problem);
    RUN(devices_are_told_of_one_by_one);
    RUN(where_nothing_can_be_revoked_is_said);
    RUN(libusb_has_a_second_opinion);
    RUN(a_monitor_that_greets_is_a_vm);
    RUN(a_monitor_of_another_user_is_a_problem);
    RUN(a_port_is_free_or_in_use);
    RUN(what_is_no_monitor_is_said);
    RUN(the_state_must_be_writable_if_it_is_wanted);
    RUN(a_state_that_is_lost_is_a_problem);
    RUN(whether_a_daemon_runs_is_said);
    RUN(a_daemon_without_trouble_is_said_to_have_none);
    RUN(each_trouble_of_a_daemon_is_told_with_advice);
    RUN(quarantine_is_judged_where_it_is_on);
    RUN(authorization_is_judged_where_it_is_on);
    RUN(who_answers_something_else_is_told_apart);
    remove_tree();
    TEST_MAIN_END;
}
