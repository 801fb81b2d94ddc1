/*
 * tool.h - the little that the benchmark programs share: the clock, sockets, and an end with a reason. A benchmark that
 * cannot go on says why and exits; nothing here is a model for the daemon.
 */
#ifndef VHOTPLUG_BENCH_TOOL_H
#define VHOTPLUG_BENCH_TOOL_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MOST 64 /* connections, VMs: as many as the daemon takes */

static inline int64_t clock_ns(clockid_t clock) {
    struct timespec ts;
    (void)clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static inline int64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

_Noreturn static inline void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static inline void address_of(struct sockaddr_un *a, const char *path) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof a->sun_path) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(a->sun_path, path, strlen(path) + 1);
}

static inline int listen_at(const char *path, int type) {
    struct sockaddr_un a;
    address_of(&a, path);
    int fd = socket(AF_UNIX, type, 0);
    (void)unlink(path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 ||
        (type == SOCK_STREAM && listen(fd, MOST) != 0))
        die(path);
    return fd;
}

/* Whoever is to listen there may still be starting. */
static inline int connect_to(const char *path, int type) {
    struct sockaddr_un a;
    address_of(&a, path);
    int fd = socket(AF_UNIX, type, 0);
    int64_t until = now_ns() + (int64_t)10000000000;
    while (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0) {
        if (now_ns() > until)
            die(path);
        (void)usleep(1000);
    }
    return fd;
}

static inline void write_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0)
            die("send");
        p += sent;
        n -= (size_t)sent;
    }
}

static inline size_t read_some(int fd, char *p, size_t cap) {
    ssize_t n = read(fd, p, cap);
    if (n <= 0)
        die("the other end");
    return (size_t)n;
}

static inline void send_with_fd(int to, const char *p, size_t n, int fd) {
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    memset(&control, 0, sizeof control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    if (sendmsg(to, &m, MSG_NOSIGNAL) != (ssize_t)n)
        die("sendmsg");
}

/* A whole file; the benchmarks' texts are short. */
static inline size_t file_of(const char *path, char *p, size_t cap) {
    FILE *f = fopen(path, "r");
    if (f == NULL)
        die(path);
    size_t n = fread(p, 1, cap, f);
    (void)fclose(f);
    return n;
}

static inline int count_of(const char *text) {
    return (int)strtol(text, NULL, 10);
}

#endif
