/*
 * vm_watch.c - sockets that appear and vanish, processes that end. Owns inotify, the pidfds and what was last reported;
 * never connects to a socket.
 *
 * Any inotify event leads to a scan of every VM's socket, and the scan reports the differences. While a directory does
 * not exist, its nearest existing ancestor is watched instead.
 */
#include "vmm/vm_watch.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASK \
    (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

struct watched {
    bool there;   /* as last reported */
    bool refused; /* the log says that it cannot be watched */
    uint64_t dev, ino;
    int pidfd, poll;
    int wd; /* watch of its directory or an ancestor, -1 none */
};

static struct watched vms[VH_MAX_VMS];
static const struct conf *conf;
static const struct vm_watch_calls *calls;
static int64_t rescan_at = VH_NEVER;
static unsigned failures; /* in a row */
static int inotify = -1, inotify_poll = -1;

/* The kernel was short of memory or descriptors and did not say what is there. No event will follow when that ends. */
static void scan_later(void) {
    if (rescan_at != VH_NEVER)
        return;
    failures++;
    rescan_at = clock_now() + backoff(failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* Watches the directory of the socket, or the nearest ancestor that exists. Without a watch a timer must do. */
static void watch_directory(struct watched *w, const char *socket) {
    char dir[VH_SUN_PATH_MAX];
    bool ok = str_copy(dir, sizeof dir, socket);
    VH_ASSERT(ok);
    for (char *slash = strrchr(dir, '/'); slash != NULL; slash = strrchr(dir, '/')) {
        bool top = slash == dir;
        slash[top ? 1 : 0] = '\0';
        w->wd = inotify_add_watch(inotify, dir, MASK);
        if (w->wd >= 0 || top)
            break;
    }
    if (w->wd >= 0)
        return;
    if (!w->refused)
        log_warn("cannot watch for the socket %s, checking it by a timer: %s", socket, strerror(errno));
    w->refused = true;
    scan_later();
}

static void check_socket(int v) {
    struct watched *w = &vms[v];
    struct sys_stat st;
    bool found = sys_stat(AT_FDCWD, conf->vms[v].socket, 0, &st), there = found && S_ISSOCK(st.mode);
    if (!found && errno != ENOENT && errno != ENOTDIR) {
        scan_later(); /* nothing is known, so nothing is reported */
        return;
    }
    bool replaced = there && w->there && (st.dev != w->dev || st.ino != w->ino);
    bool was = w->there;
    w->there = there;
    if (there) {
        w->dev = st.dev;
        w->ino = st.ino;
    }
    if (was && (!there || replaced))
        calls->socket_gone(v);
    if (there && (!was || replaced))
        calls->socket_there(v);
}

void vm_watch_scan(void) {
    rescan_at = VH_NEVER;
    for (int v = 0; v < conf->nvms; v++) {
        if (!conf->vms[v].supported)
            continue;
        watch_directory(&vms[v], conf->vms[v].socket); /* first: what appears in between is seen */
        check_socket(v);
    }
    if (rescan_at == VH_NEVER)
        failures = 0;
}

bool vm_watch_start(const struct conf *c, const struct vm_watch_calls *table) {
    conf = c;
    calls = table;
    for (int v = 0; v < VH_MAX_VMS; v++)
        vms[v].pidfd = vms[v].poll = vms[v].wd = -1;
    inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify < 0) {
        log_error("cannot watch for VMs: %s", strerror(errno));
        return false;
    }
    return true;
}

void vm_watch_process(int v, int32_t pid) {
    struct watched *w = &vms[v];
    if (w->pidfd >= 0)
        (void)close(w->pidfd);
    w->pidfd = pid > 0 ? sys_pidfd_open(pid) : -1; /* close-on-exec; without one, the end of the connection shows it */
}

int vm_watch_pidfd(int v) {
    return vms[v].pidfd;
}

void vm_watch_reload(const struct conf *c, vm_set changed) {
    for (int v = 0; v < VH_MAX_VMS; v++) {
        if ((changed >> v & 1) == 0)
            continue;
        vm_watch_process(v, 0);
        vms[v].there = false;
    }
    conf = c; /* a directory that is not needed any more stays watched: its events cost one scan each */
}

void vm_watch_stop(void) {
    for (int v = 0; v < VH_MAX_VMS; v++)
        vm_watch_process(v, 0);
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
        vm_watch_process(v, 0);
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
