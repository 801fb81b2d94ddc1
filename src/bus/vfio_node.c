/*
 * vfio_node.c - opens nodes of VFIO and says who else may. Owns nothing; binds nothing.
 *
 * The owner of a group's node stays root: this process has no capability, so it could not open a node of another owner
 * to see whether a VM has it. An access list lets one more user in. The kernel makes a node anew when the first member
 * of the group is bound, and nobody but root may open it then.
 */
#include "bus/vfio_node.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/pci_sysfs.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As with /dev/bus/usb: a landlock rule is about an inode, and an entry keeps the kernel from removing the directory.
 */
void vfio_node_start(void) {
    static const char dirs[][20] = {"/dev/vfio", "/dev/vfio/.vhotplug"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs && sysfs_root_is_real(); i++) {
        if (mkdir(dirs[i], i < 1 ? 0755 : 0) != 0 && errno != EEXIST)
            log_warn("cannot make %s (%s): PCI devices may be out of reach after vfio is loaded again", dirs[i],
                     strerror(errno));
    }
}

static int open_node(const char *path) {
    struct sys_stat st;
    int fd = sysfs_open(path, O_RDWR | O_NOFOLLOW);
    if (fd < 0 || !sysfs_root_is_real()) /* a test's replacement is a file */
        return fd;
    if (sys_stat(fd, "", AT_EMPTY_PATH, &st) && S_ISCHR(st.mode))
        return fd;
    (void)close(fd);
    errno = ENODEV;
    return -1;
}

int vfio_node_group(uint32_t group) {
    char path[VH_NODE_MAX];
    bool ok = str_fmt(path, sizeof path, "/dev/vfio/%u", (unsigned)group);
    VH_ASSERT(ok);
    return open_node(path);
}

/* ---- the access list ---- */

/* linux/posix_acl_xattr.h, whose names differ between releases of the headers; the numbers are the kernel's. */
#define ACL_ACCESS "system.posix_acl_access"
enum { ACL_VERSION = 2, ACL_OWNER = 1, ACL_USER = 2, ACL_GROUP = 4, ACL_MASK = 16, ACL_OTHERS = 32, ACL_RW = 6 };
struct acl_entry {
    uint16_t tag, rights;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct acl_entry entry[5];
};
_Static_assert(sizeof(struct acl) == 44, "as the kernel reads it");

static struct acl_entry entry(int tag, int rights, uint32_t id) {
    return (struct acl_entry){htole16((uint16_t)tag), htole16((uint16_t)rights), htole32(id)};
}

bool vfio_node_allow(int fd, uint32_t uid) {
    bool user = uid != 0;
    size_t n = 0;
    struct acl a = {.version = htole32(ACL_VERSION)};
    a.entry[n++] = entry(ACL_OWNER, ACL_RW, UINT32_MAX);
    if (user)
        a.entry[n++] = entry(ACL_USER, ACL_RW, uid);
    a.entry[n++] = entry(ACL_GROUP, 0, UINT32_MAX);
    if (user)
        a.entry[n++] = entry(ACL_MASK, ACL_RW, UINT32_MAX);
    a.entry[n++] = entry(ACL_OTHERS, 0, UINT32_MAX);
    if (sys_set_attribute(fd, ACL_ACCESS, &a, offsetof(struct acl, entry) + n * sizeof a.entry[0]) == 0)
        return true;
    return !user && errno == EOPNOTSUPP; /* without lists nobody was let in */
}

/* ---- devices ---- */

/* The node's name, "vfio0". */
static bool name_of(const char *address, char name[VH_SYSNAME_MAX]) {
    static struct sysfs_dir d;
    char path[VH_PATH_MAX];
    const char *found;
    name[0] = '\0';
    if (!str_fmt(path, sizeof path, PCI_DEVICES "/%s/vfio-dev", address) || !sysfs_dir_open(&d, path))
        return false;
    while (name[0] == '\0' && (found = sysfs_dir_next(&d)) != NULL) {
        size_t digits = str_starts(found, "vfio") ? strspn(found + 4, "0123456789") : 0;
        if (digits == 0 || found[4 + digits] != '\0' || !str_copy(name, VH_SYSNAME_MAX, found))
            name[0] = '\0';
    }
    sysfs_dir_close(&d);
    return name[0] != '\0';
}

bool vfio_node_device(const char *address, int fds[WORKER_FDS]) {
    char name[VH_SYSNAME_MAX], path[VH_PATH_MAX];
    _Static_assert(WORKER_FDS == 2, "the device's and the IOMMU's");
    if (!name_of(address, name) || !str_fmt(path, sizeof path, "/dev/vfio/devices/%s", name))
        return false;
    fds[0] = open_node(path);
    fds[1] = fds[0] >= 0 ? open_node("/dev/iommu") : -1;
    if (fds[1] >= 0)
        return true;
    if (fds[0] >= 0)
        (void)close(fds[0]);
    fds[0] = -1;
    return false;
}
