/*
 * hand.c - real devices on their way to a VM, on the emulated board: the barest program that hands them over, and what
 * stamps the daemon and it alike. The bare one opens a device's node at the kernel's first word of it and passes it on.
 * It checks nothing, decides nothing and survives nothing.
 *
 * usage: hand bare SOCKET MONITORS [HUB NODE...]   claims the ports of these hubs first; MONITORS: paths, with commas
 *        hand watch SOCKET COUNT                   subscribes there; each time that COUNT devices have been attached,
 *                                                  the nanoseconds since the kernel's add of the first
 */
#include "tool.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static char text[1 << 16];

/* ---- uevents ---- */

static int uevents(void) {
    struct sockaddr_nl a = {.nl_family = AF_NETLINK, .nl_groups = 1};
    int fd = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT), size = 1 << 20;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) != 0)
        die("uevents");
    return fd;
}

/* The node of the device that was added or removed ("bus/usb/001/002"), NULL if it is about something else. */
static const char *node_of(size_t n, const char *action) {
    const char *node = NULL;
    bool device = false;
    if (strncmp(text, action, strlen(action)) != 0)
        return NULL;
    for (const char *p = text; p < text + n; p += strlen(p) + 1) {
        if (strcmp(p, "DEVTYPE=usb_device") == 0)
            device = true;
        if (strncmp(p, "DEVNAME=", 8) == 0)
            node = p + 8;
    }
    return device ? node : NULL;
}

static size_t next_uevent(int fd) {
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    if (n < 0)
        die("recv");
    text[n] = '\0';
    return (size_t)n;
}

/* Lines that came at that descriptor, of those that have the word. What is left of a line waits for its rest. */
struct lines {
    char buf[1 << 16];
    size_t n;
};

static int words_of(int fd, struct lines *l, const char *word) {
    int found = 0;
    l->n += read_some(fd, l->buf + l->n, sizeof l->buf - l->n);
    for (char *end; (end = memchr(l->buf, '\n', l->n)) != NULL;) {
        size_t len = (size_t)(end + 1 - l->buf);
        found += memmem(l->buf, len, word, strlen(word)) != NULL;
        if (memmem(l->buf, len, "\"error\"", 7) != NULL)
            (void)write(2, l->buf, len);
        l->n -= len;
        memmove(l->buf, end + 1, l->n);
    }
    return found;
}

/* ---- the bare program ---- */

/* The C libraries differ in the type of the request. */
static bool ask(int fd, unsigned long request, unsigned value) {
    return syscall(SYS_ioctl, fd, request, &value) == 0;
}

static void claim_ports(const char *hub) {
    int fd = open(hub, O_RDWR); /* what is claimed is so while this is open */
    if (fd < 0)
        die(hub);
    for (unsigned port = 1; ask(fd, USBDEVFS_CLAIM_PORT, port); port++) {
    }
}

static int greet(const char *path) {
    static const char hello[] = "{\"execute\": \"qmp_capabilities\"}\n";
    int fd = connect_to(path, SOCK_STREAM);
    (void)read_some(fd, text, sizeof text); /* the greeting */
    write_all(fd, hello, sizeof hello - 1);
    (void)read_some(fd, text, sizeof text);
    return fd;
}

/* With claimed ports the device is unconfigured, and nobody else will configure it. */
static void hand_over(int monitor, const char *name, bool held) {
    char node[64], out[512];
    (void)snprintf(node, sizeof node, "/dev/%s", name);
    int fd = open(node, O_RDWR);
    if (fd < 0 || (held && !ask(fd, USBDEVFS_SETCONFIGURATION, 1)))
        die(node);
    int set = count_of(name + 8) * 1000 + count_of(name + 12);
    int n = snprintf(out, sizeof out,
                     "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": %d}}\n"
                     "{\"execute\": \"device_add\", \"id\": \"in\", \"arguments\": {\"driver\": \"usb-host\", \"id\": "
                     "\"bare-%d\", \"hostdevice\": \"/dev/fdset/%d\"}}\n"
                     "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": %d}}\n",
                     set, set, set, set);
    send_with_fd(monitor, out, (size_t)n, fd);
    (void)close(fd);
}

static void take_back(int monitor, const char *name) {
    char out[128];
    int set = count_of(name + 8) * 1000 + count_of(name + 12);
    int n = snprintf(out, sizeof out, "{\"execute\": \"device_del\", \"arguments\": {\"id\": \"bare-%d\"}}\n", set);
    write_all(monitor, out, (size_t)n);
}

static void bare(const char *path, char *monitors, char **hubs, int nhubs) {
    static struct pollfd p[2 + MOST]; /* uevents, who watches, the monitors */
    static struct lines lines[MOST];
    int n = 0;
    for (int i = 0; i < nhubs; i++)
        claim_ports(hubs[i]);
    p[0] = (struct pollfd){.fd = uevents(), .events = POLLIN};
    int listener = listen_at(path, SOCK_STREAM);
    for (char *at = strtok(monitors, ","); at != NULL && n < MOST; at = strtok(NULL, ","))
        p[2 + n++] = (struct pollfd){.fd = greet(at), .events = POLLIN};
    p[1] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
    (void)read_some(p[1].fd, text, sizeof text); /* its subscription */
    for (;;) {
        const char *name;
        if (poll(p, (nfds_t)(2 + n), -1) < 0)
            die("poll");
        if (p[1].revents != 0)
            return;
        if (p[0].revents != 0) {
            size_t len = next_uevent(p[0].fd);
            if ((name = node_of(len, "add@")) != NULL)
                hand_over(p[2 + count_of(name + 12) % n].fd, name, nhubs > 0);
            else if ((name = node_of(len, "remove@")) != NULL)
                take_back(p[2 + count_of(name + 12) % n].fd, name);
        }
        for (int i = 0; i < n; i++) {
            if (p[2 + i].revents == 0)
                continue;
            for (int in = words_of(p[2 + i].fd, &lines[i], "\"id\": \"in\""); in > 0; in--)
                write_all(p[1].fd, "usb_attached\n", 13);
        }
    }
}

/* ---- the one that stamps ---- */

static void watch(const char *path, int count) {
    static const char subscribe[] = "{\"action\": \"enable_notifications\"}\n";
    static struct lines lines;
    struct pollfd p[2] = {{.fd = uevents(), .events = POLLIN}, {.fd = connect_to(path, SOCK_STREAM), .events = POLLIN}};
    int64_t since = 0;
    int attached = 0;
    write_all(p[1].fd, subscribe, sizeof subscribe - 1);
    for (;;) {
        if (poll(p, 2, -1) < 0)
            die("poll");
        if (p[0].revents != 0 && node_of(next_uevent(p[0].fd), "add@") != NULL && since == 0)
            since = now_ns();
        if (p[1].revents != 0)
            attached += words_of(p[1].fd, &lines, "usb_attached");
        if (attached < count)
            continue;
        printf("%lld\n", (long long)(now_ns() - since));
        (void)fflush(stdout);
        attached = 0;
        since = 0;
    }
}

int main(int argc, char **argv) {
    if (argc >= 4 && strcmp(argv[1], "bare") == 0)
        bare(argv[2], argv[3], argv + 4, argc - 4);
    else if (argc == 4 && strcmp(argv[1], "watch") == 0)
        watch(argv[2], count_of(argv[3]));
    else
        return 2;
    return 0;
}
