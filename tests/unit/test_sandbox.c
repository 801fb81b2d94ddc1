/*
 * test_sandbox.c - sandbox.c from inside: each trial is a process that enters the sandbox and then does one thing.
 * Needs a kernel with seccomp; without landlock the tests of paths are skipped. Without root there are no capabilities
 * to drop, and permissions deny what landlock would.
 */
#include "daemon/sandbox_paths.h"
#include "os/sandbox.h"
#include "os/sandbox_filter.h"
#include "os/sock.h"
#include "os/sysfs.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd /* the headers of Debian 11 are older than the call; its number is the same everywhere */
#define SYS_pidfd_getfd 438
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif

enum { IN_SANDBOX_FAILED = 99 };

static char top[] = "/tmp/vh-sandbox-XXXXXX"; /* has root/ (as --root), state/, run/, etc/ */

static void at(char *dst, size_t cap, const char *name) {
    if (snprintf(dst, cap, "%s/%s", top, name) >= (int)cap)
        abort();
}

static void make(const char *name) { /* "a/b/" a directory, "a/b" a file with a byte; parents exist */
    char path[256];
    at(path, sizeof path, name);
    size_t n = strlen(path);
    if (path[n - 1] == '/') {
        CHECK(mkdir(path, 0755) == 0);
        return;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1);
    (void)close(fd);
}

static void make_tree(void) {
    static const char *const names[] = {
        "state/",
        "run/",
        "etc/",
        "etc/conf",
        "elsewhere/",
        "root/",
        "root/sys/",
        "root/proc/",
        "root/dev/",
        "root/proc/self/",
        "root/proc/self/x",
        "root/proc/net/",
        "root/proc/net/route",
        "root/proc/swaps",
        "root/proc/kcore",
        "root/dev/bus/",
        "root/dev/bus/usb/",
        "root/dev/bus/usb/001",
        "root/dev/sda",
        "root/sys/bus/",
        "root/sys/bus/usb/",
        "root/sys/bus/usb/drivers_probe",
        "root/sys/bus/usb/drivers/",
        "root/sys/bus/usb/drivers/usb/",
        "root/sys/bus/usb/drivers/usb/bind",
        "root/sys/bus/usb/drivers/usb/unbind",
        "root/sys/bus/usb/drivers/usb/uevent",
        "root/sys/bus/usb/drivers/x",
        "root/sys/bus/usb/devices/",
        "root/sys/bus/usb/devices/usb1/",
        "root/sys/bus/usb/devices/usb1/authorized",
        "root/sys/bus/usb/devices/x",
        "root/sys/devices/",
        "root/sys/devices/x",
        "root/sys/class/",
        "root/sys/class/x",
        "root/sys/dev/",
        "root/sys/dev/x",
        "root/sys/fs/",
        "root/sys/fs/x",
        "root/sys/fs/btrfs/",
        "root/sys/fs/btrfs/x",
        "root/sys/fs/bcachefs/",
        "root/sys/fs/ext4/",
        "root/sys/fs/ext4/x",
        "root/sys/fs/f2fs/",
        "root/sys/fs/xfs/",
        "root/sys/kernel/",
        "root/sys/kernel/x",
        "root/sys/module/",
        "root/sys/module/x",
        "root/sys/bus/usb/unbind",
        "root/sys/bus/pci/",
        "root/sys/bus/pci/drivers_probe",
        "root/sys/bus/pci/drivers/",
        "root/sys/bus/pci/drivers/nvme/",
        "root/sys/bus/pci/drivers/nvme/unbind",
        "root/sys/kernel/iommu_groups/",
        "root/sys/kernel/iommu_groups/x",
        "root/dev/vfio/",
        "root/dev/vfio/19",
        "root/dev/iommu",
    };
    CHECK(mkdtemp(top) != NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        make(names[i]);
    char root[256];
    at(root, sizeof root, "root");
    CHECK(sysfs_root(root));
}

static bool have_landlock(void) {
    return syscall(444, NULL, 0, 1) >= 1; /* landlock_create_ruleset, its version */
}

static bool configures; /* a device worker may, with quarantine */

/* Shuts this process in, as main.c, device_worker.c and opener.c do it. */
static void enter(enum sandbox_role role) {
    char state[256], etc[256], later[256];
    at(state, sizeof state, "state");
    at(etc, sizeof etc, "etc");
    at(later, sizeof later, "run/not/yet");
    const struct sandbox_path opener[] = {
        {etc, SANDBOX_READ},
        {later, SANDBOX_SOCKET | SANDBOX_ANCESTOR},
        {state, SANDBOX_MKDIR | SANDBOX_ANCESTOR},
    };
    const struct sandbox_path disk[] = {{state, SANDBOX_REPLACE | SANDBOX_ANCESTOR}};
    const struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    struct sandbox box = {.role = role, .keep_override = role == SANDBOX_CONNECTOR}; /* the daemon has no path */
    box.configures = configures;
    if (role == SANDBOX_DEVICE) {
        box.paths = sandbox_paths_device(false, &box.npaths); /* the real ones: all of them are below the root */
    } else if (role == SANDBOX_VFIO) {
        box.paths = sandbox_paths_vfio(&box.npaths);
    } else if (role == SANDBOX_DISK) {
        box.paths = disk;
        box.npaths = sizeof disk / sizeof *disk;
    } else if (role == SANDBOX_OPENER || role == SANDBOX_CONNECTOR) {
        box.paths = opener;
        box.npaths = role == SANDBOX_OPENER ? sizeof opener / sizeof *opener : 1;
    }
    if (!sandbox_enter(&box))
        _exit(IN_SANDBOX_FAILED);
}

/* The sanitizers do more at an _exit() than is allowed. */
static void leave(int status) {
    (void)syscall(SYS_exit_group, status);
}

/* Runs `trial` in a sandbox of its own: its exit status, or minus the signal that ended it. */
static int try_in(enum sandbox_role role, int (*trial)(void)) {
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        enter(role);
        leave(trial());
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return IN_SANDBOX_FAILED;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- paths ---- */

static const struct forbidden {
    const char *path; /* below `top` if it does not begin with '/' */
    int flags;
} forbidden[] = {
    {"/", O_RDONLY},
    {"/etc", O_RDONLY},
    {"/etc/passwd", O_RDONLY},
    {"/etc/group", O_RDONLY},
    {"/usr", O_RDONLY},
    {"/usr/bin", O_RDONLY},
    {"/bin/sh", O_RDONLY},
    {"/var", O_RDONLY},
    {"/var/lib", O_RDONLY},
    {"/tmp", O_RDONLY},
    {"/root", O_RDONLY},
    {"/home", O_RDONLY},
    {"/dev", O_RDONLY},
    {"/dev/null", O_RDWR},
    {"/dev/zero", O_RDONLY},
    {"/dev/urandom", O_RDONLY},
    {"/proc", O_RDONLY},
    {"/proc/version", O_RDONLY},
    {"/proc/meminfo", O_RDONLY},
    {"/proc/1/status", O_RDONLY},
    {"/proc/1/environ", O_RDONLY},
    {"/proc/self/mem", O_RDWR},
    {"/proc/self/status", O_RDONLY},
    {"/proc/self/oom_score_adj", O_WRONLY},
    {"/proc/sys/kernel/hostname", O_RDWR},
    {"/sys", O_RDONLY},
    {"/sys/kernel", O_RDONLY},
    {"/sys/module", O_RDONLY},
    {"/sys/devices", O_RDONLY},
    {"etc/conf", O_RDONLY},
    {"etc/conf", O_WRONLY},
    {"etc/new", O_WRONLY | O_CREAT},
    {"elsewhere", O_RDONLY},
    {"elsewhere/new", O_WRONLY | O_CREAT},
    {"run", O_RDONLY},
    {"run/file", O_WRONLY | O_CREAT},
    {"root", O_RDONLY},
    {"root/proc/kcore", O_RDONLY},
    {"root/proc/self/x", O_WRONLY},
    {"root/dev/sda", O_RDONLY},
    {"root/dev/sda", O_RDWR},
    {"root/sys/kernel/x", O_RDONLY},
    {"root/sys/module/x", O_RDONLY},
    {"root/sys/devices/x", O_WRONLY},
    {"root/sys/bus/usb/drivers_probe", O_WRONLY},
    {"root/sys/bus/usb/unbind", O_WRONLY},
    {"root/dev/bus/usb/new", O_WRONLY | O_CREAT},
};
enum { FORBIDDEN = sizeof forbidden / sizeof *forbidden };
_Static_assert(FORBIDDEN >= 30, "as many as were promised");

static int which;

static int open_one(const char *path, int flags) {
    char own[256];
    if (path[0] != '/')
        at(own, sizeof own, path);
    int fd = openat(AT_FDCWD, path[0] == '/' ? path : own, flags | O_CLOEXEC, 0600);
    return fd >= 0 ? 0 : errno;
}

static const struct forbidden *tried;

static int open_forbidden(void) {
    return open_one(tried->path, tried->flags);
}

/* all[which] */
static void must_deny(enum sandbox_role role, const struct forbidden *all) {
    tried = &all[which];
    int e = try_in(role, open_forbidden);
    if (e != EACCES)
        printf("# %s: %s\n", tried->path, e < 0 ? strsignal(-e) : strerror(e));
    CHECK_INT(e, EACCES);
}

/* The process that decides may not even try: it opens nothing. */
static void forbidden_paths_are_denied(void) {
    for (which = 0; which < FORBIDDEN; which++) {
        tried = &forbidden[which];
        CHECK_INT(try_in(SANDBOX_DAEMON, open_forbidden), -SIGSYS);
    }
}

static int open_allowed(void) {
    return open_one("root/sys/devices/x", O_RDONLY) | open_one("root/sys/devices", O_RDONLY | O_DIRECTORY) |
           open_one("root/proc/self/x", O_RDONLY) | open_one("root/dev/bus/usb/001", O_RDWR) |
           open_one("root/sys/bus/usb", O_RDONLY | O_DIRECTORY);
}

static int replace_a_file(void) {
    char old[256], fresh[256];
    at(old, sizeof old, "state/state.json");
    at(fresh, sizeof fresh, "state/state.json.new");
    for (int i = 0; i < 2; i++) {
        (void)syscall(SYS_unlinkat, AT_FDCWD, fresh, 0);
        int e = open_one("state/state.json.new", O_WRONLY | O_CREAT | O_EXCL);
        if (e != 0 || syscall(SYS_renameat2, AT_FDCWD, fresh, AT_FDCWD, old, 0) != 0)
            return 1;
    }
    return open_one("state", O_RDONLY | O_DIRECTORY);
}

static int move_a_file_out(void) {
    char from[256], to[256];
    at(from, sizeof from, "state/state.json");
    at(to, sizeof to, "elsewhere/state.json");
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0) == 0 ? 0 : errno;
}

static int listen_at(const char *name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    at(a.sun_path, sizeof a.sun_path, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 1) == 0 ? 0 : errno;
}

static int listen_in_directories_made_later(void) {
    char dir[256];
    at(dir, sizeof dir, "run/not");
    if (mkdirat(AT_FDCWD, dir, 0755) != 0)
        return 1;
    at(dir, sizeof dir, "run/not/yet");
    if (mkdirat(AT_FDCWD, dir, 0755) != 0)
        return 2;
    return listen_at("run/not/yet/api.sock");
}

static int listen_elsewhere(void) {
    return listen_at("elsewhere/api.sock");
}

static int remove_the_socket(void) {
    char path[256];
    at(path, sizeof path, "run/not/yet/api.sock");
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0) == 0 ? 0 : errno;
}

static int make_state_directories(void) {
    char dir[256];
    at(dir, sizeof dir, "state/made");
    if (mkdirat(AT_FDCWD, dir, 0755) != 0)
        return errno;
    at(dir, sizeof dir, "elsewhere/made");
    return mkdirat(AT_FDCWD, dir, 0755) == 0 ? 0 : errno;
}

static void what_running_needs_is_allowed(void) {
    CHECK_INT(try_in(SANDBOX_DAEMON, open_allowed), -SIGSYS);
    CHECK_INT(try_in(SANDBOX_DEVICE, open_allowed), 0);
    CHECK_INT(try_in(SANDBOX_DISK, replace_a_file), 0);
    CHECK_INT(try_in(SANDBOX_OPENER, listen_in_directories_made_later), 0);
    CHECK_INT(try_in(SANDBOX_DISK, remove_the_socket), EACCES);
    CHECK_INT(try_in(SANDBOX_OPENER, remove_the_socket), 0);
}

static void files_and_sockets_stay_in_their_directories(void) {
    int e = try_in(SANDBOX_DISK, move_a_file_out);
    CHECK(e == EACCES || e == EXDEV); /* EXDEV: what landlock calls a move that it denies */
    CHECK_INT(try_in(SANDBOX_OPENER, listen_elsewhere), EACCES);
    CHECK_INT(try_in(SANDBOX_OPENER, make_state_directories), EACCES);
}

static int read_and_not_write(void) {
    return open_one("etc/conf", O_RDONLY) | (open_one("etc/conf", O_WRONLY) != EACCES) |
           (open_one("etc/new", O_WRONLY | O_CREAT) != EACCES) | (open_one("state/new", O_WRONLY | O_CREAT) != EACCES) |
           (open_one("root/dev/sda", O_RDWR) != EACCES);
}

/* Of the configuration's directory it reads files; of all others nothing. */
static void the_opener_reads_the_configuration_and_writes_nothing(void) {
    CHECK_INT(try_in(SANDBOX_OPENER, read_and_not_write), 0);
    for (which = 0; which < FORBIDDEN; which++) {
        if (strcmp(forbidden[which].path, "etc/conf") != 0 || forbidden[which].flags != O_RDONLY)
            CHECK_INT(try_in(SANDBOX_OPENER, open_forbidden), EACCES);
    }
}

/* As connector_work.c does it: through the descriptor of a socket that may be anywhere. */
static int connect_anywhere(void) {
    char path[256];
    at(path, sizeof path, "elsewhere/monitor.sock");
    int fd = openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return sock_connect_unix(path) >= 0 ? open_one("etc/conf", O_RDONLY) : errno;
}

static int write_nothing(void) {
    bool opened = open_one("etc/conf", O_WRONLY) != EACCES;
    opened = open_one("etc/new", O_WRONLY | O_CREAT) != EACCES || opened; /* each is tried */
    opened = open_one("root/dev/sda", O_RDWR) != EACCES || opened;
    return opened;
}

static void the_connector_connects_and_writes_nothing(void) {
    char path[256];
    at(path, sizeof path, "elsewhere/monitor.sock");
    int listener = sock_listen_unix(path, 0600, -1, -1);
    CHECK(listener >= 0);
    CHECK_INT(try_in(SANDBOX_CONNECTOR, connect_anywhere), 0);
    CHECK_INT(try_in(SANDBOX_CONNECTOR, write_nothing), 0);
    CHECK(close(listener) == 0 && unlink(path) == 0);
}

static int probe_drivers(void) {
    return open_one("root/sys/bus/usb/drivers_probe", O_WRONLY) | open_one("root/dev/bus/usb/001", O_RDWR);
}

static int revoke_one(void) {
    return open_one("root/sys/bus/usb/drivers/usb/bind", O_WRONLY) |
           open_one("root/sys/bus/usb/drivers/usb/unbind", O_WRONLY) |
           open_one("root/sys/bus/usb/devices/usb1/authorized", O_WRONLY);
}

static int read_a_node_of_others(void) {
    return open_one("root/dev/sda", O_RDONLY);
}

static int read_what_devices_say(void) {
    return open_one("root/sys/devices/x", O_RDONLY) | open_one("root/sys/class/x", O_RDONLY) |
           open_one("root/sys/dev/x", O_RDONLY) | open_one("root/sys/fs/btrfs/x", O_RDONLY) |
           open_one("root/sys/fs/ext4/x", O_RDONLY) | open_one("root/sys/bus/usb", O_RDONLY | O_DIRECTORY) |
           open_one("root/proc/self/x", O_RDONLY) | open_one("root/proc/net/route", O_RDONLY) |
           open_one("root/proc/swaps", O_RDONLY) | open_one("root/dev/bus/usb", O_RDONLY | O_DIRECTORY);
}

static void a_device_worker_may_offer_interfaces_and_open_nodes(void) {
    CHECK_INT(try_in(SANDBOX_DEVICE, probe_drivers), 0);
    CHECK_INT(try_in(SANDBOX_DEVICE, read_what_devices_say), 0);
    CHECK_INT(try_in(SANDBOX_DEVICE, revoke_one), 0);
    CHECK_INT(try_in(SANDBOX_DEVICE, read_a_node_of_others), EACCES);
}

/* All that the daemon may not open either, but for drivers_probe, and some more. */
static const struct forbidden worker_forbidden[] = {
    {"state", O_RDONLY},
    {"state/state.json", O_RDONLY},
    {"state/state.json", O_WRONLY},
    {"state/new", O_WRONLY | O_CREAT},
    {"run/not/yet", O_RDONLY},
    {"root/sys", O_RDONLY},
    {"root/sys/fs", O_RDONLY},
    {"root/sys/fs/x", O_RDONLY},
    {"root/sys/fs/btrfs/x", O_WRONLY},
    {"root/sys/fs/ext4/x", O_WRONLY},
    {"root/sys/class/x", O_WRONLY},
    {"root/sys/dev/x", O_WRONLY},
    {"root/sys/devices/new", O_WRONLY | O_CREAT},
    {"root/sys/devices/x", O_WRONLY},
    {"root/sys/bus/usb/unbind", O_WRONLY},
    {"root/sys/bus/usb/devices/x", O_WRONLY},
    {"root/sys/bus/usb/devices/usb1/new", O_WRONLY | O_CREAT},
    {"root/sys/bus/usb/drivers/x", O_WRONLY},
    {"root/sys/bus/usb/drivers/usb/uevent", O_WRONLY},
    {"root/sys/bus/usb/drivers/usb/new", O_WRONLY | O_CREAT},
    {"root/proc", O_RDONLY},
    {"root/proc/swaps", O_WRONLY},
    {"root/proc/net/route", O_WRONLY},
    {"root/dev", O_RDONLY},
    {"root/dev/bus", O_RDONLY},
};

static bool is_to_offer_interfaces(const struct forbidden *f) {
    return strcmp(f->path, "root/sys/bus/usb/drivers_probe") == 0;
}

static void a_device_worker_is_denied_the_rest(void) {
    for (which = 0; which < FORBIDDEN; which++) {
        if (!is_to_offer_interfaces(&forbidden[which]))
            must_deny(SANDBOX_DEVICE, forbidden);
    }
    for (which = 0; which < (int)(sizeof worker_forbidden / sizeof *worker_forbidden); which++)
        must_deny(SANDBOX_DEVICE, worker_forbidden);
    CHECK(try_in(SANDBOX_DEVICE, replace_a_file) != 0);
}

/* ---- a VFIO worker ---- */

static int bind_one(void) {
    return open_one("root/sys/bus/pci/drivers_probe", O_WRONLY) |
           open_one("root/sys/bus/pci/drivers/nvme/unbind", O_WRONLY) | open_one("root/sys/devices/x", O_WRONLY) |
           open_one("root/dev/vfio/19", O_RDWR) | open_one("root/dev/iommu", O_RDWR) |
           open_one("root/sys/kernel/iommu_groups/x", O_RDONLY);
}

static int read_uses(void) {
    return open_one("root/sys/devices/x", O_RDONLY) | open_one("root/sys/class/x", O_RDONLY) |
           open_one("root/sys/dev/x", O_RDONLY) | open_one("root/sys/fs/btrfs/x", O_RDONLY) |
           open_one("root/proc/self/x", O_RDONLY) | open_one("root/proc/net/route", O_RDONLY) |
           open_one("root/proc/swaps", O_RDONLY) | open_one("root/sys/bus/pci/drivers", O_RDONLY | O_DIRECTORY);
}

static void a_vfio_worker_may_bind_devices_and_see_what_the_host_uses(void) {
    CHECK_INT(try_in(SANDBOX_VFIO, bind_one), 0);
    CHECK_INT(try_in(SANDBOX_VFIO, read_uses), 0);
}

static const struct forbidden vfio_forbidden[] = {
    {"state", O_RDONLY},
    {"state/state.json", O_WRONLY},
    {"state/new", O_WRONLY | O_CREAT},
    {"run/not/yet", O_RDONLY},
    {"root/sys", O_RDONLY},
    {"root/sys/class/x", O_WRONLY},
    {"root/sys/dev/x", O_WRONLY},
    {"root/sys/fs/btrfs/x", O_WRONLY},
    {"root/sys/kernel/iommu_groups/x", O_WRONLY},
    {"root/sys/devices/new", O_WRONLY | O_CREAT},
    {"root/sys/bus/pci/new", O_WRONLY | O_CREAT},
    {"root/sys/bus/usb/drivers/usb/unbind", O_WRONLY},
    {"root/dev", O_RDONLY},
    {"root/dev/vfio/new", O_WRONLY | O_CREAT},
    {"root/dev/bus/usb/001", O_RDONLY},
    {"root/proc", O_RDONLY},
    {"root/proc/swaps", O_WRONLY},
};

static void a_vfio_worker_is_denied_the_rest(void) {
    for (which = 0; which < FORBIDDEN; which++) {
        if (strcmp(forbidden[which].path, "root/sys/devices/x") != 0)
            must_deny(SANDBOX_VFIO, forbidden);
    }
    for (which = 0; which < (int)(sizeof vfio_forbidden / sizeof *vfio_forbidden); which++)
        must_deny(SANDBOX_VFIO, vfio_forbidden);
}

/* ---- system calls ---- */

#define CALL(nr)   \
    {              \
#nr, nr, { \
            0      \
        }          \
    }
#define CALL_WITH(nr, ...)          \
    {                               \
#nr " " #__VA_ARGS__, nr, { \
            __VA_ARGS__             \
        }                           \
    }

struct trial {
    const char *name;
    long nr, arg[5];
};

static const struct trial calls[] = {
    CALL(SYS_bind),
    CALL(SYS_listen),
    CALL(SYS_fchmod),
    CALL(SYS_mkdirat),
    CALL(SYS_setsockopt),
    CALL(SYS_brk),
    CALL(SYS_mmap),
    CALL(SYS_mremap),
    CALL(SYS_munmap),
    CALL(SYS_mprotect),
    CALL(SYS_madvise),
    CALL(SYS_memfd_create),
    CALL(SYS_execve),
    CALL(SYS_execveat),
    CALL(SYS_clone),
    CALL(SYS_clone3),
    CALL(SYS_unshare),
    CALL(SYS_setns),
    CALL(SYS_kill),
    CALL(SYS_tgkill),
    CALL(SYS_ptrace),
    CALL(SYS_process_vm_readv),
    CALL(SYS_prctl),
    CALL(SYS_seccomp),
    CALL(SYS_setuid),
    CALL(SYS_setresuid),
    CALL(SYS_capset),
    CALL(SYS_mount),
    CALL(SYS_umount2),
    CALL(SYS_pivot_root),
    CALL(SYS_chroot),
    CALL(SYS_chdir),
    CALL(SYS_mknodat),
    CALL(SYS_linkat),
    CALL(SYS_symlinkat),
    CALL(SYS_fchmodat),
    CALL(SYS_fchownat),
    CALL(SYS_truncate),
    CALL(SYS_ftruncate),
    CALL(SYS_setxattr),
    CALL(SYS_openat2),
    CALL(SYS_open_by_handle_at),
    CALL(SYS_ioctl),
    CALL(SYS_dup),
    CALL(SYS_dup3),
    CALL(SYS_pipe2),
    CALL(SYS_socketpair),
    CALL(SYS_sendto),
    CALL(SYS_recvfrom),
    CALL(SYS_shutdown),
    CALL(SYS_getpeername),
    CALL(SYS_bpf),
    CALL(SYS_perf_event_open),
    CALL(SYS_userfaultfd),
    CALL(SYS_io_uring_setup),
    CALL(SYS_keyctl),
    CALL(SYS_init_module),
    CALL(SYS_finit_module),
    CALL(SYS_reboot),
    CALL(SYS_pidfd_getfd),
    CALL(SYS_pidfd_send_signal),
    CALL(SYS_sched_setaffinity),
    CALL(SYS_nanosleep),
    CALL(SYS_sethostname),
    CALL(SYS_settimeofday),
    CALL(SYS_rt_sigaction),
    CALL(SYS_inotify_init1),
    CALL(SYS_umask),
    /* Allowed calls with other arguments than ours. */
    CALL_WITH(SYS_socket, AF_PACKET, SOCK_RAW, 0),
    CALL_WITH(SYS_socket, AF_INET, SOCK_DGRAM, 0),
    CALL_WITH(SYS_socket, AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 1),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_STREAM, 0),
    CALL_WITH(SYS_fcntl, 0, F_SETFL, 0),
    CALL_WITH(SYS_fcntl, 0, F_SETOWN, 0),
    CALL_WITH(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 15),
    CALL_WITH(SYS_getsockopt, 0, SOL_SOCKET, SO_BROADCAST),
    CALL_WITH(SYS_unlinkat, AT_FDCWD, 0, AT_REMOVEDIR),
    CALL_WITH(SYS_renameat2, AT_FDCWD, 0, AT_FDCWD, 0, 2),
    CALL(SYS_pidfd_open),
    CALL(SYS_connect),
    CALL(SYS_inotify_add_watch),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_madvise, 0, 0, MADV_WILLNEED),
};

/* Of the opener, whose own calls most of those above are not either. */
static const struct trial opener_calls[] = {
    CALL(SYS_ppoll),
    CALL(SYS_recvmsg),
    CALL(SYS_accept4),
    CALL(SYS_renameat2),
    CALL(SYS_getdents64),
    CALL(SYS_ioctl),
    CALL(SYS_mmap),
    CALL(SYS_execve),
    CALL(SYS_kill),
    CALL_WITH(SYS_socket, AF_PACKET, SOCK_RAW, 0),
    CALL_WITH(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_setsockopt, 0, SOL_SOCKET, SO_ATTACH_FILTER),
    CALL_WITH(SYS_setsockopt, 0, SOL_SOCKET, SO_PASSCRED),
    CALL_WITH(SYS_unlinkat, AT_FDCWD, 0, AT_REMOVEDIR),
};

/* Of the logger, beside all of the first list: what the daemon may, for instance. */
static const struct trial logger_calls[] = {
    CALL(SYS_openat),  CALL(SYS_close),   CALL(SYS_socket),
    CALL(SYS_connect), CALL(SYS_sendmsg), CALL(SYS_unlinkat),
    CALL(SYS_recvmsg), CALL(SYS_accept4), CALL_WITH(SYS_fcntl, 0, F_DUPFD_CLOEXEC, 0),
};

/* Of a connector. */
static const struct trial connector_calls[] = {
    CALL(SYS_write),
    CALL(SYS_ppoll),
    CALL(SYS_bind),
    CALL(SYS_listen),
    CALL(SYS_accept4),
    CALL(SYS_setsockopt),
    CALL(SYS_unlinkat),
    CALL(SYS_mkdirat),
    CALL(SYS_renameat2),
    CALL(SYS_getdents64),
    CALL(SYS_ioctl),
    CALL(SYS_mmap),
    CALL(SYS_execve),
    CALL(SYS_kill),
    CALL(SYS_pidfd_send_signal),
    CALL_WITH(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_STREAM, 0),
    CALL_WITH(SYS_getsockopt, 0, SOL_SOCKET, SO_PEERNAME),
    CALL_WITH(SYS_pidfd_open, 1, 0x800),
    CALL_WITH(SYS_madvise, 0, 0, MADV_WILLNEED),
};

/* Of the disk worker, beside all of the first list: it reads nothing and talks to nobody. */
static const struct trial disk_calls[] = {
    CALL(SYS_read),    CALL(SYS_socket),  CALL(SYS_connect),
    CALL(SYS_recvmsg), CALL(SYS_accept4), CALL_WITH(SYS_fcntl, 0, F_DUPFD_CLOEXEC, 0),
    CALL(SYS_execve),  CALL(SYS_ioctl),   CALL(SYS_getdents64),
    CALL(SYS_mmap),    CALL(SYS_kill),    CALL_WITH(SYS_renameat2, AT_FDCWD, 0, AT_FDCWD, 0, 1),
};

/* Of a device worker. What its libusb never needs: sockets, names, other processes. */
static const struct trial device_calls[] = {
    CALL(SYS_connect),
    CALL(SYS_accept4),
    CALL(SYS_bind),
    CALL(SYS_listen),
    CALL(SYS_setsockopt),
    CALL(SYS_getsockopt),
    CALL(SYS_fsync),
    CALL(SYS_fchmod),
    CALL(SYS_renameat2),
    CALL(SYS_unlinkat),
    CALL(SYS_mkdirat),
    CALL(SYS_inotify_add_watch),
    CALL(SYS_pidfd_open),
    CALL(SYS_mmap),
    CALL(SYS_mprotect),
    CALL(SYS_execve),
    CALL(SYS_clone),
    CALL(SYS_kill),
    CALL(SYS_ptrace),
    CALL(SYS_prctl),
    CALL(SYS_capset),
    CALL(SYS_mount),
    CALL(SYS_mknodat),
    CALL(SYS_init_module),
    CALL(SYS_sendto),
    CALL(SYS_io_uring_setup),
    CALL_WITH(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    CALL_WITH(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 15),
    CALL_WITH(SYS_madvise, 0, 0, MADV_WILLNEED),
    CALL_WITH(SYS_fcntl, 0, F_SETFL, 0),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_SUBMITURB),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_BULK),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CLAIMINTERFACE),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_DISCONNECT),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CLEAR_HALT),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_SETINTERFACE),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_SETCONFIGURATION), /* but for quarantine */
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CLAIM_PORT),
};

/* Of a port worker: it opens, reads, writes and logs nothing, and does nothing with a device. */
static const struct trial port_calls[] = {
    CALL(SYS_openat),
    CALL(SYS_read),
    CALL(SYS_write),
    CALL(SYS_statx),
    CALL(SYS_getdents64),
    CALL(SYS_socket),
    CALL(SYS_connect),
    CALL(SYS_accept4),
    CALL(SYS_unlinkat),
    CALL(SYS_ppoll),
    CALL(SYS_mmap),
    CALL(SYS_execve),
    CALL(SYS_kill),
    CALL_WITH(SYS_fcntl, 0, F_SETFL, 0),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_SUBMITURB),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CONTROL),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_RESET),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CLAIMINTERFACE),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_SETCONFIGURATION),
    CALL_WITH(SYS_ioctl, 0, (long)USBDEVFS_CONNECT),
};

/* Of a VFIO worker: it makes no ioctl, so it does nothing with what it has opened. */
static const struct trial vfio_calls[] = {
    CALL(SYS_ioctl),        CALL(SYS_mmap),
    CALL(SYS_fchown),       CALL(SYS_fchownat),
    CALL(SYS_fchmod),       CALL(SYS_setxattr),
    CALL(SYS_fremovexattr), CALL(SYS_unlinkat),
    CALL(SYS_mkdirat),      CALL(SYS_renameat2),
    CALL(SYS_mknodat),      CALL(SYS_ppoll),
    CALL(SYS_socket),       CALL(SYS_connect),
    CALL(SYS_accept4),      CALL(SYS_sendto),
    CALL(SYS_dup3),         CALL(SYS_pidfd_open),
    CALL(SYS_execve),       CALL(SYS_clone),
    CALL(SYS_kill),         CALL(SYS_ptrace),
    CALL(SYS_prlimit64),    CALL(SYS_init_module),
    CALL(SYS_finit_module), CALL_WITH(SYS_madvise, 0, 0, MADV_WILLNEED),
};

static const struct trial *trial;

static int call_one(void) {
    const long *a = trial->arg;
    (void)syscall(trial->nr, a[0], a[1], a[2], a[3], a[4]);
    return 0;
}

static void must_kill(enum sandbox_role role, const struct trial *all, size_t n) {
    for (trial = all; trial < all + n; trial++) {
        int e = try_in(role, call_one);
        if (e != -SIGSYS)
            printf("# %s: ended with %d\n", trial->name, e);
        CHECK_INT(e, -SIGSYS);
    }
}

static void other_system_calls_kill(void) {
    must_kill(SANDBOX_DAEMON, calls, sizeof calls / sizeof *calls);
    must_kill(SANDBOX_OPENER, opener_calls, sizeof opener_calls / sizeof *opener_calls);
    must_kill(SANDBOX_DISK, disk_calls, sizeof disk_calls / sizeof *disk_calls);
    must_kill(SANDBOX_LOGGER, calls, sizeof calls / sizeof *calls);
    must_kill(SANDBOX_LOGGER, logger_calls, sizeof logger_calls / sizeof *logger_calls);
    must_kill(SANDBOX_CONNECTOR, connector_calls, sizeof connector_calls / sizeof *connector_calls);
    must_kill(SANDBOX_DEVICE, device_calls, sizeof device_calls / sizeof *device_calls);
    must_kill(SANDBOX_PORT, port_calls, sizeof port_calls / sizeof *port_calls);
    must_kill(SANDBOX_VFIO, vfio_calls, sizeof vfio_calls / sizeof *vfio_calls);
}

/* 0: it was let through, to a descriptor that is no node. */
static int ioctl_fails(unsigned long what, void *argument) {
    return syscall(SYS_ioctl, 0, what, argument) < 0 && errno != ENOSYS ? 0 : EPERM;
}

static int ask_nodes(void) {
    unsigned n = 1;
    return ioctl_fails(USBDEVFS_SETCONFIGURATION, &n);
}

static int ask_ports(void) {
    unsigned n = 1;
    return ioctl_fails(USBDEVFS_CLAIM_PORT, &n) | ioctl_fails(USBDEVFS_RELEASE_PORT, &n);
}

static void quarantine_allows_what_it_needs(void) {
    configures = true;
    CHECK_INT(try_in(SANDBOX_DEVICE, ask_nodes), 0);
    configures = false;
    CHECK_INT(try_in(SANDBOX_PORT, ask_ports), 0);
}

/* Where each call has one number; 32-bit machines have a second one for some. */
static void the_lists_are_short(void) {
    enum { WIDE = sizeof(long) == 8 };
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_DAEMON) <= 16);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_DEVICE) <= 23);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_OPENER) <= 19);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_DISK) <= 11);
    CHECK(sandbox_filter_calls(SANDBOX_LOGGER) <= 6);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_CONNECTOR) <= 14);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_PORT) <= 6);
    CHECK(!WIDE || sandbox_filter_calls(SANDBOX_VFIO) <= 13);
}

#ifdef __x86_64__
static int call_by_32_bits(void) {
    long result = 20; /* getpid, of the i386 table */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory");
    return 0;
}

static void another_architectures_calls_kill(void) {
    int e = try_in(SANDBOX_DAEMON, call_by_32_bits);
    CHECK(e == -SIGSYS || e == -SIGSEGV); /* SIGSEGV: a kernel without 32-bit calls */
}
#endif

static int ioctl_reset(void) {
    return ioctl(0, USBDEVFS_RESET, 0) == 0 ? 0 : errno;
}

static int ioctl_other(void) {
    return (int)syscall(SYS_ioctl, 0, (unsigned long)USBDEVFS_SUBMITURB, 0); /* musl's ioctl() takes an int */
}

static int a_socket(void) {
    return (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static void the_helpers_may_less(void) {
    CHECK_INT(try_in(SANDBOX_DEVICE, ioctl_reset) > 0, 1); /* some error of a descriptor that is no node, but no end */
    CHECK_INT(try_in(SANDBOX_DEVICE, ioctl_other), -SIGSYS);
    CHECK_INT(try_in(SANDBOX_DEVICE, a_socket), -SIGSYS);
}

/* ---- what the kernel says of a process inside ---- */

static char *status_of(pid_t pid, char *dst, size_t cap) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, dst, cap - 1) : -1;
    (void)close(fd);
    dst[n > 0 ? n : 0] = '\0';
    return dst;
}

static bool says(const char *status, const char *key, const char *value) {
    const char *line = strstr(status, key);
    size_t n = strlen(value);
    if (line == NULL)
        return false;
    line += strlen(key);
    line += strspn(line, ": \t");
    return strncmp(line, value, n) == 0 && line[n] == '\n';
}

static void capabilities_are(enum sandbox_role role, const char *left) {
    int ready[2], end[2];
    char status[4096], byte;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ready) == 0 && pipe(end) == 0);
    bool root = geteuid() == 0;
    pid_t pid = fork();
    if (pid == 0) {
        enter(role);
        leave(sock_send(ready[1], "", 1, -1) == 1 && read(end[0], &byte, 1) == 1 ? 0 : 1);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    (void)status_of(pid, status, sizeof status);
    CHECK(says(status, "CapEff", left));
    CHECK(says(status, "CapPrm", left));
    CHECK(says(status, "CapInh", "0000000000000000"));
    CHECK(!root || says(status, "CapBnd", left));
    CHECK(says(status, "CapAmb", "0000000000000000"));
    CHECK(says(status, "NoNewPrivs", "1"));
    CHECK(says(status, "Seccomp", "2"));
    CHECK(write(end[1], "", 1) == 1);
    int code = 0;
    CHECK(waitpid(pid, &code, 0) == pid && code == 0);
    for (int i = 0; i < 2; i++)
        (void)close(ready[i]), (void)close(end[i]);
}

static void one_process_keeps_one_capability_and_no_new_ones_come(void) {
    capabilities_are(SANDBOX_DAEMON, "0000000000000000");
    capabilities_are(SANDBOX_CONNECTOR,
                     geteuid() == 0 ? "0000000000000002" : "0000000000000000"); /* CAP_DAC_OVERRIDE */
}

static void skip(const char *name) {
    printf("ok %d - %s # SKIP no landlock in this kernel\n", ++test_count, name);
}

#define RUN_PATHS(fn)  \
    do {               \
        if (landlock)  \
            RUN(fn);   \
        else           \
            skip(#fn); \
    } while (0)

int main(void) {
    bool landlock = have_landlock();
    test_ok = true;
    make_tree();
    if (!test_ok)
        return 1;
    RUN_PATHS(forbidden_paths_are_denied);
    RUN(what_running_needs_is_allowed);
    RUN_PATHS(a_device_worker_may_offer_interfaces_and_open_nodes);
    RUN_PATHS(a_device_worker_is_denied_the_rest);
    RUN_PATHS(a_vfio_worker_may_bind_devices_and_see_what_the_host_uses);
    RUN_PATHS(a_vfio_worker_is_denied_the_rest);
    RUN_PATHS(files_and_sockets_stay_in_their_directories);
    RUN_PATHS(the_opener_reads_the_configuration_and_writes_nothing);
    RUN_PATHS(the_connector_connects_and_writes_nothing);
    RUN(the_lists_are_short);
    RUN(other_system_calls_kill);
    RUN(quarantine_allows_what_it_needs);
#ifdef __x86_64__
    RUN(another_architectures_calls_kill);
#endif
    RUN(the_helpers_may_less);
    RUN(one_process_keeps_one_capability_and_no_new_ones_come);
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    CHECK(system(command) == 0);
    TEST_MAIN_END;
}
