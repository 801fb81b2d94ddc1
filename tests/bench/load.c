/*
 * load.c - what presses on the daemon and on its yardsticks alike: senders of uevents, API clients, QMP monitors. Of
 * its own it does as little as it can, so that the figures are those of the other end. Times go to stdout, in
 * nanoseconds.
 *
 * usage: load uevents SOCKET MESSAGES ROUNDS      all messages of the file, each after two bytes of length, again and
 * again load lists SOCKET CLIENTS DEPTH COUNT    usb_list, DEPTH requests under way on each connection load fan SOCKET
 * UEVENTS ROOT FIRST SUBSCRIBERS COUNT   plugs from port FIRST on, told to all subscribers load plugs ROOT FIRST COUNT
 * add|bind UEVENTS MONITOR UEVENTS MONITOR API   of the yardstick, then of the daemon load moves API ROUNDS [NODE
 * VM]...       attach and detach, a connection for each device load monitors PATH...                    until ended
 */
#include "tool.h"

#include <poll.h>
#include <stdbool.h>

static char text[1 << 20];

/* ---- uevents ---- */

static void uevents(const char *path, const char *file, int rounds) {
    size_t len = file_of(file, text, sizeof text);
    int fd = connect_to(path, SOCK_DGRAM);
    int64_t begun = now_ns();
    for (int i = 0; i < rounds; i++) {
        for (size_t at = 0; at + 2 < len;) {
            size_t n = (size_t)(unsigned char)text[at] | (size_t)(unsigned char)text[at + 1] << 8;
            write_all(fd, text + at + 2, n);
            at += 2 + n;
        }
    }
    printf("%lld\n", (long long)(now_ns() - begun));
}

/* The ports that are plugged are 1-1 to 1-120, one after the other: one alone would flap. */
static int port_of(int n) {
    return 1 + n % 120;
}

static void tell(int fd, const char *action, int port) {
    static unsigned seqnum = 100000;
    char m[512];
    int n =
        snprintf(m, sizeof m,
                 "%s@/devices/pci0000:00/usb1/1-%d%cACTION=%s%cDEVPATH=/devices/pci0000:00/usb1/1-%d%cSUBSYSTEM=usb%c"
                 "DEVTYPE=usb_device%cSEQNUM=%u%c",
                 action, port, 0, action, 0, port, 0, 0, 0, seqnum++, 0);
    write_all(fd, m, (size_t)n);
}

/* The device is in sysfs, or it is not. */
static void move(const char *root, int port, bool in) {
    char here[256], there[256];
    (void)snprintf(here, sizeof here, "%s/sys/bus/usb/devices/1-%d", root, port);
    (void)snprintf(there, sizeof there, "%s/away/1-%d", root, port);
    if (rename(in ? there : here, in ? here : there) != 0)
        die(here);
}

/* ---- lists ---- */

static const char list_line[] = "{\"action\": \"usb_list\"}\n";

static size_t one_line(int fd) {
    size_t got = 0, n = 0;
    do { /* each piece comes to the same place: only this one counts, nothing that an earlier one left behind it */
        n = read_some(fd, text, sizeof text);
        got += n;
    } while (memrchr(text, '\n', n) == NULL);
    return got;
}

static void ask_lists(int fd, int n) {
    static char lines[64 * sizeof list_line];
    for (int i = 0; i < n; i++)
        memcpy(lines + (size_t)i * (sizeof list_line - 1), list_line, sizeof list_line - 1);
    write_all(fd, lines, (size_t)n * (sizeof list_line - 1));
}

static void lists(const char *path, int clients, int depth, int count) {
    static struct pollfd polls[MOST];
    static size_t got[MOST];
    size_t size = 0;
    for (int i = 0; i < clients; i++) {
        polls[i] = (struct pollfd){.fd = connect_to(path, SOCK_STREAM), .events = POLLIN};
        ask_lists(polls[i].fd, 1);
        size_t len = one_line(polls[i].fd); /* each is as long as the next */
        if (size != 0 && len != size)
            die("the list still changes");
        size = len;
    }
    int64_t begun = now_ns();
    for (int i = 0; i < clients; i++)
        ask_lists(polls[i].fd, depth);
    for (int asked = clients * depth, answered = 0; answered < count;) {
        int n_ready = poll(polls, (nfds_t)clients, 60000);
        if (n_ready <= 0)
            die(n_ready < 0 ? "poll" : "no answer for a minute, or answers of another length than the first");
        for (int i = 0; i < clients; i++) {
            if (polls[i].revents == 0)
                continue;
            got[i] += read_some(polls[i].fd, text, sizeof text);
            int n = (int)(got[i] / size);
            got[i] %= size;
            answered += n;
            if (n > count - asked)
                n = count - asked > 0 ? count - asked : 0;
            if (n > 0)
                ask_lists(polls[i].fd, n);
            asked += n;
        }
    }
    printf("%lld\n", (long long)(now_ns() - begun));
}

/* ---- fan-out ---- */

static void fan(const char *path, const char *trigger, const char *root, int first, int subscribers, int count) {
    static const char line[] = "{\"action\": \"enable_notifications\"}\n";
    int fds[MOST], fd = connect_to(trigger, SOCK_DGRAM);
    for (int i = 0; i < subscribers; i++) {
        fds[i] = connect_to(path, SOCK_STREAM);
        write_all(fds[i], line, sizeof line - 1);
        (void)one_line(fds[i]);
    }
    int64_t took = 0;
    for (int k = 0; k < 2 * count; k++) {
        int port = port_of(first + k / 2);
        bool in = k % 2 == 0;
        move(root, port, in);
        int64_t begun = now_ns();
        tell(fd, in ? "bind" : "remove", port);
        for (int i = 0; i < subscribers; i++)
            (void)one_line(fds[i]);
        took += now_ns() - begun;
    }
    printf("%lld\n", (long long)took);
}

/* ---- a QMP monitor ---- */

static const char greeting[] =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "
    "\"capabilities\": [\"oob\"]}}\r\n";

static ssize_t take(int fd, char *p, size_t cap) {
    struct iovec iov = {.iov_base = p, .iov_len = cap};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(4 * sizeof(int))];
    } control;
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof control.buf};
    ssize_t n = recvmsg(fd, &m, 0);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c != NULL) { /* the kernel hands over those of one message, in one piece */
        int passed[4];
        size_t len = c->cmsg_len - CMSG_LEN(0);
        memcpy(passed, CMSG_DATA(c), len);
        for (size_t i = 0; i < len / sizeof *passed; i++)
            (void)close(passed[i]);
    }
    return n;
}

/* A line's answer. All commands do what they are asked to, and nothing is ever in a VM of somebody else. */
static size_t answer(char *out, size_t cap, const char *line, const char *end) {
    static const char id_key[] = "\"id\": \"";
    const char *result = "{}", *id = memmem(line, (size_t)(end - line), id_key, sizeof id_key - 1);
    if (memmem(line, (size_t)(end - line), "\"qom-list\"", 10) ||
        memmem(line, (size_t)(end - line), "\"query-fdsets\"", 14))
        result = "[]";
    if (memmem(line, (size_t)(end - line), "\"device-list-properties\"", 24))
        result = "[{\"name\": \"hostdevice\", \"type\": \"str\"}]";
    if (id == NULL)
        return 0;
    id += sizeof id_key - 1;
    return (size_t)snprintf(out, cap, "{\"return\": %s, \"id\": \"%.*s\"}\r\n", result, (int)strcspn(id, "\""), id);
}

/* Answers a batch of commands; the bytes that came, 0 at the end. */
static size_t serve(int fd) {
    static char in[65536], out[65536];
    ssize_t n = take(fd, in, sizeof in - 1);
    size_t len = 0;
    if (n <= 0)
        return 0;
    in[n] = '\0';
    for (const char *p = in, *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
        len += answer(out + len, sizeof out - len, p, end);
    memcpy(text, in, (size_t)n + 1);
    write_all(fd, out, len);
    return (size_t)n;
}

static void monitors(char **paths, int n) {
    static struct pollfd polls[2 * MOST];
    for (int i = 0; i < n; i++) {
        polls[i] = (struct pollfd){.fd = listen_at(paths[i], SOCK_STREAM), .events = POLLIN};
        polls[n + i].fd = -1;
        polls[n + i].events = POLLIN;
    }
    for (;;) {
        if (poll(polls, (nfds_t)(2 * n), -1) < 0)
            die("poll");
        for (int i = 0; i < n; i++) {
            struct pollfd *talk = &polls[n + i];
            if (talk->fd >= 0 && talk->revents != 0 && serve(talk->fd) == 0) {
                (void)close(talk->fd);
                talk->fd = -1;
            } else if (polls[i].revents != 0 && talk->fd < 0) { /* one at a time */
                talk->fd = accept(polls[i].fd, NULL, NULL);
                write_all(talk->fd, greeting, sizeof greeting - 1);
            }
        }
    }
}

/* ---- plugs ---- */

static void until(int fd, const char *command) {
    do {
        if (serve(fd) == 0)
            die(command);
    } while (strstr(text, command) == NULL);
}

/* Everything that came before is dealt with when this is answered. */
static void sync_with(int api) {
    static const char line[] = "{\"action\": \"version\"}\n";
    write_all(api, line, sizeof line - 1);
    (void)one_line(api);
}

/* The device was read after `add`, by a worker: a kernel takes longer to its `bind`. */
static void until_listed(int api, int port) {
    static char list[1 << 19];
    char wanted[32];
    (void)snprintf(wanted, sizeof wanted, "\"port_path\": \"%d\"", port);
    do {
        size_t got = 0;
        ask_lists(api, 1);
        while (got == 0 || list[got - 1] != '\n')
            got += read_some(api, list + got, sizeof list - 1 - got);
        list[got] = '\0';
    } while (strstr(list, wanted) == NULL);
}

struct contestant {
    int uevents, monitor;
};

static int64_t first_byte(struct contestant c, int port, bool both) {
    char byte;
    int64_t begun = now_ns();
    if (both)
        tell(c.uevents, "add", port);
    tell(c.uevents, "bind", port);
    if (recv(c.monitor, &byte, 1, MSG_PEEK) != 1)
        die("recv");
    return now_ns() - begun;
}

static void plugs(const char *root, int first, int count, bool both, char **paths) {
    struct contestant yard = {.uevents = -1, .monitor = -1}, daemon = yard;
    int listeners[2] = {listen_at(paths[1], SOCK_STREAM), listen_at(paths[3], SOCK_STREAM)};
    yard.monitor = accept(listeners[0], NULL, NULL);
    daemon.monitor = accept(listeners[1], NULL, NULL);
    yard.uevents = connect_to(paths[0], SOCK_DGRAM);
    daemon.uevents = connect_to(paths[2], SOCK_DGRAM);
    int api = connect_to(paths[4], SOCK_STREAM);
    write_all(daemon.monitor, greeting, sizeof greeting - 1);
    until(daemon.monitor, "device-list-properties");
    sync_with(api);
    for (int i = 0; i < count; i++) {
        int port = port_of(first + i);
        int64_t bare = first_byte(yard, port, both);
        (void)read_some(yard.monitor, text, sizeof text);
        move(root, port, true);
        if (!both) {
            tell(daemon.uevents, "add", port);
            until_listed(api, port);
        }
        int64_t ours = first_byte(daemon, port, both);
        until(daemon.monitor, "device_add");
        sync_with(api);
        move(root, port, false);
        tell(daemon.uevents, "remove", port);
        until(daemon.monitor, "device_del");
        sync_with(api);
        printf("%lld %lld\n", (long long)bare, (long long)ours);
    }
}

/* ---- moves ---- */

static void ask_move(int fd, bool attach, const char *node, const char *vm) {
    char line[256];
    int n = snprintf(line, sizeof line, "{\"action\": \"%s\", \"device_node\": \"%s\", \"vm\": \"%s\"}\n",
                     attach ? "usb_attach" : "usb_detach", node, vm);
    write_all(fd, line, (size_t)n);
}

static void moves(const char *api, int rounds, char **pairs, int n) {
    static struct pollfd polls[MOST];
    static int turns[MOST];
    for (int i = 0; i < n; i++)
        polls[i] = (struct pollfd){.fd = connect_to(api, SOCK_STREAM), .events = POLLIN};
    int64_t begun = now_ns();
    for (int i = 0; i < n; i++)
        ask_move(polls[i].fd, true, pairs[2 * i], pairs[2 * i + 1]);
    for (int busy = n; busy > 0;) {
        if (poll(polls, (nfds_t)n, -1) < 0)
            die("poll");
        for (int i = 0; i < n; i++) {
            if (polls[i].revents == 0)
                continue;
            size_t got = read_some(polls[i].fd, text, sizeof text - 1);
            text[got] = '\0';
            if (strstr(text, "\"ok\"") == NULL) {
                fprintf(stderr, "%s", text);
                exit(1);
            }
            if (++turns[i] == 2 * rounds)
                busy--;
            else
                ask_move(polls[i].fd, turns[i] % 2 == 0, pairs[2 * i], pairs[2 * i + 1]);
        }
    }
    printf("%lld\n", (long long)(now_ns() - begun));
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 5 && strcmp(what, "uevents") == 0)
        uevents(argv[2], argv[3], count_of(argv[4]));
    else if (argc == 6 && strcmp(what, "lists") == 0)
        lists(argv[2], count_of(argv[3]), count_of(argv[4]), count_of(argv[5]));
    else if (argc == 8 && strcmp(what, "fan") == 0)
        fan(argv[2], argv[3], argv[4], count_of(argv[5]), count_of(argv[6]), count_of(argv[7]));
    else if (argc == 11 && strcmp(what, "plugs") == 0)
        plugs(argv[2], count_of(argv[3]), count_of(argv[4]), strcmp(argv[5], "add") == 0, argv + 6);
    else if (argc >= 6 && argc < 4 + 2 * MOST && strcmp(what, "moves") == 0)
        moves(argv[2], count_of(argv[3]), argv + 4, (argc - 4) / 2);
    else if (argc >= 3 && argc < 2 + MOST && strcmp(what, "monitors") == 0)
        monitors(argv + 2, argc - 2);
    else
        return 2;
    return 0;
}
