/*
 * vm_watch.c - sockets that appear and vanish, processes that end. Owns inotify, the pidfds and what was last reported;
 * looks at no file itself, because a path may hang.
 *
 * Any inotify event leads to a look at every VM's socket, and the answers lead to reports of the differences. One look
 * at a VM is under way at a time; what happens meanwhile leads to another one.
 */
#include "vmm/vm_watch.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "vmm/connector.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

struct watched {
    bool there;   /* as last reported */
    bool known;   /* an answer has come */
    bool refused; /* the log says that it cannot be watched */
    bool asked;   /* a look is under way */
    bool again;   /* something happened meanwhile */
    uint64_t dev, ino;
    int pidfd, poll;
};

static struct watched vms[VH_MAX_VMS];
static const struct conf *conf;
static const struct vm_watch_calls *calls;
static int64_t rescan_at = VH_NEVER;
static unsigned failures; /* in a row */
static int inotify = -1, inotify_poll = -1;

/* A timer must do: no event will follow when the trouble ends. */
static void scan_later(void) {
    if (rescan_at != VH_NEVER)
        return;
    failures++;
    rescan_at = clock_now() + backoff(failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

static void look(int v) {
    struct watched *w = &vms[v];
    w->again = w->asked;
    if (w->asked)
        return;
    w->asked = true;
    connector_look(v);
}

void vm_watch_scan(void) {
    rescan_at = VH_NEVER;
    for (int v = 0; v < conf->nvms; v++) {
        if (conf->vms[v].supported)
            look(v);
    }
}

static void warn_once(int v, const char *why) {
    if (!vms[v].refused)
        log_warn("cannot watch for the socket %s, checking it by a timer: %s", conf->vms[v].socket, why);
    vms[v].refused = true;
}

static void compare(int v, const struct connector_answer *a) {
    struct watched *w = &vms[v];
    bool there = a->there != 0, was = w->there, first = !w->known;
    bool replaced = there && was && (a->dev != w->dev || a->ino != w->ino);
    w->known = true;
    w->there = there;
    w->dev = a->dev;
    w->ino = a->ino;
    if (was && (!there || replaced))
        calls->socket_gone(v);
    if (there && (!was || replaced))
        calls->socket_there(v);
    if (first && !there)
        calls->socket_absent(v);
}

bool vm_watch_scanning(void) {
    for (int v = 0; v < conf->nvms; v++) {
        if (vms[v].asked)
            return true;
    }
    return false;
}

void vm_watch_looked(int v, const struct connector_answer *a) {
    struct watched *w = &vms[v];
    bool answered = a->status < CONNECTOR_ANSWERS;
    w->asked = false;
    if (!answered)
        warn_once(v, a->status == CONNECTOR_LATE ? "it cannot be reached in time" : "its connector has ended");
    else if (a->watched == 0)
        warn_once(v, a->error != 0 ? strerror(a->error) : a->text);
    if (a->watched == 0 || a->status != CONNECTOR_OK)
        scan_later();
    if (w->again)
        look(v);
    if (rescan_at == VH_NEVER && !vm_watch_scanning())
        failures = 0;
    if (a->status == CONNECTOR_OK) /* else nothing is known, so nothing is reported */
        compare(v, a);
}

bool vm_watch_start(const struct conf *c, const struct vm_watch_calls *table) {
    conf = c;
    calls = table;
    rescan_at = VH_NEVER;
    failures = 0;
    for (int v = 0; v < VH_MAX_VMS; v++)
        vms[v] = (struct watched){.pidfd = -1, .poll = -1};
    inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify < 0) {
        log_error("cannot watch for VMs: %s", strerror(errno));
        return false;
    }
    return true;
}

int vm_watch_inotify(void) {
    return inotify;
}

void vm_watch_process(int v, int pidfd) {
    struct watched *w = &vms[v];
    if (w->pidfd >= 0)
        (void)close(w->pidfd);
    w->pidfd = pidfd; /* without one, the end of the connection shows that of the process */
}

int vm_watch_pidfd(int v) {
    return vms[v].pidfd;
}

void vm_watch_reload(const struct conf *c, vm_set changed) {
    for (int v = 0; v < VH_MAX_VMS; v++) {
        if ((changed >> v & 1) == 0)
            continue;
        vm_watch_process(v, -1);
        vms[v] = (struct watched){.pidfd = -1, .poll = -1};
    }
    conf = c; /* a directory that is not needed any more stays watched: its events cost one scan each */
}

void vm_watch_stop(void) {
    for (int v = 0; v < VH_MAX_VMS; v++)
        vm_watch_process(v, -1);
    if (inotify >= 0)
        (void)close(inotify);
    inotify = -1;
}

void vm_watch_fill(struct pollset *ps) {
    inotify_poll = pollset_add(ps, inotify, POLLIN);
    for (int v = 0; v < conf->nvms; v++)
        vms[v].poll = vms[v].pidfd >= 0 ? pollset_add(ps, vms[v].pidfd, POLLIN) : -1;
}

/* The kind of event does not matter, nor whether the queue overflowed: each leads to the same scan. */
static void drain_inotify(void) {
    _Alignas(struct inotify_event) char buf[4096 + 256 + 1];
    for (int i = 0; i < 16; i++) {
        ssize_t n = read(inotify, buf, sizeof buf);
        if (n <= 0 && errno != EINTR)
            break;
    }
    vm_watch_scan();
}

void vm_watch_ready(const struct pollset *ps) {
    if (pollset_got(ps, inotify_poll, inotify) != 0)
        drain_inotify();
    for (int v = 0; v < conf->nvms; v++) {
        if (pollset_got(ps, vms[v].poll, vms[v].pidfd) == 0)
            continue;
        vm_watch_process(v, -1);
        calls->process_gone(v);
    }
}

int64_t vm_watch_deadline(void) {
    return rescan_at;
}

void vm_watch_tick(int64_t now) {
    if (rescan_at <= now)
        vm_watch_scan();
}
