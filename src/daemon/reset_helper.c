/*
 * reset_helper.c - the helper that resets devices, and the queue of resets. Owns both ends of the socket between daemon
 * and helper. Never resets by itself: the bus knows how.
 */
#include "daemon/reset_helper.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/helper.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "os/sandbox.h"
#include "os/sock.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Jobs sent ahead, and how long the helper waits for the end of a process. */
enum { AT_HELPER = 8, PROCESS_WAIT_MS = 2000 };

struct message { /* to the helper, which answers with the token alone */
    uint32_t token;
    struct device dev;
};

struct job {
    bool used, sent;
    int pidfd; /* a copy, until sent; -1 none */
    int64_t deadline;
    struct message message;
};

static struct job jobs[VH_MAX_DEVICES]; /* in no order; sent by deadline */
static int sock = -1, sock_poll = -1;
static reset_helper_done_fn *report;

/* ---- in the helper ---- */

/* Waits for the end of the process that had the device: until then it may still hold interfaces. */
static void wait_for_process(int pidfd) {
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    struct timespec left = {.tv_sec = PROCESS_WAIT_MS / 1000};
    while (ppoll(&p, 1, &left, NULL) < 0 && errno == EINTR) {
    }
}

/* Nodes to reset, and drivers_probe to write to. That file is missing until the USB bus exists. */
static bool enter_sandbox(void) {
    static const struct sandbox_path paths[] = {
        {"/sys/devices", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/bus", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/bus/usb/drivers_probe", SANDBOX_WRITE | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
        {"/dev/bus/usb", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_ROOTED},
    };
    const struct sandbox box = {.role = SANDBOX_RESET, .paths = paths, .npaths = sizeof paths / sizeof *paths};
    return sandbox_enter(&box);
}

static void helper(int fd, const void *arg) {
    static struct message m;
    const struct bus *bus = arg;
    int pidfd;
    if (!enter_sandbox())
        _exit(1);
    while (sock_recv_fd(fd, &m, sizeof m, &pidfd) == (ssize_t)sizeof m) {
        if (pidfd >= 0) {
            wait_for_process(pidfd);
            (void)close(pidfd);
        }
        memset(m.dev.driver_path, 0, sizeof m.dev.driver_path); /* pointers of the other process */
        bus->release(&m.dev);
        if (write(fd, &m.token, sizeof m.token) < 0)
            break;
    }
}

/* ---- in the daemon ---- */

bool reset_helper_start(const struct bus *bus, reset_helper_done_fn *done) {
    report = done;
    sock = helper_start("vhotplug-reset", helper, bus);
    if (sock < 0)
        return false;
    if (fcntl(sock, F_SETFL, O_NONBLOCK) == 0)
        return true;
    log_error("cannot use the socket of the reset helper: %s", strerror(errno));
    helper_close(sock);
    sock = -1;
    return false;
}

static void end(struct job *j) {
    if (j->pidfd >= 0)
        (void)close(j->pidfd);
    j->used = false;
    report(j->message.token);
}

static void helper_gone(void) {
    log_error("the reset helper ended: devices come back from VMs as they are, until the daemon is started again");
    helper_close(sock);
    sock = -1;
}

static struct job *next_job(int *at_helper) {
    struct job *next = NULL;
    *at_helper = 0;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct job *j = &jobs[i];
        if (j->used && j->sent)
            (*at_helper)++;
        else if (j->used && (next == NULL || j->deadline < next->deadline))
            next = j;
    }
    return next;
}

/* Jobs that do not fit into the socket wait until an answer makes room. */
static void send_jobs(void) {
    int at_helper = 0;
    for (struct job *j = next_job(&at_helper); sock >= 0 && j != NULL && at_helper < AT_HELPER;
         j = next_job(&at_helper)) {
        ssize_t n = sock_send(sock, &j->message, sizeof j->message, j->pidfd);
        if (n == 0)
            return;
        if (n < 0) {
            helper_gone();
            return;
        }
        if (j->pidfd >= 0)
            (void)close(j->pidfd);
        j->pidfd = -1;
        j->sent = true;
    }
}

void reset_helper_begin(uint32_t token, const struct device *dev, int pidfd) {
    struct job *j = jobs;
    while (j < jobs + VH_MAX_DEVICES && j->used)
        j++;
    if (j == jobs + VH_MAX_DEVICES) {
        log_warn("too many resets at once: device=%s is used as it is", dev->sys_name);
        report(token);
        return;
    }
    *j = (struct job){.used = true, .pidfd = -1, .deadline = clock_now() + ms_to_ns(VH_T_RELEASE)};
    j->message.token = token;
    j->message.dev = *dev;
    if (pidfd >= 0)
        j->pidfd = sys_dup(pidfd); /* without it, the reset may come a moment too early */
    if (sock < 0)
        j->deadline = 0;
    send_jobs();
}

void reset_helper_stop(void) {
    if (sock >= 0)
        helper_close(sock); /* the helper finishes the jobs it has, then ends */
    sock = -1;
}

void reset_helper_fill(struct pollset *ps) {
    sock_poll = sock >= 0 ? pollset_add(ps, sock, POLLIN) : -1;
}

void reset_helper_ready(const struct pollset *ps) {
    uint32_t token = 0;
    if (pollset_got(ps, sock_poll, sock) == 0)
        return;
    ssize_t n = sock_recv(sock, &token, sizeof token);
    if (n == 0)
        return;
    if (n != (ssize_t)sizeof token) {
        helper_gone();
        return;
    }
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        if (jobs[i].used && jobs[i].sent && jobs[i].message.token == token)
            end(&jobs[i]);
    }
    send_jobs();
}

int64_t reset_helper_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        if (jobs[i].used && (sock < 0 || jobs[i].deadline < at))
            at = sock < 0 ? 0 : jobs[i].deadline;
    }
    return at;
}

void reset_helper_tick(int64_t now) {
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct job *j = &jobs[i];
        if (!j->used || (sock >= 0 && j->deadline > now))
            continue;
        if (sock >= 0)
            log_warn("a reset takes too long: device=%s", j->message.dev.sys_name);
        end(j);
    }
    send_jobs();
}
