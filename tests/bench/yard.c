/*
 * yard.c - the yardsticks: for each figure of the daemon the barest program that does as much for whoever is at the
 * other end. None of them checks anything, decides anything or survives anything. They run until they are ended.
 *
 * usage: yard uevents SOCKET         receives datagrams, counts those about a device
 *        yard plug SOCKET MONITOR FILE   on a `bind` reads one file and writes one line
 *        yard serve SOCKET REPLY     answers each line with the text in the file REPLY
 *        yard fan SOCKET TRIGGER EVENT   each datagram at TRIGGER makes it write EVENT to every connection
 *        yard talk NODE ROUNDS MONITOR...   attach and detach as QMP batches; prints nanoseconds
 *        yard relay SOCKET NODE MONITOR...  the same, each asked for by a line of a client
 */
#include "tool.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>

static char text[1 << 20];

static ssize_t receive(int fd, char *p, size_t cap) {
    struct iovec iov = {.iov_base = p, .iov_len = cap};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    return recvmsg(fd, &m, 0);
}

static void uevents(const char *path) {
    int fd = listen_at(path, SOCK_DGRAM);
    for (;;) {
        if (receive(fd, text, sizeof text) < 0)
            die("recvmsg");
    }
}

static void plug(const char *path, const char *monitor, const char *file) {
    static const char line[] =
        "{\"execute\": \"device_add\", \"arguments\": {\"driver\": \"usb-host\", \"id\": \"vhp-usb-1-2\", "
        "\"hostbus\": 1, \"hostaddr\": 2}}\n";
    int fd = listen_at(path, SOCK_DGRAM), out = connect_to(monitor, SOCK_STREAM);
    for (;;) {
        if (receive(fd, text, sizeof text) < 0)
            die("recvmsg");
        if (strncmp(text, "bind", 4) != 0)
            continue;
        int f = open(file, O_RDONLY);
        if (f < 0 || read(f, text, sizeof text) < 0)
            die(file);
        (void)close(f);
        write_all(out, line, sizeof line - 1);
    }
}

/* ---- poll() servers ---- */

static struct pollfd polls[MOST + 2];
static int npolls;

static void add_poll(int fd) {
    polls[npolls++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void drop_poll(int i) {
    (void)close(polls[i].fd);
    polls[i] = polls[--npolls];
}

/* Replies that the socket does not take at once are owed. */
struct owed {
    size_t lines, sent; /* whole replies, and bytes of the first that went out */
};

static struct owed owed[1024]; /* by descriptor */

static void pay(struct pollfd *p, const char *reply, size_t len) {
    struct owed *o = &owed[p->fd];
    while (o->lines > 0) {
        ssize_t n = send(p->fd, reply + o->sent, len - o->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            break;
        o->sent += (size_t)n;
        if (o->sent < len)
            break;
        o->sent = 0;
        o->lines--;
    }
    p->events = o->lines > 0 ? POLLOUT : POLLIN;
}

static void serve_one(int i, const char *reply, size_t len) {
    static char in[4096];
    if ((polls[i].revents & POLLIN) != 0) {
        ssize_t n = read(polls[i].fd, in, sizeof in);
        if (n <= 0) {
            owed[polls[i].fd] = (struct owed){0};
            drop_poll(i);
            return;
        }
        for (const char *p = in; (p = memchr(p, '\n', (size_t)(in + n - p))) != NULL; p++)
            owed[polls[i].fd].lines++;
    }
    pay(&polls[i], reply, len);
}

static void serve(const char *path, const char *file) {
    size_t len = file_of(file, text, sizeof text);
    add_poll(listen_at(path, SOCK_STREAM));
    for (;;) {
        if (poll(polls, (nfds_t)npolls, -1) < 0)
            die("poll");
        for (int i = npolls - 1; i > 0; i--) {
            if (polls[i].revents != 0)
                serve_one(i, text, len);
        }
        if (polls[0].revents != 0)
            add_poll(accept(polls[0].fd, NULL, NULL));
    }
}

static void fan(const char *path, const char *trigger, const char *file) {
    static char in[8192];
    size_t len = file_of(file, text, sizeof text);
    add_poll(listen_at(path, SOCK_STREAM));
    add_poll(listen_at(trigger, SOCK_DGRAM));
    for (;;) {
        if (poll(polls, (nfds_t)npolls, -1) < 0)
            die("poll");
        if (polls[1].revents != 0 && receive(polls[1].fd, in, sizeof in) > 0) {
            for (int i = 2; i < npolls; i++)
                write_all(polls[i].fd, text, len);
        }
        for (int i = npolls - 1; i > 1; i--) {
            if (polls[i].revents == 0)
                continue;
            if (read(polls[i].fd, in, sizeof in) <= 0)
                drop_poll(i);
            else
                write_all(polls[i].fd, "{\"result\": \"ok\"}\n", 17);
        }
        if (polls[0].revents != 0)
            add_poll(accept(polls[0].fd, NULL, NULL));
    }
}

/* ---- QMP ---- */

static void begin(int to, bool attach, const char *node) {
    static const char in[] =
        "{\"execute\": \"add-fd\", \"id\": \"1.1\", \"arguments\": {\"fdset-id\": 760000, \"opaque\": \"x\"}}\n"
        "{\"execute\": \"device_add\", \"id\": \"1.2\", \"arguments\": {\"driver\": \"usb-host\", \"id\": "
        "\"vhp-usb-1-2\", \"hostdevice\": \"/dev/fdset/760000\"}}\n"
        "{\"execute\": \"remove-fd\", \"id\": \"1.3\", \"arguments\": {\"fdset-id\": 760000}}\n";
    static const char out[] =
        "{\"execute\": \"device_del\", \"id\": \"1.4\", \"arguments\": {\"id\": \"vhp-usb-1-2\"}}\n"
        "{\"execute\": \"remove-fd\", \"id\": \"1.5\", \"arguments\": {\"fdset-id\": 760000}}\n";
    if (!attach) {
        write_all(to, out, sizeof out - 1);
        return;
    }
    int fd = open(node, O_RDWR);
    if (fd < 0)
        die(node);
    send_with_fd(to, in, sizeof in - 1, fd);
    (void)close(fd);
}

/* Attach and detach in turns at each monitor, all monitors side by side. */
static void talk(const char *node, int rounds, char **monitors, int n) {
    static const char hello[] = "{\"execute\": \"qmp_capabilities\", \"id\": \"1.0\"}\n";
    static int answers[MOST], turns[MOST]; /* still to come of this batch; batches begun */
    int busy = n;
    for (int i = 0; i < n; i++) {
        add_poll(connect_to(monitors[i], SOCK_STREAM));
        (void)read_some(polls[i].fd, text, sizeof text); /* the greeting */
        write_all(polls[i].fd, hello, sizeof hello - 1);
        (void)read_some(polls[i].fd, text, sizeof text);
    }
    int64_t begun = now_ns(), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < n; i++) {
        begin(polls[i].fd, true, node);
        answers[i] = 3;
        turns[i] = 1;
    }
    while (busy > 0) {
        if (poll(polls, (nfds_t)n, -1) < 0)
            die("poll");
        for (int i = 0; i < n; i++) {
            if (polls[i].revents == 0)
                continue;
            size_t got = read_some(polls[i].fd, text, sizeof text);
            for (const char *p = text; (p = memchr(p, '\n', (size_t)(text + got - p))) != NULL; p++)
                answers[i]--;
            if (answers[i] > 0)
                continue;
            if (turns[i] == 2 * rounds) {
                busy--;
                continue;
            }
            begin(polls[i].fd, turns[i] % 2 == 0, node);
            answers[i] = turns[i]++ % 2 == 0 ? 3 : 2;
        }
    }
    printf("%lld %lld\n", (long long)(now_ns() - begun), (long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu));
}

/* The same asked for over a socket, as the daemon is: the n-th connection is about the n-th monitor. */
static void relay(const char *path, const char *node, char **monitors, int n) {
    static const char hello[] = "{\"execute\": \"qmp_capabilities\", \"id\": \"1.0\"}\n",
                      ok[] = "{\"result\": \"ok\"}\n";
    static int answers[MOST];
    static struct pollfd p[1 + 2 * MOST]; /* who asks, then the monitors, then the listener */
    for (int i = 0; i < n; i++) {
        p[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        p[n + i] = (struct pollfd){.fd = connect_to(monitors[i], SOCK_STREAM), .events = POLLIN};
        (void)read_some(p[n + i].fd, text, sizeof text); /* the greeting */
        write_all(p[n + i].fd, hello, sizeof hello - 1);
        (void)read_some(p[n + i].fd, text, sizeof text);
    }
    p[2 * n] = (struct pollfd){.fd = listen_at(path, SOCK_STREAM), .events = POLLIN};
    for (;;) {
        if (poll(p, (nfds_t)(2 * n + 1), -1) < 0)
            die("poll");
        for (int i = 0; i < n; i++) {
            ssize_t got = p[i].revents != 0 ? read(p[i].fd, text, sizeof text - 1) : -1;
            if (got == 0) {
                (void)close(p[i].fd);
                p[i].fd = -1;
            } else if (got > 0) {
                text[got] = '\0';
                bool attach = strstr(text, "usb_attach") != NULL;
                begin(p[n + i].fd, attach, node);
                answers[i] = attach ? 3 : 2;
            }
            if (p[n + i].revents == 0)
                continue;
            size_t len = read_some(p[n + i].fd, text, sizeof text);
            for (const char *c = text; (c = memchr(c, '\n', (size_t)(text + len - c))) != NULL; c++)
                answers[i]--;
            if (answers[i] == 0)
                write_all(p[i].fd, ok, sizeof ok - 1);
        }
        for (int i = 0; p[2 * n].revents != 0 && i < n; i++) {
            if (p[i].fd < 0) {
                p[i].fd = accept(p[2 * n].fd, NULL, NULL);
                break;
            }
        }
    }
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "uevents") == 0)
        uevents(argv[2]);
    else if (argc == 5 && strcmp(argv[1], "plug") == 0)
        plug(argv[2], argv[3], argv[4]);
    else if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3]);
    else if (argc == 5 && strcmp(argv[1], "fan") == 0)
        fan(argv[2], argv[3], argv[4]);
    else if (argc >= 5 && argc < 4 + MOST && strcmp(argv[1], "talk") == 0)
        talk(argv[2], count_of(argv[3]), argv + 4, argc - 4);
    else if (argc >= 5 && argc < 4 + MOST && strcmp(argv[1], "relay") == 0)
        relay(argv[2], argv[3], argv + 4, argc - 4);
    else
        return 2;
    return 0;
}
