/*
 * sandbox_filter.c - builds the seccomp filter from the lists of sandbox_calls.h. Owns the lists of allowed arguments,
 * for calls that would allow too much without them.
 *
 * A filter sees numbers, not the memory that pointers point to: landlock restricts paths. Only the low 32 bits of an
 * argument are compared, because every argument compared here is an int to the kernel.
 */
#include "os/sandbox_filter.h"

#include "base/assert.h"
#include "os/sandbox_calls.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/usbdevice_fs.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define ARCH AUDIT_ARCH_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#elif defined(__i386__)
#define ARCH AUDIT_ARCH_I386
#else
#define ARCH 0 /* no other architecture is tested: no filter is set */
#endif

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000u
#endif
#ifndef USBDEVFS_ALLOW_SUSPEND
#define USBDEVFS_ALLOW_SUSPEND _IO('U', 34) /* Linux 5.4 */
#endif
#ifndef AF_VSOCK
#define AF_VSOCK 40
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif
#ifndef SO_PEERNAME
#define SO_PEERNAME 28
#endif

/* One allowed combination of arguments: argument `a` is `va`, and `b` is `vb`. A list ends with OTHERS. */
struct way {
    unsigned char a, b;
    uint32_t va, vb;
};
enum { UNUSED_ARGUMENT = 6, OTHERS = 7 };
#define ONE(arg, value) \
    { (arg), UNUSED_ARGUMENT, (uint32_t)(value), 0 }
#define TWO(arg, value, arg2, value2) \
    { (arg), (arg2), (uint32_t)(value), (uint32_t)(value2) }
#define END \
    { OTHERS, OTHERS, 0, 0 }

#define KIND(type) ((type) | SOCK_CLOEXEC | SOCK_NONBLOCK)

static const struct way monitors[] = {TWO(0, AF_UNIX, 1, KIND(SOCK_STREAM)), TWO(0, AF_UNIX, 1, KIND(SOCK_SEQPACKET)),
                                      END};
/* The last one is for the tests' replacement for netlink only. */
static const struct way sockets[] = {
    TWO(0, AF_UNIX, 1, KIND(SOCK_STREAM)),
    TWO(0, AF_INET, 1, KIND(SOCK_STREAM)),
    TWO(0, AF_INET6, 1, KIND(SOCK_STREAM)),
    TWO(0, AF_VSOCK, 1, KIND(SOCK_STREAM)),
    TWO(0, AF_NETLINK, 1, KIND(SOCK_DGRAM)),
    TWO(0, AF_UNIX, 1, KIND(SOCK_DGRAM)),
    END,
};
enum { SOCKETS_IN_USE = sizeof sockets / sizeof *sockets - 2 };

static const struct way get_options[] = {
    TWO(1, SOL_SOCKET, 2, SO_PEERCRED),
    TWO(1, SOL_SOCKET, 2, SO_PEERNAME),
    TWO(1, SOL_SOCKET, 2, SO_PEERGROUPS),
    END,
};
static const struct way set_options[] = {
    TWO(1, SOL_SOCKET, 2, SO_REUSEADDR),   TWO(1, SOL_SOCKET, 2, SO_KEEPALIVE),
    TWO(1, SOL_SOCKET, 2, SO_RCVBUF),      TWO(1, SOL_SOCKET, 2, SO_RCVBUFFORCE),
    TWO(1, IPPROTO_TCP, 2, TCP_NODELAY),   TWO(1, IPPROTO_TCP, 2, TCP_KEEPIDLE),
    TWO(1, IPPROTO_TCP, 2, TCP_KEEPINTVL), TWO(1, IPPROTO_TCP, 2, TCP_USER_TIMEOUT),
    TWO(1, IPPROTO_IPV6, 2, IPV6_V6ONLY),  END,
};
static const struct way peer_option[] = {TWO(1, SOL_SOCKET, 2, SO_PEERCRED), END};
static const struct way rename_flags[] = {ONE(4, 0), END}, unlink_flags[] = {ONE(2, 0), END},
                        pidfd_flags[] = {ONE(1, 0), END}, duplicate[] = {ONE(1, F_DUPFD_CLOEXEC), END},
                        give_back[] = {ONE(2, MADV_DONTNEED), END}, give_back_shared[] = {ONE(2, MADV_REMOVE), END},
                        close_on_exec[] = {ONE(1, F_SETFD), END};
/* The ioctls of libusb on a node that it wraps and resets: no transfers, no claims, no changes of drivers. The last one
 * is for a worker that configures. */
static const struct way usbfs[] = {
    ONE(1, USBDEVFS_RESET),
    ONE(1, USBDEVFS_CONTROL),
    ONE(1, USBDEVFS_GET_CAPABILITIES),
    ONE(1, USBDEVFS_CONNECTINFO),
    ONE(1, USBDEVFS_GET_SPEED),
    ONE(1, USBDEVFS_SETCONFIGURATION),
    END,
};
enum { USBFS_IN_USE = sizeof usbfs / sizeof *usbfs - 2 };
static const struct way ports[] = {
    ONE(1, USBDEVFS_CLAIM_PORT),
    ONE(1, USBDEVFS_RELEASE_PORT),
    ONE(1, USBDEVFS_ALLOW_SUSPEND),
    END,
};
static const struct way any[] = {END};

struct call {
    int nr;
    const struct way *ways;
};
#define X(name, arguments) {SYS_##name, arguments},
static const struct call daemon_calls[] = {SANDBOX_DAEMON_CALLS(X)};
static const struct call device_calls[] = {SANDBOX_DEVICE_CALLS(X)};
static const struct call opener_calls[] = {SANDBOX_OPENER_CALLS(X)};
static const struct call logger_calls[] = {SANDBOX_LOGGER_CALLS(X)};
static const struct call connector_calls[] = {SANDBOX_CONNECTOR_CALLS(X)};
static const struct call disk_calls[] = {SANDBOX_DISK_CALLS(X)};
static const struct call port_calls[] = {SANDBOX_PORT_CALLS(X)};
static const struct call vfio_calls[] = {SANDBOX_VFIO_CALLS(X)};
#undef X

static const struct {
    const struct call *calls;
    int n;
} lists[] = {
    [SANDBOX_DAEMON] = {daemon_calls, sizeof daemon_calls / sizeof *daemon_calls},
    [SANDBOX_DEVICE] = {device_calls, sizeof device_calls / sizeof *device_calls},
    [SANDBOX_OPENER] = {opener_calls, sizeof opener_calls / sizeof *opener_calls},
    [SANDBOX_LOGGER] = {logger_calls, sizeof logger_calls / sizeof *logger_calls},
    [SANDBOX_CONNECTOR] = {connector_calls, sizeof connector_calls / sizeof *connector_calls},
    [SANDBOX_DISK] = {disk_calls, sizeof disk_calls / sizeof *disk_calls},
    [SANDBOX_PORT] = {port_calls, sizeof port_calls / sizeof *port_calls},
    [SANDBOX_VFIO] = {vfio_calls, sizeof vfio_calls / sizeof *vfio_calls},
};

/* ---- the program ---- */

enum { PROGRAM_MAX = 256 }; /* two instructions a call, and up to five a way */

/* On the stack, which is given back: a static one would cost each process its pages. */
struct program {
    unsigned short length;
    struct sock_filter at[PROGRAM_MAX];
};

static void put(struct program *p, unsigned code, uint32_t k, unsigned if_true, unsigned if_false) {
    VH_ASSERT(p->length < PROGRAM_MAX && if_true < 256 && if_false < 256);
    p->at[p->length++] = (struct sock_filter){(unsigned short)code, (unsigned char)if_true, (unsigned char)if_false, k};
}

static void load(struct program *p, size_t offset) {
    put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void load_argument(struct program *p, unsigned n) {
    size_t low = __BYTE_ORDER == __LITTLE_ENDIAN ? 0 : sizeof(uint32_t);
    load(p, offsetof(struct seccomp_data, args) + n * sizeof(uint64_t) + low);
}

static void give(struct program *p, uint32_t verdict) {
    put(p, BPF_RET | BPF_K, verdict, 0, 0);
}

/* If the loaded number is not `value`, skips `skip` instructions. */
static void unless(struct program *p, uint32_t value, unsigned skip) {
    put(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}

static void put_way(struct program *p, const struct way *w) {
    bool two = w->b != UNUSED_ARGUMENT;
    load_argument(p, w->a);
    unless(p, w->va, two ? 3 : 1);
    if (two) {
        load_argument(p, w->b);
        unless(p, w->vb, 1);
    }
    give(p, SECCOMP_RET_ALLOW);
}

static void put_call(struct program *p, const struct call *c, const struct sandbox *s) {
    int n = 0;
    while (c->ways[n].a != OTHERS)
        n++;
    if (c->ways == sockets && !s->testing)
        n = SOCKETS_IN_USE;
    if (c->ways == usbfs && !s->configures)
        n = USBFS_IN_USE;
    if (n == 0) {
        unless(p, (uint32_t)c->nr, 1);
        give(p, SECCOMP_RET_ALLOW);
        return;
    }
    unsigned jump = p->length;
    unless(p, (uint32_t)c->nr, 0); /* the number to skip is set below */
    for (int i = 0; i < n; i++)
        put_way(p, &c->ways[i]);
    give(p, SECCOMP_RET_KILL_PROCESS);
    VH_ASSERT(p->length - jump - 1u < 256);
    p->at[jump].jf = (unsigned char)(p->length - jump - 1u);
}

int sandbox_filter_calls(enum sandbox_role role) {
    return lists[role].n;
}

bool sandbox_filter(const struct sandbox *s) {
    enum sandbox_role role = s->role;
    struct program p;
    if (ARCH == 0) {
        errno = ENOSYS;
        return false;
    }
    p.length = 0;
    load(&p, offsetof(struct seccomp_data, arch));
    put(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
    give(&p, SECCOMP_RET_KILL_PROCESS);
    /* The number stays loaded: the instructions of a call that matches end in a verdict. */
    load(&p, offsetof(struct seccomp_data, nr));
    for (int i = 0; i < lists[role].n; i++)
        put_call(&p, &lists[role].calls[i], s);
    give(&p, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog fprog = {.len = p.length, .filter = p.at};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &fprog, 0, 0) == 0)
        return true;
    if (errno == EINVAL) /* built without CONFIG_SECCOMP_FILTER */
        errno = ENOSYS;
    return false;
}
