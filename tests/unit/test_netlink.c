/*
 * test_netlink.c - netlink.c: a real netlink socket, and messages that the kernel would not send.
 */
#include "base/limits.h"
#include "fault.h"
#include "os/netlink.h"
#include "test.h"

#include <linux/netlink.h>
#include <stdio.h>
#include <sys/un.h>

static char dir[] = "/tmp/vh-netlink-XXXXXX", path[128];

/* ---- opening ---- */

static void a_socket_that_cannot_be_opened_leaves_nothing(void) {
    char text[300];
    int files = open_files();
    fail_nr(SYS_socket, 1, EPROTONOSUPPORT);
    opens_nothing(netlink_open(), EPROTONOSUPPORT, files);
    fail_call("bind", 1, EPERM);
    opens_nothing(netlink_open(), EPERM, files);
    fail_nr(SYS_socket, 1, EMFILE);
    opens_nothing(netlink_open_fake(path), EMFILE, files);
    fail_call("bind", 1, EACCES);
    opens_nothing(netlink_open_fake(path), EACCES, files);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    opens_nothing(netlink_open_fake(text), ENAMETOOLONG, files);
}

static void a_small_buffer_will_do(void) {
    fail_call("setsockopt", 1, EPERM); /* no CAP_NET_ADMIN: what net.core.rmem_max grants */
    int fd = netlink_open();
    CHECK(fd >= 0);
    CHECK_INT(faults[0].calls, 2);
    heal();
    CHECK(close(fd) == 0);
    fail_call("setsockopt", 0, ENOBUFS); /* this fails as well */
    fd = netlink_open();
    CHECK(fd >= 0);
    heal();
    CHECK(close(fd) == 0);
}

/* ---- reading ---- */

static struct sockaddr_nl sender;
static socklen_t sender_len;
static int flags;
static const char *text;

static size_t forged(struct msghdr *m) {
    size_t n = strlen(text);
    memcpy(m->msg_iov->iov_base, text, n);
    memcpy(m->msg_name, &sender, sizeof sender);
    m->msg_namelen = sender_len;
    m->msg_flags = flags;
    return n;
}

static enum netlink_result read_from(unsigned family, unsigned pid, unsigned groups) {
    char *msg = NULL;
    size_t len = 0;
    sender = (struct sockaddr_nl){.nl_family = (sa_family_t)family, .nl_pid = pid, .nl_groups = groups};
    enum netlink_result r = netlink_read(0, &msg, &len);
    CHECK_INT(netlink_read(0, &msg, &len), NETLINK_EMPTY); /* one message is less than a batch: the queue is empty */
    return r;
}

/* Every process may send to a netlink socket's own address; only root and the kernel may send to the kernel's group. */
static void only_the_kernel_is_believed(void) {
    char *msg = NULL;
    size_t len = 0;
    int fd = netlink_open();
    uint64_t got = netlink_stats()->got, ignored = netlink_stats()->ignored;
    on_message = forged;
    text = "add@/devices/x";
    sender_len = sizeof sender;
    CHECK_INT(read_from(AF_NETLINK, 0, 1), NETLINK_GOT);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_GOT);
    CHECK_INT(len, strlen(text));
    CHECK(msg != NULL && memcmp(msg, text, len) == 0);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_EMPTY);
    CHECK_INT(netlink_stats()->got, got + 2);
    CHECK_INT(read_from(AF_NETLINK, 77, 1), NETLINK_IGNORED);
    CHECK_INT(read_from(AF_NETLINK, 0, 0), NETLINK_IGNORED);
    CHECK_INT(read_from(AF_NETLINK, 0, 2), NETLINK_IGNORED); /* udevd's group */
    CHECK_INT(read_from(AF_UNIX, 0, 1), NETLINK_IGNORED);
    sender_len = 0;
    CHECK_INT(read_from(AF_NETLINK, 0, 1), NETLINK_IGNORED);
    sender_len = sizeof sender;
    flags = MSG_TRUNC;
    CHECK_INT(read_from(AF_NETLINK, 0, 1), NETLINK_IGNORED);
    flags = 0;
    text = "";
    CHECK_INT(read_from(AF_NETLINK, 0, 1), NETLINK_IGNORED);
    CHECK_INT(netlink_stats()->ignored, ignored + 7);
    on_message = NULL;
    CHECK(close(fd) == 0);
}

/* A process of root sends to the socket itself: the kernel names the sender. */
static void a_message_from_user_space_is_dropped(void) {
    char *msg = NULL;
    size_t len = 0;
    struct sockaddr_nl address;
    socklen_t n = sizeof address;
    int fd = netlink_open(), other = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
    CHECK(fd >= 0 && other >= 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &n) == 0);
    address.nl_groups = 0;
    uint64_t ignored = netlink_stats()->ignored;
    if (sendto(other, "add@/devices/x", 14, 0, (const struct sockaddr *)&address, sizeof address) == 14) {
        enum netlink_result r = netlink_read(fd, &msg, &len);
        CHECK_INT(r, NETLINK_IGNORED);
        CHECK_INT(netlink_stats()->ignored, ignored + 1);
    }
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_EMPTY);
    CHECK(close(fd) == 0 && close(other) == 0);
}

static void empty_lost_and_dead_are_told_apart(void) {
    char *msg = NULL;
    size_t len = 0;
    int fd = netlink_open();
    uint64_t lost = netlink_stats()->lost;
    fail_call("recvmmsg", 1, EINTR);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_EMPTY);
    CHECK(all_failed());
    heal();
    fail_call("recvmmsg", 1, ENOBUFS);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_LOST);
    CHECK_INT(netlink_stats()->lost, lost + 1);
    heal();
    fail_call("recvmmsg", 1, EBADF);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_DEAD);
    CHECK_INT(netlink_stats()->lost, lost + 1);
    heal();
    CHECK(msg == NULL);
    CHECK(close(fd) == 0);
}

/* More messages than one call reads: in order, none lost, and messages in the buffer count as available. */
static void batches_join_without_a_seam(void) {
    enum { MESSAGES = 2 * VH_UEVENT_READ + 1 };
    char *msg = NULL, one[16];
    size_t len = 0;
    int room = 3 * MESSAGES, fd = netlink_open_fake(path), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
        sent = 0;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    for (int n = 0, read = 0; n < room && read < MESSAGES; n++) {
        while (sent < MESSAGES && sendto(other, one, (size_t)snprintf(one, sizeof one, "m%d", sent), MSG_DONTWAIT,
                                         (const struct sockaddr *)&a, sizeof a) > 0)
            sent++;
        enum netlink_result r = netlink_read(fd, &msg, &len);
        CHECK(r == NETLINK_EMPTY ? !netlink_pending() : r == NETLINK_GOT);
        if (r != NETLINK_GOT)
            continue;
        (void)snprintf(one, sizeof one, "m%d", read++);
        CHECK(len == strlen(one) && memcmp(msg, one, len) == 0);
    }
    CHECK_INT(sent, MESSAGES);
    CHECK(!netlink_pending() && netlink_read(fd, &msg, &len) == NETLINK_EMPTY);
    CHECK(close(fd) == 0 && close(other) == 0 && unlink(path) == 0);
}

/* Messages of a socket that failed are not returned for the next socket. */
static void a_new_socket_begins_with_nothing(void) {
    char *msg = NULL;
    size_t len = 0;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    int fd = netlink_open_fake(path), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(sendto(other, "m", 1, 0, (const struct sockaddr *)&a, sizeof a), 1);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_GOT);
    CHECK(netlink_pending() && close(fd) == 0);
    fd = netlink_open_fake(path);
    CHECK(!netlink_pending());
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_EMPTY);
    CHECK(close(fd) == 0 && close(other) == 0 && unlink(path) == 0);
}

static void the_stand_in_has_no_sender(void) {
    char *msg = NULL;
    size_t len = 0;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    int fd = netlink_open_fake(path), other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(sendto(other, "add@/x", 6, 0, (const struct sockaddr *)&a, sizeof a), 6);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_GOT);
    CHECK_INT(len, 6);
    CHECK_INT(netlink_read(fd, &msg, &len), NETLINK_EMPTY);
    CHECK(close(fd) == 0 && close(other) == 0 && unlink(path) == 0);
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/uevents", dir);
    RUN(a_socket_that_cannot_be_opened_leaves_nothing);
    RUN(a_small_buffer_will_do);
    RUN(only_the_kernel_is_believed);
    RUN(a_message_from_user_space_is_dropped);
    RUN(empty_lost_and_dead_are_told_apart);
    RUN(the_stand_in_has_no_sender);
    RUN(batches_join_without_a_seam);
    RUN(a_new_socket_begins_with_nothing);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
