/*
 * vm_watch.c - sockets that appear and vanish, processes that end, mounts that change. Owns inotify, the pidfds and
 * what was last told.
 *
 * An event only says "look": every VM's socket is then compared with what was last told. While a directory does not
 * exist, its nearest existing ancestor is watched instead.
 */
#include "vmm/vm_watch.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASK \
    (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

struct watched {
    bool there; /* as last told */
    bool told;  /* that it cannot be watched */
    uint64_t dev, ino;
    int pidfd, poll;
    int wd; /* of its directory or an ancestor, -1 none */
};

static struct watched vms[VH_MAX_VMS];
static const struct conf *conf;
static const struct vm_watch_calls *calls;
static int64_t again_at = VH_NEVER;
static unsigned failures; /* in a row */
static int inotify = -1, inotify_poll = -1, mounts = -1, mounts_poll = -1;

/* For want of memory or descriptors the kernel did not say what is there, and no event will come of that. */
static void look_later(void) {
    if (again_at != VH_NEVER)
        return;
    failures++;
    again_at = clock_now() + backoff(failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* The directory of the socket, or the nearest ancestor that exists. Without a watch it is looked at by time. */
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
    if (!w->told)
        log_warn("cannot watch for the socket %s, looking again and again: %s", socket, strerror(errno));
    w->told = true;
    look_later();
}

static void look_at(int v) {
    struct watched *w = &vms[v];
    struct sys_stat st;
    bool found = sys_stat(AT_FDCWD, conf->vms[v].socket, 0, &st), there = found && S_ISSOCK(st.mode);
    if (!found && errno != ENOENT && errno != ENOTDIR) {
        look_later(); /* nothing is known, so nothing is told */
        return;
    }
    bool anew = there && w->there && (st.dev != w->dev || st.ino != w->ino);
    bool was = w->there;
    w->there = there;
    if (there) {
        w->dev = st.dev;
        w->ino = st.ino;
    }
    if (was && (!there || anew))
        calls->socket_gone(v);
    if (there && (!was || anew))
        calls->socket_there(v);
}

void vm_watch_look(void) {
    again_at = VH_NEVER;
    for (int v = 0; v < conf->nvms; v++) {
        if (!conf->vms[v].supported)
            continue;
        watch_directory(&vms[v], conf->vms[v].socket); /* before looking: what appears in between is seen */
        look_at(v);
    }
    if (again_at == VH_NEVER)
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
    mounts = sysfs_open("/proc/self/mountinfo", O_RDONLY);
    return true;
}

void vm_watch_process(int v, int32_t pid) {
    struct watched *w = &vms[v];
    if (w->pidfd >= 0)
        (void)close(w->pidfd);
    w->pidfd = pid > 0 ? sys_pidfd_open(pid) : -1; /* pidfds are close-on-exec; without one, EOF tells */
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
    conf = c; /* a directory that nobody needs any more stays watched: what happens there makes us look once more */
}

void vm_watch_stop(void) {
    for (int v = 0; v < VH_MAX_VMS; v++)
        vm_watch_process(v, 0);
    if (inotify >= 0)
        (void)close(inotify);
    if (mounts >= 0)
        (void)close(mounts);
    inotify = mounts = -1;
}

void vm_watch_fill(struct pollset *ps) {
    inotify_poll = pollset_add(ps, inotify, POLLIN);
    mounts_poll = mounts >= 0 ? pollset_add(ps, mounts, POLLPRI) : -1;
    for (int v = 0; v < conf->nvms; v++)
        vms[v].poll = vms[v].pidfd >= 0 ? pollset_add(ps, vms[v].pidfd, POLLIN) : -1;
}

/* Which event it was does not matter, and a queue that overflowed says the same: look. */
static void drain_inotify(void) {
    _Alignas(struct inotify_event) char buf[4096 + 256 + 1];
    for (int i = 0; i < 16; i++) {
        ssize_t n = read(inotify, buf, sizeof buf);
        if (n <= 0 && errno != EINTR)
            break;
    }
    vm_watch_look();
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
    /* POLLERR is how mountinfo tells of a change; it is rearmed by the poll itself. A regular file (a test's) is never
     * ready so. */
    if ((pollset_got(ps, mounts_poll, mounts) & (POLLERR | POLLPRI)) != 0)
        calls->mounts_changed();
}

int64_t vm_watch_deadline(void) {
    return again_at;
}

void vm_watch_tick(int64_t now) {
    if (again_at <= now)
        vm_watch_look();
}
