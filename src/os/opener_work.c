/*
 * opener_work.c - opens things: as the opener process, by order, and at start in the daemon's own. Owns the paths,
 * where the configuration in force listens, and the memory of which socket files were made here: no other file is
 * removed.
 */
#include "os/opener_work.h"

#include "base/log.h"
#include "base/str.h"
#include "os/netlink.h"
#include "os/pages.h"
#include "os/sandbox.h"
#include "os/sock.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening: before opener_seal() in the loop's process, then in the opener ---- */

static struct opener_places places;
static struct opener_listeners listeners; /* in force */
static struct made_file {
    char path[VH_SUN_PATH_MAX]; /* "" none */
    struct opener_inode inode;
} made[MADE];

static void remove_made(enum opener_made what) {
    struct made_file *m = &made[what];
    struct sys_stat st;
    if (m->path[0] != '\0' && sys_stat(AT_FDCWD, m->path, AT_SYMLINK_NOFOLLOW, &st) && st.dev == m->inode.dev &&
        st.ino == m->inode.ino)
        (void)sys_unlink(m->path);
    m->path[0] = '\0';
}

static void remove_all(void) {
    remove_made(MADE_SOCKET);
    remove_made(MADE_UEVENTS);
}

static int note(enum opener_made what, int fd, const char *path) {
    struct made_file *m = &made[what];
    struct sys_stat st;
    if (fd >= 0 && sys_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &st)) {
        VH_ASSERT(str_copy(m->path, sizeof m->path, path)); /* a socket is there: it fits */
        m->inode = (struct opener_inode){st.dev, st.ino};
    }
    return fd;
}

static int listen_unix(void) {
    const struct opener_listeners *l = &listeners;
    remove_made(MADE_SOCKET);
    return note(MADE_SOCKET, sock_listen_unix(l->unix_path, l->unix_mode, l->uid, l->gid), l->unix_path);
}

static int open_uevents(void) {
    if (places.uevents == NULL || places.uevents[0] == '\0')
        return netlink_open();
    return note(MADE_UEVENTS, netlink_open_fake(places.uevents), places.uevents);
}

static int refuse(int error) {
    errno = error;
    return -1;
}

int opener_work_open(enum opener_what what) {
    const struct opener_listeners *l = &listeners;
    switch (what) {
    case OPEN_UNLINK:
        remove_made(MADE_SOCKET);
        return refuse(0);
    case OPEN_END:
        remove_all();
        return refuse(0);
    case OPEN_UEVENTS:
        return open_uevents();
    case OPEN_UNIX:
        return l->unix_on ? listen_unix() : refuse(EACCES);
    case OPEN_TCP:
        return l->tcp_on ? sock_listen_tcp(l->host, l->tcp_port, false) : refuse(EACCES);
    case OPEN_VSOCK:
        return l->vsock_on ? sock_listen_vsock(l->vsock_port) : refuse(EACCES);
    case OPEN_CONF:
    case OPEN_MADE:
    case OPEN_KINDS:
        break;
    }
    return refuse(EINVAL);
}

void opener_work_at(const struct opener_places *p) {
    places = *p;
}

void opener_work_listen_at(const struct opener_listeners *l) {
    listeners = *l;
}

struct opener_inode opener_work_made(enum opener_made what) {
    return made[what].path[0] != '\0' ? made[what].inode : (struct opener_inode){0};
}

/* ---- the opener process ---- */

static struct opener_order order_in;
static struct opener_reply answer_out;
static struct {
    bool begun; /* OPEN_MADE has come, which comes first and once */
    uint32_t read;
    struct opener_listeners listeners; /* of the configuration that was read last, if `read` is not 0 */
} opener;

/* Makes the directory first, so that the rule applies to it and not to its parent. */
static bool enter_sandbox(void) {
    const struct sandbox_path paths[] = {
        {places.conf_dir, SANDBOX_READ},
        {places.conf_target, SANDBOX_READ},
        {places.sockets, SANDBOX_SOCKET | SANDBOX_ANCESTOR},
        {places.uevents_dir, SANDBOX_SOCKET},
    };
    const struct sandbox box = {.role = SANDBOX_OPENER,
                                .paths = paths,
                                .npaths = sizeof paths / sizeof *paths,
                                .testing = places.uevents[0] != '\0'};
    (void)mkdirat(AT_FDCWD, places.sockets, 0755); /* the loop reports errors */
    bool ok = sandbox_enter(&box);
    pages_give_back_stack(); /* no order needs as much of it as start has */
    return ok;
}

static void note_made(const struct opener_order *o) {
    const char *const paths[MADE] = {[MADE_SOCKET] = listeners.unix_path, [MADE_UEVENTS] = places.uevents};
    for (int i = 0; i < MADE; i++) {
        made[i].inode = o->made[i];
        bool fits = str_copy(made[i].path, sizeof made[i].path, o->made[i].ino != 0 ? paths[i] : "");
        VH_ASSERT(fits); /* a socket was made there */
    }
}

static int read_conf(uint32_t number) {
    bool valid = false;
    int fd = places.read_conf(&opener.listeners, &valid), e = errno;
    opener.read = valid ? number : 0;
    errno = e;
    return fd;
}

static int do_order(const struct opener_order *o) {
    enum opener_what what = (enum opener_what)o->head.kind;
    if (what == OPEN_MADE) {
        note_made(o);
        return refuse(0);
    }
    if (what == OPEN_UNIX && listeners.unix_owned)
        return refuse(EPERM);
    return what == OPEN_CONF ? read_conf(o->head.serial) : opener_work_open(what);
}

static size_t handle(const void *order, int fd, void *answer, int out[WORKER_FDS]) {
    const struct opener_order *o = order;
    struct opener_reply *a = answer;
    if (!opener_order_valid(o, opener.begun, fd >= 0))
        return 0;
    opener.begun = true;
    if (opener.read != 0 && o->conf == opener.read) {
        listeners = opener.listeners;
        opener.read = 0;
    }
    out[0] = do_order(o);
    a->error = out[0] < 0 ? errno : 0;
    return sizeof *a;
}

const struct worker_job opener_work_job = {
    .name = "vhotplug-opener",
    .order_size = sizeof order_in,
    .answer_max = sizeof answer_out,
    .order = &order_in,
    .answer = &answer_out,
    .enter = enter_sandbox,
    .handle = handle,
    .leave = remove_all, /* the loop was killed */
};
