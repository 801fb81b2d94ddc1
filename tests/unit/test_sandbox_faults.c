/*
 * test_sandbox_faults.c - sandbox.c on kernels with fewer features, and with calls that fail: a missing feature is
 * logged and left out, a failure ends the start. No filter is really installed: the test plays the kernel's part.
 */
#include "base/log.h"
#include "fault.h"
#include "os/sandbox.h"
#include "os/sysfs.h"
#include "test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>

enum {
    CREATE = 444,
    ADD = 445,
    RESTRICT = 446,
    VERSION = 1,
    NETWORK_FROM = 4,
    SCOPES_FROM = 6,
    RULES = 16,
    CAPABILITIES = 41,
};

static char top[] = "/tmp/vh-sandbox-XXXXXX";
static int ruleset_fd = -1;

/* ---- the kernel's part ---- */

static struct {
    long version; /* of landlock */
    uint64_t ruleset[3];
    size_t size;
    struct {
        uint64_t access;
        ino_t ino;
    } rule[RULES];
    int rules, restricted, filters, dropped;
    unsigned filter_length;
    bool no_new_privs;
} kernel;

static bool play_prctl(int what, const long *a, long *result) {
    *result = 0;
    switch (what) {
    case PR_CAPBSET_READ:
        *result = a[0] < CAPABILITIES ? 1 : -1;
        break;
    case PR_CAPBSET_DROP:
        kernel.dropped++;
        break;
    case PR_SET_NO_NEW_PRIVS:
        kernel.no_new_privs = true;
        break;
    case PR_SET_SECCOMP:
        kernel.filters++;
        kernel.filter_length = ((const struct sock_fprog *)a[1])->len;
        break;
    default:
        break;
    }
    return true;
}

static void take_rule(const unsigned char *rule) {
    int32_t fd;
    struct stat st;
    memcpy(&kernel.rule[kernel.rules].access, rule, sizeof(uint64_t));
    memcpy(&fd, rule + sizeof(uint64_t), sizeof fd);
    CHECK(kernel.rules < RULES && __real_fstat(fd, &st) == 0);
    kernel.rule[kernel.rules++].ino = st.st_ino;
}

static bool play_syscall(long nr, const long *a, long *result) {
    *result = 0;
    switch (nr) {
    case CREATE:
        if (a[0] != 0) {
            kernel.size = (size_t)a[1];
            CHECK(kernel.size <= sizeof kernel.ruleset);
            memcpy(kernel.ruleset, (const void *)a[0], kernel.size);
        }
        *result = a[2] == VERSION ? kernel.version : (ruleset_fd = dup(0));
        return true;
    case ADD:
        take_rule((const unsigned char *)a[2]);
        return true;
    case RESTRICT:
        kernel.restricted++;
        return true;
    case SYS_capget:
    case SYS_capset:
        return true;
    default:
        return false;
    }
}

static void begin(long version) {
    memset(&kernel, 0, sizeof kernel);
    kernel.version = version;
    heal();
}

static struct sandbox_path paths[8];

static bool enter(int npaths) {
    const struct sandbox box = {.role = SANDBOX_DAEMON, .paths = paths, .npaths = npaths, .keep_override = true};
    int files = open_files();
    bool ok = sandbox_enter(&box);
    CHECK(all_failed());
    CHECK_INT(open_files(), files);
    return ok;
}

static void does_not_enter(const char *what, int error) {
    CHECK(!enter(1));
    CHECK(was_said(what) && was_said(strerror(error)));
    CHECK_INT(kernel.filters, 0);
}

static ino_t inode(const char *name) {
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    CHECK(lstat(path, &st) == 0);
    return st.st_ino;
}

/* ---- */

static void whatever_fails_keeps_it_from_going_on(void) {
    paths[0] = (struct sandbox_path){top, SANDBOX_READ};
    begin(6);
    fail_nr(SYS_capget, 1, EPERM);
    does_not_enter("capabilities cannot be dropped", EPERM);
    begin(6);
    fail_nr(SYS_capset, 1, EPERM);
    does_not_enter("capabilities cannot be dropped", EPERM);
    begin(6);
    fail_nr(CREATE, 1, EPERM);
    does_not_enter("landlock", EPERM);
    begin(6);
    fail_nr(CREATE, 2, ENOMEM);
    does_not_enter("landlock", ENOMEM);
    begin(6);
    fail_nr(ADD, 1, EINVAL);
    does_not_enter("landlock does not take", EINVAL);
    CHECK_INT(kernel.restricted, 0);
    begin(6);
    fail_nr(RESTRICT, 1, E2BIG);
    does_not_enter("landlock", E2BIG);
}

static bool no_new_privs_fails(int what, const long *a, long *result) {
    errno = EINVAL;
    *result = -1;
    return what == PR_SET_NO_NEW_PRIVS || play_prctl(what, a, result);
}

static int filter_error;
static bool filter_fails(int what, const long *a, long *result) {
    errno = filter_error;
    *result = -1;
    return what == PR_SET_SECCOMP || play_prctl(what, a, result);
}

static void a_filter_that_is_refused_keeps_it_from_going_on(void) {
    begin(6);
    on_prctl = no_new_privs_fails;
    does_not_enter("no_new_privs", EINVAL);
    on_prctl = filter_fails;
    begin(6);
    filter_error = EACCES;
    does_not_enter("seccomp", EACCES);
    on_prctl = play_prctl;
}

static void a_kernel_without_a_filter_is_told(void) {
    static const int ways[] = {EINVAL, ENOSYS};
    on_prctl = filter_fails;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        begin(6);
        filter_error = ways[i];
        CHECK(enter(1));
        CHECK(was_said("<4>") && was_said("no seccomp filter"));
        CHECK_INT(kernel.restricted, 1);
    }
    on_prctl = play_prctl;
}

static void a_kernel_without_landlock_is_told(void) {
    static const struct {
        int error;
        const char *said;
    } ways[] = {{ENOSYS, "not built in"}, {EOPNOTSUPP, "lsm="}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        begin(0);
        fail_nr(CREATE, 1, ways[i].error);
        CHECK(enter(1));
        CHECK(was_said("<4>") && was_said("no landlock") && was_said(ways[i].said));
        CHECK_INT(kernel.filters, 1);
        CHECK_INT(kernel.rules, 0);
    }
    begin(0); /* an invalid version */
    CHECK(!enter(1));
}

/* Only features of a landlock version are requested from it, in a struct of its size. */
static void each_version_of_landlock_is_asked_for_what_it_has(void) {
    static const uint64_t fs[] = {0, 0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff, 0xffff};
    for (long version = 1; version <= 7; version++) {
        begin(version);
        CHECK(enter(1));
        CHECK_INT(kernel.ruleset[0], fs[version]);
        CHECK_INT(kernel.size, version < NETWORK_FROM ? 8 : version < SCOPES_FROM ? 16 : 24);
        CHECK_INT(kernel.ruleset[1], version < NETWORK_FROM ? 0 : 2); /* no TCP connections out */
        CHECK_INT(kernel.ruleset[2], version < SCOPES_FROM ? 0 : 3);
        CHECK(kernel.restricted == 1 && kernel.filters == 1 && kernel.no_new_privs);
        CHECK_INT(kernel.dropped, CAPABILITIES - 1); /* all but the one that is kept */
    }
}

/* A file takes no rights of directories; a directory that is missing is stood in for by its nearest ancestor, if that
 * is wanted, but never by "/". */
static void each_path_has_its_rule(void) {
    char dir[256], file[256], later[256];
    (void)snprintf(dir, sizeof dir, "%s/dir", top);
    (void)snprintf(file, sizeof file, "%s/file", top);
    (void)snprintf(later, sizeof later, "%s/dir/not/yet", top);
    paths[0] = (struct sandbox_path){dir, SANDBOX_READ};
    paths[1] = (struct sandbox_path){file, SANDBOX_READ | SANDBOX_WRITE};
    paths[2] = (struct sandbox_path){later, SANDBOX_REPLACE | SANDBOX_ANCESTOR};
    paths[3] = (struct sandbox_path){later, SANDBOX_READ};
    paths[4] = (struct sandbox_path){"", SANDBOX_SOCKET};
    paths[5] = (struct sandbox_path){"/dir", SANDBOX_READ | SANDBOX_ROOTED};
    paths[6] = (struct sandbox_path){"/vhotplug-not-here/x", SANDBOX_READ | SANDBOX_ANCESTOR};
    begin(6);
    CHECK(enter(7));
    CHECK_INT(kernel.rules, 4);
    CHECK(kernel.rule[0].ino == inode("dir") && kernel.rule[0].access == 0xc);
    CHECK(kernel.rule[1].ino == inode("file") && kernel.rule[1].access == 0x6);
    CHECK(kernel.rule[2].ino == inode("dir") && (kernel.rule[2].access & 0x122) == 0x122);
    CHECK(kernel.rule[3].ino == inode("dir"));
    CHECK(was_said("/dir/not/yet is missing") && was_said("/vhotplug-not-here/x is missing"));
    /* A file in place of the directory of sockets is no directory. */
    (void)snprintf(later, sizeof later, "%s/file/run", top);
    paths[0] = (struct sandbox_path){later, SANDBOX_SOCKET | SANDBOX_ANCESTOR};
    begin(6);
    CHECK(enter(1));
    CHECK(kernel.rules == 1 && kernel.rule[0].ino == inode("."));
    /* A file for which none of the wanted rights exists needs no rule. */
    paths[0] = (struct sandbox_path){file, SANDBOX_IOCTL};
    begin(1);
    CHECK(enter(1));
    CHECK_INT(kernel.rules, 0);
    fail_call("fstat", 1, EIO); /* then the kernel decides */
    paths[0] = (struct sandbox_path){file, SANDBOX_READ};
    CHECK(enter(1));
    CHECK_INT(kernel.rule[0].access, 0xc);
}

/* Inodes of procfs live as long as they are held. */
static void what_is_pinned_stays_open(void) {
    int files = open_files();
    paths[0] = (struct sandbox_path){top, SANDBOX_READ | SANDBOX_PINNED};
    const struct sandbox box = {.role = SANDBOX_DEVICE, .paths = paths, .npaths = 1};
    begin(6);
    CHECK(sandbox_enter(&box));
    CHECK_INT(open_files(), files + 1);
    CHECK_INT(kernel.dropped, CAPABILITIES);
}

/* The stand-in for netlink may be opened again, in tests alone. */
static void tests_may_do_a_little_more(void) {
    const struct sandbox box = {.role = SANDBOX_OPENER, .paths = paths, .npaths = 0, .testing = false};
    struct sandbox more = box;
    more.testing = true;
    begin(6);
    CHECK(sandbox_enter(&box));
    unsigned length = kernel.filter_length;
    begin(6);
    CHECK(sandbox_enter(&more));
    CHECK(kernel.filter_length > length);
}

static void without_it_nothing_is_shut(void) {
    const struct sandbox box = {.role = SANDBOX_DAEMON};
    CHECK(sandbox_enabled());
    sandbox_disable();
    CHECK(!sandbox_enabled());
    begin(6);
    CHECK(sandbox_enter(&box));
    CHECK(kernel.filters == 0 && kernel.restricted == 0 && kernel.dropped == 0);
}

int main(void) {
    char name[256];
    CHECK(mkdtemp(top) != NULL && sysfs_root(top));
    (void)snprintf(name, sizeof name, "%s/dir", top);
    CHECK(mkdir(name, 0755) == 0);
    (void)snprintf(name, sizeof name, "%s/file", top);
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    on_prctl = play_prctl;
    on_syscall = play_syscall;
    log_open("test", LOG_DEBUG);
    RUN(whatever_fails_keeps_it_from_going_on);
    RUN(a_filter_that_is_refused_keeps_it_from_going_on);
    RUN(a_kernel_without_a_filter_is_told);
    RUN(a_kernel_without_landlock_is_told);
    RUN(each_version_of_landlock_is_asked_for_what_it_has);
    RUN(each_path_has_its_rule);
    RUN(what_is_pinned_stays_open);
    RUN(tests_may_do_a_little_more);
    RUN(without_it_nothing_is_shut);
    (void)unlink(name);
    (void)snprintf(name, sizeof name, "%s/dir", top);
    CHECK(rmdir(name) == 0 && rmdir(top) == 0);
    TEST_MAIN_END;
}
