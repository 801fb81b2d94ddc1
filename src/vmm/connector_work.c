/*
 * connector_work.c - what a connector does with an order. Owns its own configuration, which it read itself, and the
 * rule who may serve a VM's socket. Takes no path from the loop, and sends nothing to a monitor.
 *
 * The rule is applied to the socket that is connected to, not to its name: the name may mean another file a moment
 * later. So the file is opened without being used (O_PATH), judged, and connected to through that descriptor.
 */
#include "vmm/connector_work.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/pages.h"
#include "os/sandbox.h"
#include "os/sock.h"
#include "os/sys.h"
#include "vmm/connector_order.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define MASK \
    (IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

static struct {
    struct connector_setup setup;
    const struct conf *conf; /* the latest */
    uint32_t own_uid;
} work;

static bool enter(void) {
    const struct sandbox box = {
        .role = SANDBOX_CONNECTOR,
        .paths = work.setup.paths,
        .npaths = work.setup.npaths,
        .keep_override = work.conf->nvms > 0,
    };
    bool ok = sandbox_enter(&box);
    pages_give_back_stack(); /* no order needs as much of it as start has */
    return ok;
}

/* The VM that is meant, also one of an earlier configuration whose devices are still to be taken back. NULL: none. */
static const struct vm_conf *find(const struct connector_order *o) {
    const struct vm_conf *found = NULL;
    for (int v = 0; v < work.conf->nvms; v++) {
        const struct vm_conf *vm = &work.conf->vms[v];
        if (str_eq(vm->name, o->vm) && str_eq(vm->socket, o->socket) && (found == NULL || found->retired))
            found = vm;
    }
    return found;
}

static void say(struct connector_answer *a, enum connector_status status, const char *before, const char *after) {
    a->status = (uint8_t)status;
    (void)str_fmt(a->text, sizeof a->text, "%s%s", before, after); /* an explanation may be cut */
}

/* ---- reaching the socket ---- */

/* Replaces the path of a symbolic link, open as fd, by that of its target. */
static bool follow(int fd, char path[VH_PATH_MAX]) {
    char target[VH_PATH_MAX];
    ssize_t n = readlinkat(fd, "", target, sizeof target - 1);
    if (n < 0)
        return false;
    target[n] = '\0';
    char *slash = strrchr(path, '/');
    size_t kept = target[0] == '/' || slash == NULL ? 0 : (size_t)(slash - path) + 1;
    bool whole = n < (ssize_t)sizeof target - 1 && str_copy(path + kept, VH_PATH_MAX - kept, target);
    errno = ENAMETOOLONG;
    return whole;
}

/* One step towards the socket: opens the path, and judges it if it is a symbolic link. -1 with *a filled. */
static int open_step(const struct vm_conf *vm, const char *path, struct sys_stat *st, struct connector_answer *a) {
    char why[VH_TEXT_MAX];
    int fd = openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        say(a, errno == ENOENT || errno == ENOTDIR ? CONNECTOR_ABSENT : CONNECTOR_FAILED, strerror(errno), "");
        return -1;
    }
    if (!sys_stat(fd, "", AT_EMPTY_PATH, st)) {
        say(a, CONNECTOR_UNKNOWN, "its socket cannot be looked at: ", strerror(errno));
    } else if (S_ISLNK(st->mode) && !vm->uid_given && st->uid != 0 && st->uid != work.own_uid) {
        (void)str_fmt(why, sizeof why, "its socket is a symbolic link of uid %u", (unsigned)st->uid);
        say(a, CONNECTOR_DISTRUSTED, why, "");
    } else {
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* The file at the end of all links, opened with O_PATH, or -1 with *a filled. */
static int open_judged(const struct vm_conf *vm, struct sys_stat *st, struct connector_answer *a) {
    char path[VH_PATH_MAX];
    bool ok = str_copy(path, sizeof path, vm->socket);
    VH_ASSERT(ok);
    for (int i = 0; i < VH_MAX_LINKS; i++) {
        int fd = open_step(vm, path, st, a);
        if (fd < 0 || !S_ISLNK(st->mode))
            return fd;
        ok = follow(fd, path);
        if (!ok)
            say(a, CONNECTOR_UNKNOWN, "its socket is a link that cannot be read: ", strerror(errno));
        (void)close(fd);
        if (!ok)
            return -1;
    }
    say(a, CONNECTOR_UNKNOWN, "its socket is a link that cannot be read: ", strerror(ELOOP));
    return -1;
}

/* A connection to the socket that is open as `file`, or -1 with *a filled. Never waits: a unix socket that is
 * non-blocking is connected at once or not at all. */
static int connect_to(const struct vm_conf *vm, int file, struct connector_answer *a) {
    char path[32];
    bool ok = str_fmt(path, sizeof path, "/proc/self/fd/%d", file);
    VH_ASSERT(ok);
    bool packets = vm->listens == VM_PACKETS;
    int fd = packets ? sock_connect_packets(path) : sock_connect_unix(path);
    if (fd < 0 && errno == EPROTOTYPE && vm->listens == VM_EITHER) {
        packets = true;
        fd = sock_connect_packets(path);
    }
    a->packets = fd >= 0 && packets;
    if (fd >= 0)
        return fd;
    if (errno == ECONNREFUSED)
        say(a, CONNECTOR_REFUSED, strerror(errno), "");
    else if (errno == EAGAIN)
        say(a, CONNECTOR_FULL, strerror(errno), "");
    else if (errno == EPROTOTYPE)
        say(a, CONNECTOR_FAILED, "is of another type: a control socket of type ", vm->type);
    else if (errno == ENOENT || errno == ENOTDIR)
        say(a, CONNECTOR_FAILED, "cannot be reached: /proc is missing", "");
    else
        say(a, CONNECTOR_FAILED, strerror(errno), "");
    return -1;
}

static int reach(const struct vm_conf *vm, struct sys_stat *st, struct connector_answer *a) {
    int file = open_judged(vm, st, a);
    if (file < 0)
        return -1;
    int fd = connect_to(vm, file, a);
    (void)close(file);
    return fd;
}

/* ---- orders ---- */

bool connector_accepts(const struct vm_conf *vm, uint32_t uid, uint32_t owner) {
    return vm->uid_given ? uid == vm->uid : uid == 0 || uid == owner;
}

/* Of device, inode and time of change: a number alone is used again by some file systems. */
static uint64_t digest(const struct sys_stat *st) {
    const uint64_t parts[] = {st->dev, st->ino, (uint64_t)st->ctime_ns};
    uint64_t d = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (int bit = 0; bit < 64; bit += 8)
            d = (d ^ (parts[i] >> bit & 0xff)) * 1099511628211u;
    }
    return d;
}

static bool is_trusted(const struct vm_conf *vm, int fd, const struct sys_stat *st, struct connector_answer *a) {
    char why[VH_TEXT_MAX];
    uint32_t gid;
    a->owner = st->uid;
    a->socket = digest(st);
    if (!sock_peer_unix(fd, &a->uid, &gid, &a->pid)) {
        say(a, CONNECTOR_UNKNOWN, "the kernel does not say who serves its socket", "");
        return false;
    }
    if (connector_accepts(vm, a->uid, a->owner))
        return true;
    if (vm->uid_given)
        (void)str_fmt(why, sizeof why, "its socket is served by uid %u, not %u", (unsigned)a->uid, (unsigned)vm->uid);
    else
        (void)str_fmt(why, sizeof why, "its socket is of uid %u, served by uid %u", (unsigned)st->uid,
                      (unsigned)a->uid);
    say(a, CONNECTOR_DISTRUSTED, why, "");
    return false;
}

static void do_connect(const struct vm_conf *vm, struct connector_answer *a, int out[WORKER_FDS]) {
    struct sys_stat st = {0};
    int fd = reach(vm, &st, a);
    if (fd < 0)
        return;
    if (!is_trusted(vm, fd, &st, a)) {
        (void)close(fd);
        return;
    }
    out[0] = fd;
    out[1] = a->pid > 0 ? sys_pidfd_open(a->pid) : -1; /* without one, the end of the connection shows that of the VM */
}

static void listening(const struct vm_conf *vm, struct connector_answer *a) {
    struct sys_stat st = {0};
    int fd = reach(vm, &st, a);
    if (fd >= 0)
        (void)close(fd);
}

/* Watches the directory of the socket, or the nearest ancestor that exists. */
static void watch_directory(const char *socket, struct connector_answer *a) {
    char dir[VH_SUN_PATH_MAX];
    bool ok = str_copy(dir, sizeof dir, socket);
    VH_ASSERT(ok);
    for (char *slash = strrchr(dir, '/'); slash != NULL && a->watched == 0; slash = strrchr(dir, '/')) {
        bool top = slash == dir;
        slash[top ? 1 : 0] = '\0';
        a->watched = inotify_add_watch(work.setup.inotify, dir, MASK) >= 0;
        a->error = a->watched ? 0 : errno;
        if (top)
            break;
    }
}

static void look(const struct vm_conf *vm, struct connector_answer *a) {
    struct sys_stat st = {0};
    watch_directory(vm->socket, a); /* first: what appears in between is seen */
    if (sys_stat(AT_FDCWD, vm->socket, 0, &st)) {
        a->there = S_ISSOCK(st.mode);
        a->dev = st.dev;
        a->ino = st.ino;
    } else if (errno != ENOENT && errno != ENOTDIR) {
        say(a, CONNECTOR_FAILED, strerror(errno), "");
    }
}

static void reload(struct connector_answer *a) {
    const struct conf *fresh = work.setup.reload(work.conf);
    if (fresh == NULL)
        say(a, CONNECTOR_FAILED, "the configuration file cannot be read, or has errors", "");
    else
        work.conf = fresh;
}

static void do_order(const struct connector_order *o, struct connector_answer *a, int out[WORKER_FDS]) {
    if (o->head.kind == CONNECTOR_RELOAD) {
        reload(a);
        return;
    }
    const struct vm_conf *vm = find(o);
    if (vm == NULL)
        say(a, CONNECTOR_UNKNOWN, "its configuration file says something else: reload it", "");
    else if (o->head.kind == CONNECTOR_CONNECT)
        do_connect(vm, a, out);
    else if (o->head.kind == CONNECTOR_LISTENING)
        listening(vm, a);
    else
        look(vm, a);
}

static size_t handle(const void *order, int fd, void *answer, int out[WORKER_FDS]) {
    const struct connector_order *o = order;
    struct connector_answer *a = answer;
    memset(a, 0, sizeof *a);
    if (!connector_order_valid(o, fd >= 0))
        return 0;
    do_order(o, a, out);
    return sizeof *a;
}

const struct worker_job *connector_work(const struct connector_setup *s) {
    static struct connector_order order;
    static struct connector_answer answer;
    static const struct worker_job job = {
        .name = "vhotplug-connect", /* the kernel shows 15 bytes of it */
        .order_size = sizeof order,
        .answer_max = sizeof answer,
        .order = &order,
        .answer = &answer,
        .enter = enter,
        .handle = handle,
    };
    work.setup = *s;
    work.conf = s->conf;
    work.own_uid = geteuid();
    return &job;
}
