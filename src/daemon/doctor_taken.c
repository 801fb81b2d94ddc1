/*
 * doctor_taken.c - finds who has an address of the API in the daemon's place: a second daemon at the unix socket, or
 * any program at a port. Names the process as /proc shows it; ends none.
 *
 * The opener opens the daemon's sockets, so the daemon and its children are one here.
 */
#include "daemon/doctor_taken.h"

#include "base/assert.h"
#include "base/str.h"
#include "daemon/doctor_say.h"
#include "os/sock.h"
#include "os/sysfs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 512, NAME = 32, ADDRESS = 33, INODE = 24 }; /* ADDRESS: an IPv6 address in /proc/net/tcp6 */

/* ---- processes ---- */

/* A small file of /proc, NUL-terminated. False if the process is gone, or hidden. */
static bool read_of(int pid, const char *file, char *dst, size_t cap) {
    char path[64];
    VH_ASSERT(str_fmt(path, sizeof path, "/proc/%d/%s", pid, file));
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? sysfs_read(fd, dst, cap - 1) : -1;
    dst[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return n > 0;
}

/* Its name comes from itself: only what is printable. */
static const char *name_of(int pid) {
    static char name[NAME];
    if (!read_of(pid, "comm", name, sizeof name))
        return "?";
    name[strcspn(name, "\n")] = '\0';
    for (char *s = name; *s != '\0'; s++)
        *s = *s < ' ' || *s > '~' ? '?' : *s;
    return name;
}

static int parent_of(int pid) {
    char text[LINE];
    uint64_t parent = 0;
    const char *end = read_of(pid, "stat", text, sizeof text) ? strrchr(text, ')') : NULL; /* ") S 1 ..." */
    bool whole = end != NULL && strlen(end) > 4;
    return whole && str_uint(end + 4, strspn(end + 4, "0123456789"), INT32_MAX, &parent) ? (int)parent : 0;
}

static bool is_daemon(int pid, int daemon) {
    return daemon > 0 && (pid == daemon || parent_of(pid) == daemon);
}

/* ---- who listens at a port ---- */

static bool holds(int pid, const char *link) {
    struct sysfs_dir fds;
    char path[64], target[64];
    bool found = false;
    VH_ASSERT(str_fmt(path, sizeof path, "/proc/%d/fd", pid));
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    sysfs_dir_of(&fds, fd);
    for (const char *name; !found && (name = sysfs_dir_next(&fds)) != NULL;) {
        ssize_t n = readlinkat(fd, name, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        found = str_eq(target, link);
    }
    (void)close(fd);
    return found;
}

/* The first process with this socket; 0 if none is seen. */
static int process_with(const char *inode) {
    struct sysfs_dir all;
    char link[64];
    uint64_t pid = 0;
    int found = 0, proc = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return 0;
    VH_ASSERT(str_fmt(link, sizeof link, "socket:[%s]", inode));
    sysfs_dir_of(&all, proc);
    for (const char *name; found == 0 && (name = sysfs_dir_next(&all)) != NULL;) {
        if (str_uint(name, strlen(name), INT32_MAX, &pid) && holds((int)pid, link))
            found = (int)pid;
    }
    (void)close(proc);
    return found;
}

static bool is_zero(const char *address) {
    return address[strspn(address, "0")] == '\0';
}

/* The n-th word of a line. */
static bool word(const char *line, int n, char *dst, size_t cap) {
    for (; n > 0; n--) {
        line += strspn(line, " ");
        line += strcspn(line, " ");
    }
    line += strspn(line, " ");
    return str_copyn(dst, cap, line, strcspn(line, " "));
}

/* A line of /proc/net/tcp: true with the inode of its socket, if that listens at this port and the addresses exclude
 * each other. */
static bool listening(const char *line, const char *address, uint16_t port, char inode[INODE]) {
    enum { LOCAL = 1, STATE = 3, SOCKET = 9 };
    char at[ADDRESS + 5], state[4], suffix[8];
    if (!word(line, LOCAL, at, sizeof at) || !word(line, STATE, state, sizeof state) ||
        !word(line, SOCKET, inode, INODE))
        return false;
    char *colon = strchr(at, ':');
    VH_ASSERT(str_fmt(suffix, sizeof suffix, ":%04X", (unsigned)port));
    if (colon == NULL || !str_eq(colon, suffix) || !str_eq(state, "0A"))
        return false;
    *colon = '\0';
    return str_eq(at, address) || is_zero(at) || is_zero(address);
}

static bool find_inode(const char *table, const char *address, uint16_t port, char inode[INODE]) {
    char piece[4096], line[LINE];
    size_t len = 0;
    ssize_t n;
    bool found = false;
    int fd = openat(AT_FDCWD, table, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && !found && (n = sysfs_read(fd, piece, sizeof piece)) > 0) {
        for (ssize_t i = 0; i < n && !found; i++) {
            bool end = piece[i] == '\n';
            line[len] = end ? '\0' : piece[i];
            found = end && listening(line, address, port, inode);
            len = end ? 0 : len + (len < sizeof line - 1);
        }
    }
    if (fd >= 0)
        (void)close(fd);
    return found;
}

/* An address as the tables have it: in words of the machine's byte order. */
static void in_hex(const char *host, char dst[ADDRESS]) {
    unsigned char bytes[16] = {0};
    uint32_t part = 0;
    bool v6 = inet_pton(AF_INET6, host, bytes) == 1;
    if (!v6)
        (void)inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, bytes); /* conf_api.c has checked it */
    for (size_t i = 0; i < (v6 ? 4 : 1); i++) {
        memcpy(&part, bytes + 4 * i, sizeof part);
        VH_ASSERT(str_fmt(dst + 8 * i, ADDRESS - 8 * i, "%08X", (unsigned)part));
    }
}

static int listener_at(const char *host, uint16_t port) {
    char address[ADDRESS], inode[INODE];
    in_hex(host, address);
    bool found =
        find_inode("/proc/net/tcp", address, port, inode) || find_inode("/proc/net/tcp6", address, port, inode);
    return found ? process_with(inode) : 0;
}

/* ---- the transports ---- */

static void say_tcp_in_use(const struct api_conf *c, enum host_lock held, int daemon) {
    int pid = listener_at(c->host, c->tcp_port);
    if (pid > 0 && held == HOST_LOCK_HELD && is_daemon(pid, daemon))
        doctor_say(FINE, "TCP: the daemon listens at %s port %d", c->host, c->tcp_port);
    else if (pid > 0)
        doctor_say(PROBLEM, "TCP: %s port %d is in use by process %d (%s) (end it, or set general.api.tcpPort)",
                   c->host, c->tcp_port, pid, name_of(pid));
    else if (held == HOST_LOCK_FREE)
        doctor_say(PROBLEM,
                   "TCP: %s port %d is in use (end that program, or set general.api.tcpPort; root is told "
                   "which it is)",
                   c->host, c->tcp_port);
    else
        doctor_say(NOTE, "TCP: %s port %d is in use, by the daemon or by another program (root is told)", c->host,
                   c->tcp_port);
}

static void tcp(const struct api_conf *c, enum host_lock held, int daemon) {
    int fd = sock_listen_tcp(c->host, c->tcp_port, false);
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0)
        doctor_say(held == HOST_LOCK_HELD ? NOTE : FINE, "TCP: %s port %d is free%s", c->host, c->tcp_port,
                   held == HOST_LOCK_HELD
                       ? "; the daemon that runs does not listen there (was the configuration changed since?)"
                       : "");
    else if (errno == EADDRINUSE)
        say_tcp_in_use(c, held, daemon);
    else
        doctor_say(PROBLEM, "TCP: %s port %d: %s (%s)", c->host, c->tcp_port, strerror(errno),
                   errno == EADDRNOTAVAIL ? "no interface of this host has that address: general.api.host"
                                          : "run it as the daemon's user");
}

/* A socket that nobody serves, or that this user may not use, says nothing here: doctor_daemon.c tells of it. */
static void unix_socket(const struct api_conf *c, enum host_lock held, int daemon) {
    uint32_t uid = 0, gid = 0;
    int32_t pid = 0;
    int fd = sock_connect_unix(c->unix_path);
    if (fd < 0)
        return;
    bool known = sock_peer_unix(fd, &uid, &gid, &pid) && pid > 0 && parent_of(pid) > 0;
    (void)close(fd);
    if (known && held == HOST_LOCK_FREE)
        doctor_say(PROBLEM,
                   "daemon: process %d (%s) serves %s without the lock of this host; two daemons would take devices "
                   "from each other (end it before vhotplug starts)",
                   (int)pid, name_of(pid), c->unix_path);
    else if (known && held == HOST_LOCK_HELD && daemon > 0 && !is_daemon(pid, daemon))
        doctor_say(PROBLEM,
                   "daemon: process %d (%s) serves %s, and process %d is the daemon; they take devices from each "
                   "other (end one of them)",
                   (int)pid, name_of(pid), c->unix_path, daemon);
}

void doctor_taken(const struct api_conf *c, enum host_lock held, int daemon) {
    if (c->enable && c->tcp_on)
        tcp(c, held, daemon);
    if (c->enable && c->unix_on)
        unix_socket(c, held, daemon);
}
