/*
 * input_node.c - see input_node.h. Owns nothing; reads no event and grabs nothing.
 *
 * QEMU takes no descriptor of an input device, so its user has to be let in. A number is used again after an unplug. So
 * what is opened is compared with sysfs: it is the device of that number, and the number is of the same plug before and
 * afterwards.
 */
#include "bus/input_node.h"

#include "base/assert.h"
#include "base/str.h"
#include "codec/access_list.h"
#include "codec/vm_input_id.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_directory(uint16_t number) {
    char path[64];
    bool fits = str_fmt(path, sizeof path, "/sys/class/input/event%u", (unsigned)number);
    VH_ASSERT(fits);
    return sysfs_open(path, O_RDONLY | O_DIRECTORY);
}

static uint64_t inode_of(int fd) {
    struct sys_stat st;
    return fd >= 0 && sys_stat(fd, "", AT_EMPTY_PATH, &st) ? st.ino : 0;
}

uint64_t input_node_incarnation(uint16_t number) {
    int dir = open_directory(number);
    uint64_t inode = inode_of(dir);
    if (dir >= 0)
        (void)close(dir);
    return inode;
}

/* The numbers of its node, "13:68", are those of what is open? A test's replacement is a file. */
static bool is_its_node(uint16_t number, const struct sys_stat *st) {
    char said[32], opened[32];
    int dir = open_directory(number);
    ssize_t n = dir >= 0 ? sysfs_text(dir, "dev", said, sizeof said) : -1;
    if (dir >= 0)
        (void)close(dir);
    bool fits = str_fmt(opened, sizeof opened, "%u:%u", (unsigned)st->rdev_major, (unsigned)st->rdev_minor);
    VH_ASSERT(fits);
    return !sysfs_root_is_real() || (n > 0 && S_ISCHR(st->mode) && str_eq(said, opened));
}

static enum input_node_end fail(char why[VH_TEXT_MAX], const char *what, uint16_t number) {
    (void)str_fmt(why, VH_TEXT_MAX, "%s /dev/input/event%u: %s", what, (unsigned)number, strerror(errno)); /* short */
    return INPUT_NODE_FAILED;
}

/* Nothing is waited for: opening takes the device's lock, which the kernel holds while it removes the device. */
static enum input_node_end open_node(uint16_t number, uint64_t incarnation, int *fd, struct sys_stat *st,
                                     char why[VH_TEXT_MAX]) {
    char node[VH_NODE_MAX];
    input_node_print(node, number);
    *fd = -1;
    if (incarnation == 0 || input_node_incarnation(number) != incarnation)
        return INPUT_NODE_GONE;
    *fd = sysfs_open(node, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
    if (*fd < 0)
        return errno == ENOENT || errno == ENODEV ? INPUT_NODE_GONE : fail(why, "cannot open", number);
    if (!sys_stat(*fd, "", AT_EMPTY_PATH, st))
        return fail(why, "cannot look at", number);
    bool same = is_its_node(number, st) && input_node_incarnation(number) == incarnation;
    return same ? INPUT_NODE_DONE : INPUT_NODE_GONE;
}

static enum input_node_end change(int fd, const struct sys_stat *st, uint32_t uid, bool let, uint16_t number,
                                  char why[VH_TEXT_MAX]) {
    struct access_list l = {0};
    ssize_t n = sys_get_attribute(fd, ACCESS_LIST_NAME, l.bytes, sizeof l.bytes);
    if (n < 0 && errno != ENODATA)
        return fail(why, "cannot read the access list of", number);
    l.n = n > 0 ? (size_t)n : 0;
    if (st->uid == uid)
        return INPUT_NODE_SAME;
    switch (let ? access_list_let(&l, st->mode, uid) : access_list_bar(&l, uid)) {
    case ACCESS_SAME:
        return INPUT_NODE_SAME;
    case ACCESS_CHANGED:
        break;
    case ACCESS_ODD:
        errno = EINVAL;
        return fail(why, "cannot change the access list of", number);
    case ACCESS_FULL:
        errno = ENOSPC;
        return fail(why, "cannot change the access list of", number);
    }
    if (sys_set_attribute(fd, ACCESS_LIST_NAME, l.bytes, l.n) != 0)
        return fail(why, "cannot change the access list of", number);
    return INPUT_NODE_DONE;
}

static enum input_node_end work(uint16_t number, uint64_t incarnation, uint32_t uid, bool let, char why[VH_TEXT_MAX]) {
    struct sys_stat st;
    int fd;
    why[0] = '\0';
    enum input_node_end end = open_node(number, incarnation, &fd, &st, why);
    if (end == INPUT_NODE_DONE)
        end = change(fd, &st, uid, let, number, why);
    if (fd >= 0)
        (void)close(fd);
    return end;
}

enum input_node_end input_node_let(uint16_t number, uint64_t incarnation, uint32_t uid, char why[VH_TEXT_MAX]) {
    return work(number, incarnation, uid, true, why);
}

enum input_node_end input_node_bar(uint16_t number, uint64_t incarnation, uint32_t uid, char why[VH_TEXT_MAX]) {
    return work(number, incarnation, uid, false, why);
}
