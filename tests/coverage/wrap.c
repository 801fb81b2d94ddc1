/*
 * wrap.c - linked into the counting daemon, so that what it and its helpers did is written when they end, also by
 * _exit() and from inside the sandbox. Everything that shuts the sandbox runs and counts: the paths are restricted, but
 * for the counters' directory; a seccomp filter is set, but allows everything.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#ifndef COUNTERS /* where the counters are written */
#define COUNTERS "/"
#endif

enum { RULE_PATH_BENEATH = 1 };

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_prctl(int what, ...);
int __wrap_prctl(int what, ...);
long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);

static uint64_t handled; /* the rights that the last ruleset is about */

static int filter_nothing(void) {
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog fprog = {.len = 1, .filter = &allow};
    return __real_prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog, 0, 0);
}

/* What follows is the counting's: after a second and a third filter the launcher of faults leaves a process alone. */
static void leave_alone(void) {
    (void)filter_nothing();
    (void)filter_nothing();
}

__attribute__((constructor)) static void at_end(void) {
    if (atexit(leave_alone) != 0)
        abort();
}

/* No signal handler may end the process while it writes: it would wait for ever for what it interrupts, and all other
 * processes for the counters that it has locked. */
void __wrap__exit(int status) {
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    leave_alone();
    __gcov_dump();
    __real__exit(status);
}

int __wrap_prctl(int what, ...) {
    unsigned long a[4];
    va_list ap;
    va_start(ap, what);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(ap, unsigned long);
    va_end(ap);
    return what == PR_SET_SECCOMP ? filter_nothing() : __real_prctl(what, a[0], a[1], a[2], a[3]);
}

static long restrict_all_but_counters(int ruleset) {
    struct {
        uint64_t access;
        int32_t fd;
    } __attribute__((packed)) rule = {handled, open(COUNTERS, O_PATH | O_CLOEXEC)};
    long ok = __real_syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
    (void)close(rule.fd);
    return ok == 0 ? __real_syscall(SYS_landlock_restrict_self, ruleset, 0) : ok;
}

long __wrap_syscall(long nr, ...) {
    long a[6];
    va_list ap;
    va_start(ap, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (nr == SYS_landlock_restrict_self)
        return restrict_all_but_counters((int)a[0]);
    const uint64_t *ruleset = (const uint64_t *)a[0]; /* its rights to files come first */
    if (nr == SYS_landlock_create_ruleset && ruleset != NULL)
        handled = *ruleset;
    return __real_syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
