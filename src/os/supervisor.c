/*
 * supervisor.c - see supervisor.h. Owns the datagram socket to systemd, which is made and connected before the sandbox
 * forbids both, and the descriptor of --ready-fd. Never reads, never connects again, never changes the flags of a
 * descriptor that it was given.
 *
 * What is to be told is a state and no queue: a message says all of it that was not sent yet. So a socket that is full
 * delays a message and loses none, and systemd takes RELOADING and READY in one message as a reload that is over.
 */
#include "os/supervisor.h"

#include "base/assert.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/helper.h"
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd;                                 /* to systemd; -1: it has not asked */
    int ready_fd;                           /* -1: nobody has asked, or it was told */
    bool failing;                           /* the last message could not be sent, which was logged */
    int64_t every;                          /* nanoseconds between two signs of life; 0: none are wanted */
    int64_t due;                            /* the next one */
    int64_t again;                          /* when what is not sent is tried again */
    uint64_t since;                         /* microseconds of CLOCK_MONOTONIC: the begin of the reload */
    bool reloading, ready, stopping, alive; /* not sent yet */
    char status[VH_STATUS_MAX];
} to = {.fd = -1, .ready_fd = -1, .due = VH_NEVER, .again = VH_NEVER};

/* ---- before the sandbox ---- */

bool supervisor_ready_fd(const char *number) {
    uint64_t fd = 0;
    if (!str_uint(number, strlen(number), INT_MAX, &fd) || fd <= STDERR_FILENO ||
        fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0)
        return false;
    to.ready_fd = (int)fd;
    helper_hide(to.ready_fd);
    return true;
}

/* Half of what systemd waits for, as it advises. Its variables may be meant for the process that has started us. */
static int64_t watchdog_interval(void) {
    const char *span = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
    uint64_t usec = 0, pid = 0;
    if (span == NULL)
        return 0;
    if (whose != NULL && (!str_uint(whose, strlen(whose), INT_MAX, &pid) || pid != (uint64_t)getpid()))
        return 0;
    if (!str_uint(span, strlen(span), INT64_MAX / 1000, &usec) || usec == 0) {
        log_warn("WATCHDOG_USEC is no time: '%s': the service manager gets no sign of life", span);
        return 0;
    }
    if (usec < (uint64_t)VH_T_WATCHDOG_MIN * 1000) {
        log_warn("WATCHDOG_USEC is shorter than %d ms: the service manager gets no sign of life", VH_T_WATCHDOG_MIN);
        return 0;
    }
    return (int64_t)usec * 1000 / 2;
}

void supervisor_open(void) {
    const char *path = getenv("NOTIFY_SOCKET");
    if (path != NULL && path[0] != '\0') {
        to.every = watchdog_interval();
        to.fd = sock_connect_datagram(path);
        if (to.fd >= 0)
            helper_hide(to.fd);
        else
            log_warn("the service manager is told nothing: NOTIFY_SOCKET=%s: %s", path, strerror(errno));
    }
    (void)unsetenv("NOTIFY_SOCKET"); /* none of the three calls can fail: the names are well-formed */
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

/* ---- messages ---- */

/* Whether there is anything to say. */
static bool compose(struct sbuf *sb) {
    if (to.reloading)
        sb_fmt(sb, "RELOADING=1\nMONOTONIC_USEC=%llu\n", (unsigned long long)to.since);
    if (to.ready)
        sb_fmt(sb, "READY=1\nSTATUS=%s\n", to.status);
    if (to.stopping)
        sb_str(sb, "STOPPING=1\n");
    if (to.alive)
        sb_str(sb, "WATCHDOG=1\n");
    VH_ASSERT(sb_ok(sb));
    return sb->len > 0;
}

static void tell(void) {
    char text[VH_NOTIFY_MAX];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    if (to.fd < 0 || !compose(&sb))
        return;
    ssize_t sent = sock_send(to.fd, text, sb.len, -1);
    if (sent > 0) {
        to.reloading = to.ready = to.stopping = to.alive = to.failing = false;
        to.again = VH_NEVER;
        return;
    }
    if (sent < 0 && !to.failing)
        log_warn("the service manager cannot be told: %s", strerror(errno));
    to.failing = to.failing || sent < 0;
    to.again = 0; /* the next tick makes a time of it */
}

/* The newline is what s6 and dinit wait for; the end of the pipe without one tells them of a start that failed. One
 * byte into a pipe that nobody else writes to does not wait. */
static void tell_ready_fd(void) {
    if (to.ready_fd < 0)
        return;
    if (sock_write(to.ready_fd, "\n", 1) != 1)
        log_warn("--ready-fd %d cannot be written: %s", to.ready_fd, strerror(errno));
    (void)close(to.ready_fd);
    to.ready_fd = -1;
}

void supervisor_ready(const char *status) {
    tell_ready_fd();
    (void)str_copy(to.status, sizeof to.status, status); /* a line that was cut is still a line */
    to.ready = true;
    if (to.every > 0 && to.due == VH_NEVER)
        to.due = 0;
    tell();
}

/* systemd takes no answer that is older than its question, so the time is the kernel's own and not clock_now(). */
void supervisor_reloading(void) {
    struct timespec ts;
    VH_ASSERT(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    to.since = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
    to.reloading = true;
    to.ready = false; /* of a reload before this one */
    tell();
}

void supervisor_stopping(void) {
    to.stopping = true;
    to.ready = to.reloading = false;
    tell();
}

/* ---- time ---- */

void supervisor_stalled(void) {
    if (to.due != VH_NEVER)
        to.due = 0;
}

int64_t supervisor_deadline(void) {
    if (to.fd < 0)
        return VH_NEVER;
    return to.due < to.again ? to.due : to.again;
}

void supervisor_tick(int64_t now) {
    if (now < supervisor_deadline())
        return;
    if (to.due <= now) {
        to.alive = true;
        to.due = now + to.every;
    }
    tell();
    if (to.again != VH_NEVER)
        to.again = now + ms_to_ns(VH_T_TELL_AGAIN);
}
