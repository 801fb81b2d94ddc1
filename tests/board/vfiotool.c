/*
 * vfiotool.c - a VFIO worker and the QMP of PCI and input devices, driven by lines: for tests on the board, where a
 * kernel with an IOMMU and QEMU are real. The worker is in its sandbox; this process takes the place of the loop and of
 * a link.
 *
 * Commands on standard input, each answered by one line:
 *
 * - prepare UID FLAGS ADDRESS... (FLAGS: "-" or letters: f by descriptor, j joins, k and u in spite of keyboard and
 *   route), look ADDRESS, restore ADDRESS: "RESULT group=N opened=N wanted=N undriven=N WHY", enum vfio_result as a
 * word; "late" after VH_T_VFIO; "ended".
 * - list SOCKET, add SOCKET ADDRESS, del SOCKET ADDRESS: "END WHY", enum qemu_pci_end as a word; of list "done
 *   ID=ADDRESS...", with "*" behind ids of ours.
 * - list-input SOCKET, add-input SOCKET event4, del-input SOCKET event4: the same of input devices.
 * - let event4 UID, bar event4 UID: "END WHY", enum input_node_end as a word; by this process, which is root.
 * - await SECONDS: the next event about a device that leaves, of the monitor that was asked last.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "bus/input_node.h"
#include "bus/pci_sysfs.h"
#include "daemon/vfio_worker.h"
#include "os/clock.h"
#include "os/sock.h"
#include "os/sysfs.h"
#include "vmm/qemu_pci.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void say(const char *text) {
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    char line[VH_REPLY_MAX];
    size_t at = 0;
    if (!str_fmt(line, sizeof line, "%s\n", text))
        die("a line is too long");
    while (at < strlen(line)) {
        ssize_t n = write(STDOUT_FILENO, line + at, strlen(line + at));
        if (n < 0 || poll(&p, 1, -1) < 0)
            die("cannot write");
        at += (size_t)n;
    }
}

static struct pci_address address_of(const char *text) {
    struct pci_address a = {0};
    if (text == NULL || !pci_address_parse(text, &a))
        die("no PCI address");
    return a;
}

/* Of "event4". */
static uint16_t number_of(const char *text) {
    uint64_t v = 0;
    if (text == NULL || !str_starts(text, "event") || !str_uint(text + 5, strlen(text + 5), UINT16_MAX, &v))
        die("no input device");
    return (uint16_t)v;
}

/* ---- the worker ---- */

static struct worker worker;
static struct device_pci host;

static void mean(struct vfio_order *o, const char *address, uint8_t despite) {
    struct vfio_member *m = &o->member[o->n++];
    m->address = address_of(address);
    m->despite = despite;
    m->incarnation = pci_sysfs_incarnation(address);
    pci_sysfs_list(&host);
    for (uint32_t i = 0; i < host.n; i++) {
        if (pci_address_order(&host.row[i].address) == pci_address_order(&m->address)) {
            m->vendor = host.row[i].vendor;
            m->device = host.row[i].device;
        }
    }
}

static void tell(const struct vfio_answer *a, const int fds[WORKER_FDS]) {
    static const char *const words[VFIO_RESULTS] = {"",      "done", "gone", "no-iommu", "no-module",
                                                    "stays", "used", "busy", "unknown",  "failed"};
    char text[VH_TEXT_MAX * 2];
    (void)str_fmt(text, sizeof text, "%s group=%u opened=%u wanted=%u undriven=%u %s", words[a->result],
                  (unsigned)a->group, (unsigned)a->opened, (unsigned)a->wanted, (unsigned)a->undriven, a->why);
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    say(text);
}

static void order(struct vfio_order *o) {
    struct pollfd p = {.fd = worker.sock, .events = POLLIN};
    int fds[WORKER_FDS];
    size_t n = 0;
    if (worker.state == WORKER_GONE || !vfio_worker_order(&worker, o, clock_now())) {
        say("ended");
        return;
    }
    if (poll(&p, 1, VH_T_VFIO) == 0) {
        say("late");
        return;
    }
    const struct vfio_answer *a =
        worker_read(&worker, &n, fds) == WORKER_ANSWER ? vfio_worker_answer(&worker, o, n, fds) : NULL;
    if (a == NULL)
        say("ended");
    else
        tell(a, fds);
}

static void order_line(uint32_t kind, char *rest) {
    struct vfio_order o = {.head = {.kind = kind}};
    uint8_t despite = 0;
    char *save = NULL;
    const char *word = strtok_r(rest, " ", &save);
    if (kind == VFIO_PREPARE) {
        o.uid = word != NULL ? (uint32_t)strtoul(word, NULL, 10) : 0;
        const char *flags = strtok_r(NULL, " ", &save);
        if (flags == NULL)
            die("no flags");
        o.by_fd = strchr(flags, 'f') != NULL;
        o.joins = strchr(flags, 'j') != NULL;
        despite |= strchr(flags, 'k') != NULL ? PCI_KEYBOARD : 0;
        despite |= strchr(flags, 'u') != NULL ? PCI_UPLINK : 0;
        word = strtok_r(NULL, " ", &save);
    }
    for (; word != NULL && o.n < VH_MAX_GROUP; word = strtok_r(NULL, " ", &save))
        mean(&o, word, despite);
    order(&o);
}

/* ---- the node of an input device ---- */

static void open_to(bool let, char *rest) {
    static const char *const words[] = {"done", "same", "gone", "failed"};
    char why[VH_TEXT_MAX], text[VH_TEXT_MAX + 16];
    char *save = NULL;
    uint16_t number = number_of(strtok_r(rest, " ", &save));
    const char *user = strtok_r(NULL, " ", &save);
    uint32_t uid = user != NULL ? (uint32_t)strtoul(user, NULL, 10) : 0;
    uint64_t plug = input_node_incarnation(number);
    enum input_node_end end = let ? input_node_let(number, plug, uid, why) : input_node_bar(number, plug, uid, why);
    (void)str_fmt(text, sizeof text, "%s %s", words[end], why); /* it fits */
    say(text);
}

/* ---- the monitor ---- */

static int monitor = -1;
static char line[VH_QMP_LINE_MAX + 1];
static size_t have, used; /* bytes in `line`, and those of the line that was parsed last */
static jsmntok_t tokens[VH_QMP_TOKENS];
static struct json json;

/* A parsed line, until `deadline`; false if none came. */
static bool next_line(int64_t deadline) {
    struct json_error err;
    memmove(line, line + used, have - used);
    have -= used;
    used = 0;
    for (;;) {
        char *end = memchr(line, '\n', have);
        if (end != NULL) {
            used = (size_t)(end - line) + 1;
            size_t len = used - 1 - (used > 1 && line[used - 2] == '\r');
            if (!json_parse(&json, line, len, tokens, VH_QMP_TOKENS, &err))
                die("no JSON");
            return true;
        }
        struct pollfd p = {.fd = monitor, .events = POLLIN};
        int64_t left = (deadline - clock_now()) / VH_NSEC_PER_MSEC;
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            return false;
        ssize_t n = sock_recv(monitor, line + have, sizeof line - 1 - have);
        if (n < 0)
            die("the monitor hung up");
        have += (size_t)n;
    }
}

static void send_text(const char *text) {
    if (sock_send(monitor, text, strlen(text), -1) != (ssize_t)strlen(text))
        die("cannot send");
}

static void open_monitor(const char *path) {
    int64_t deadline = clock_now() + 60000 * VH_NSEC_PER_MSEC;
    if (monitor >= 0)
        (void)close(monitor);
    have = used = 0;
    monitor = path != NULL ? sock_connect_unix(path) : -1;
    if (monitor < 0)
        die("no monitor");
    if (!next_line(deadline))
        die("no greeting");
    send_text("{\"execute\": \"qmp_capabilities\"}\n");
    do {
        if (!next_line(deadline))
            die("no answer");
    } while (json_get(&json, 0, "return") < 0);
}

static void tell_end(const struct qemu_pci *q, bool listed, bool input) {
    static const char *const words[QEMU_PCI_ENDS] = {"done",   "accepted", "no-port", "group", "busy",
                                                     "denied", "memlock",  "module",  "failed"};
    char text[VH_REPLY_MAX / 2], address[PCI_ADDRESS_TEXT];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    sb_fmt(&sb, "%s %s", words[q->end], q->text);
    for (int i = 0; listed && i < q->nfound; i++) {
        if (input)
            (void)str_fmt(address, sizeof address, "event%u", (unsigned)q->found[i].number); /* a number */
        else
            pci_address_text(address, &q->found[i].address);
        sb_fmt(&sb, "%s=%s%s ", q->found[i].id, q->found[i].known ? address : "?", q->found[i].ours ? "*" : "");
    }
    say(text);
}

static void operate(enum qemu_pci_what what, bool input, char *rest) {
    static struct qemu_pci q;
    static uint32_t serial;
    char text[VH_QMP_OUT_MAX];
    struct qemu_pci_out out;
    char *save = NULL;
    int64_t deadline = clock_now() + VH_T_ADD_PCI * VH_NSEC_PER_MSEC;
    open_monitor(strtok_r(rest, " ", &save));
    struct qemu_pci_op op = {.serial = ++serial, .what = what, .input = input};
    if (what != QEMU_PCI_LIST && input)
        op.number = number_of(strtok_r(NULL, " ", &save));
    else if (what != QEMU_PCI_LIST)
        op.address = address_of(strtok_r(NULL, " ", &save));
    sb_init(&out.text, text, sizeof text);
    qemu_pci_begin(&q, &op, &out);
    do {
        send_text(text);
        sb_init(&out.text, text, sizeof text);
        if (!next_line(deadline)) {
            say("late");
            return;
        }
    } while (!qemu_pci_message(&q, &json, &out));
    tell_end(&q, what == QEMU_PCI_LIST, input);
}

static void await(const char *rest) {
    char id[VH_OPID_MAX], text[VH_TEXT_MAX];
    int64_t deadline = clock_now() + (int64_t)strtoul(rest, NULL, 10) * 1000 * VH_NSEC_PER_MSEC;
    while (next_line(deadline)) {
        enum qemu_pci_event event = qemu_pci_event(&json, id);
        if (event == QEMU_PCI_OTHER_EVENT)
            continue;
        (void)str_fmt(text, sizeof text, "%s %s", event == QEMU_PCI_DELETED ? "deleted" : "refused", id);
        say(text);
        return;
    }
    say("nothing");
}

static void obey(char *command) {
    command[strcspn(command, "\n")] = '\0';
    char *rest = command + strcspn(command, " ");
    rest += *rest == ' ' ? (*rest = '\0', 1) : 0;
    if (str_eq(command, "prepare"))
        order_line(VFIO_PREPARE, rest);
    else if (str_eq(command, "look"))
        order_line(VFIO_LOOK, rest);
    else if (str_eq(command, "restore"))
        order_line(VFIO_RESTORE, rest);
    else if (str_eq(command, "list") || str_eq(command, "list-input"))
        operate(QEMU_PCI_LIST, !str_eq(command, "list"), rest);
    else if (str_eq(command, "add") || str_eq(command, "add-input"))
        operate(QEMU_PCI_ADD, !str_eq(command, "add"), rest);
    else if (str_eq(command, "del") || str_eq(command, "del-input"))
        operate(QEMU_PCI_DEL, !str_eq(command, "del"), rest);
    else if (str_eq(command, "let") || str_eq(command, "bar"))
        open_to(str_eq(command, "let"), rest);
    else if (str_eq(command, "await"))
        await(rest);
    else
        die(command);
}

int main(void) {
    char command[VH_LINE_MAX];
    log_open("vfiotool", LOG_DEBUG);
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || !sysfs_root("/") || !vfio_worker_start(&worker))
        die("no worker");
    say("up");
    size_t n = 0;
    char c;
    while (read(STDIN_FILENO, &c, 1) == 1) { /* the arena has no room for stdio's buffers */
        command[n] = c;
        n += n + 1 < sizeof command;
        if (c != '\n')
            continue;
        command[n] = '\0';
        n = 0;
        obey(command);
    }
    worker_stop(&worker);
    return 0;
}
