/*
 * sandbox.c - capabilities, no_new_privs, landlock, seccomp, in this order: each step needs a right that the next step
 * removes. Owns the constants of landlock, because the headers of many systems are too old for them.
 *
 * Landlock checks the path that open() resolved: a rule on the directory of a link does not cover the target of the
 * link. Landlock checks neither stat() nor connect() to a unix socket nor inotify watches, so the sockets of the VMs
 * need no rule and may appear anywhere later. A rule applies to an inode: a file that is removed and made again is
 * another inode.
 */
#include "os/sandbox.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/sandbox_filter.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h; the numbers are the same on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#define RULESET_VERSION 1u /* LANDLOCK_CREATE_RULESET_VERSION */
#define RULE_PATH_BENEATH 1

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_ABI_1 = (1 << 13) - 1,
    FS_REFER = 1 << 13,     /* ABI 2: Linux 5.19 */
    FS_TRUNCATE = 1 << 14,  /* ABI 3: 6.2 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5: 6.10 */
    /* The rights that a rule on a file can grant; the others are for directories. */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV,
    NET_CONNECT_TCP = 1 << 1,     /* ABI 4: 6.7 */
    SCOPES = (1 << 0) | (1 << 1), /* ABI 6: 6.12: abstract unix sockets and signals of others */
};

struct ruleset {
    uint64_t fs, net, scoped;
};
struct path_beneath {
    uint64_t access;
    int32_t fd;
} __attribute__((packed));

static bool disabled;

void sandbox_disable(void) {
    disabled = true;
}

bool sandbox_enabled(void) {
    return !disabled;
}

/* ---- capabilities ---- */

static bool drop_capabilities(bool keep_override) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[2] = {{0}}, kept[2] = {{0}};
    for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        if (!keep_override || cap != CAP_DAC_OVERRIDE)
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0,
                        0); /* without CAP_SETPCAP this fails, but nothing can be regained */
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capget, &header, now) != 0)
        return false;
    if (keep_override)
        kept[0].effective = kept[0].permitted = now[0].permitted & 1u << CAP_DAC_OVERRIDE;
    return syscall(SYS_capset, &header, kept) == 0;
}

/* ---- landlock ---- */

static uint64_t handled(long abi) {
    uint64_t fs = FS_ABI_1;
    if (abi >= 2)
        fs |= FS_REFER;
    if (abi >= 3)
        fs |= FS_TRUNCATE;
    if (abi >= 5)
        fs |= FS_IOCTL_DEV;
    return fs;
}

static uint64_t rights(unsigned what) {
    uint64_t fs = 0;
    if ((what & SANDBOX_READ) != 0)
        fs |= FS_READ_FILE | FS_READ_DIR;
    if ((what & SANDBOX_WRITE) != 0)
        fs |= FS_WRITE_FILE;
    if ((what & SANDBOX_IOCTL) != 0)
        fs |= FS_IOCTL_DEV;
    if ((what & SANDBOX_REPLACE) != 0)
        fs |= FS_READ_DIR | FS_WRITE_FILE | FS_MAKE_REG | FS_REMOVE_FILE;
    if ((what & SANDBOX_SOCKET) != 0)
        fs |= FS_MAKE_DIR | FS_MAKE_SOCK | FS_REMOVE_FILE;
    if ((what & SANDBOX_REMOVE) != 0)
        fs |= FS_REMOVE_FILE;
    if ((what & SANDBOX_MKDIR) != 0)
        fs |= FS_MAKE_DIR;
    return fs;
}

static int open_path(const char *path, unsigned what) {
    unsigned directories = SANDBOX_REPLACE | SANDBOX_SOCKET | SANDBOX_REMOVE | SANDBOX_MKDIR;
    int flags = O_PATH | ((what & directories) != 0 ? O_DIRECTORY : 0);
    return (what & SANDBOX_ROOTED) != 0 ? sysfs_open(path, flags) : open(path, flags | O_CLOEXEC);
}

static int open_nearest(const struct sandbox_path *p) {
    char path[VH_REALPATH_MAX];
    bool ok = str_copy(path, sizeof path, p->path);
    VH_ASSERT(ok);
    int fd = open_path(path, p->what);
    while (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && (p->what & SANDBOX_ANCESTOR) != 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) { /* no rule on "/" itself */
            errno = ENOENT;
            break;
        }
        *slash = '\0';
        fd = open_path(path, p->what);
    }
    return fd;
}

static bool add_rule(int ruleset, const struct sandbox_path *p, uint64_t all) {
    struct stat st;
    if (p->path[0] == '\0')
        return true;
    int fd = open_nearest(p);
    if (fd < 0) {
        log_warn("sandbox: %s is missing (%s): it stays out of reach until the daemon is started again", p->path,
                 strerror(errno));
        return true;
    }
    uint64_t fs = rights(p->what) & all;
    if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
        fs &= FS_OF_FILES;
    struct path_beneath rule = {.access = fs, .fd = fd};
    bool ok = fs == 0 || syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) == 0;
    if (!ok)
        log_error("sandbox: landlock does not take %s: %s", p->path, strerror(errno));
    if (!ok || (p->what & SANDBOX_PINNED) == 0)
        (void)close(fd);
    return ok;
}

/* The version of landlock in force, 0 for none, -1 after logging what failed. */
static long restrict_paths(const struct sandbox *s) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, RULESET_VERSION);
    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
        log_warn("sandbox: this kernel has no landlock (%s): paths are restricted by file permissions alone",
                 errno == ENOSYS ? "not built in" : "not in its lsm= list");
        return 0;
    }
    if (abi < 1) {
        log_error("sandbox: landlock: %s", strerror(errno));
        return -1;
    }
    struct ruleset set = {.fs = handled(abi)};
    size_t size = sizeof set.fs;
    if (abi >= 4) {
        set.net = NET_CONNECT_TCP; /* no rule: all connections over TCP are refused */
        size = sizeof set.fs + sizeof set.net;
    }
    if (abi >= 6) {
        set.scoped = SCOPES;
        size = sizeof set;
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    bool ok = ruleset >= 0;
    for (int i = 0; ok && i < s->npaths; i++)
        ok = add_rule(ruleset, &s->paths[i], set.fs);
    if (ok && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        ok = false;
    if (!ok)
        log_error("sandbox: landlock: %s", strerror(errno));
    if (ruleset >= 0)
        (void)close(ruleset);
    return ok ? abi : -1;
}

/* ---- all of it ---- */

bool sandbox_enter(const struct sandbox *s) {
    static const char *const names[] = {"daemon",    "device worker", "opener",      "logger",
                                        "connector", "disk worker",   "port worker", "vfio worker"};
    if (disabled)
        return true;
    if (!drop_capabilities(s->keep_override)) {
        log_error("sandbox: capabilities cannot be dropped: %s", strerror(errno));
        return false;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_error("sandbox: no_new_privs: %s", strerror(errno));
        return false;
    }
    long abi = restrict_paths(s);
    if (abi < 0)
        return false;
    log_debug("sandbox: process=\"%s\" capabilities=%s landlock=%ld calls=%d", names[s->role],
              s->keep_override ? "cap_dac_override" : "none", abi, sandbox_filter_calls(s->role));
    if (sandbox_filter(s)) /* after this, not every process can write log lines */
        return true;
    if (errno == ENOSYS) {
        log_warn("sandbox: no seccomp filter on this kernel or architecture: system calls are not restricted");
        return true;
    }
    log_error("sandbox: seccomp: %s", strerror(errno));
    return false;
}
