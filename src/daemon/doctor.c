/*
 * doctor.c - checks what the daemon needs of its host, and prints what is missing and what to do about it. Changes
 * nothing: files are opened and closed, sockets connected and closed. Features of the kernel are tried, not read from
 * its configuration.
 *
 * libusb enumerates the devices as well, with its own thread and its own reading of sysfs: a second opinion on the
 * daemon's own scan.
 */
#include "daemon/doctor.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/modules.h"
#include "codec/usb_names.h"
#include "daemon/device_worker.h"
#include "daemon/doctor_authorization.h"
#include "daemon/doctor_daemon.h"
#include "daemon/doctor_pci.h"
#include "daemon/doctor_places.h"
#include "daemon/doctor_say.h"
#include "daemon/doctor_taken.h"
#include "daemon/evdev_unmet.h"
#include "daemon/state_file.h"
#include "os/clock.h"
#include "os/host_lock.h"
#include "os/netlink.h"
#include "os/sys.h"
#include "os/sysfs.h"
#include "vmm/connector_work.h"

#include <errno.h>
#include <fcntl.h>
#include <libusb.h>
#include <linux/usbdevice_fs.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444 /* the same on every architecture: Linux 5.13 */
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* likewise: Linux 5.3 */
#endif

enum { GREETING_MS = 1000, SLACK_FILES = 32 };

/* Did the call succeed? Closes the descriptor that it returned. */
static bool works(long fd) {
    if (fd > 0)
        (void)close((int)fd);
    return fd >= 0;
}

/* ---- the kernel ---- */

static void kernel(void) {
    struct utsname u;
    if (uname(&u) == 0)
        doctor_say(FINE, "kernel: %s %s %s", u.sysname, u.release, u.machine);
    int size = 0, fd = netlink_open();
    socklen_t len = sizeof size;
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len) == 0)
        doctor_say(FINE, "uevents: socket open, buffer of %d bytes", size);
    if (!works(fd))
        doctor_say(PROBLEM, "uevents: %s; plugs cannot be seen (CONFIG_NET, and not in a user namespace of its own)",
                   strerror(errno));
    if (!works(syscall(SYS_pidfd_open, getpid(), 0)))
        doctor_say(NOTE, "pidfd: %s; a VM's sudden end is seen by its connection alone (Linux 5.3)", strerror(errno));
    if (!works(inotify_init1(IN_CLOEXEC)))
        doctor_say(PROBLEM, "inotify: %s; VMs that start later are not seen (CONFIG_INOTIFY_USER)", strerror(errno));
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (abi > 0)
        doctor_say(FINE, "landlock: version %ld", abi);
    else
        doctor_say(
            NOTE,
            "landlock: %s; the daemon may open any file that its user may (CONFIG_SECURITY_LANDLOCK, lsm=landlock)",
            strerror(errno));
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
        doctor_say(NOTE, "seccomp: none; system calls are not filtered (CONFIG_SECCOMP_FILTER)");
}

static void vsock(const struct conf *c) {
    bool wanted = c->api.enable && c->api.vsock_on;
    enum level level = wanted ? PROBLEM : NOTE;
    if (!works(socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0)))
        doctor_say(level, "VSOCK: %s; guests cannot reach the API (modprobe vsock; CONFIG_VSOCKETS)", strerror(errno));
    else if (access("/dev/vhost-vsock", F_OK) != 0)
        doctor_say(
            level,
            "VSOCK: no /dev/vhost-vsock; QEMU cannot give a guest a CID (modprobe vhost_vsock; CONFIG_VHOST_VSOCK)");
    else
        doctor_say(FINE, "VSOCK: there, and /dev/vhost-vsock");
}

static void limits(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < VH_MAX_POLL + SLACK_FILES)
        doctor_say(PROBLEM, "limits: %llu open files; with all tables full it needs %d (ulimit -n, LimitNOFILE=)",
                   (unsigned long long)r.rlim_cur, VH_MAX_POLL + SLACK_FILES);
    else
        doctor_say(FINE, "limits: enough open files");
}

/* ---- devices ---- */

static struct {
    int devices, hubs, unopened, error;
    int claims;          /* errno of a claim of a port that no hub has: EINVAL where the kernel knows claims */
    bool node[256][128]; /* by bus and address */
    bool verbose;        /* prints notes on single devices */
} seen;

static void count_device(const struct fact *f) {
    unsigned no_port = 0;
    if (f->kind != FACT_DEVICE)
        return;
    const struct device *d = f->device;
    seen.devices++;
    seen.hubs += str_eq(d->protect, "is a hub");
    seen.node[d->usb.busnum][d->usb.devnum & 127] = true;
    if (!seen.verbose)
        return;
    if (d->malformed[0] != '\0')
        doctor_say(NOTE, "device %s: unclassifiable: %s", d->sys_name, d->malformed);
    if (d->note[0] != '\0')
        doctor_say(NOTE, "device %s: its descriptors or strings are odd: %s", d->sys_name, d->note);
    if (d->protect[0] != '\0' && !str_eq(d->protect, "is a hub"))
        doctor_say(NOTE, "device %s: stays with the host: it %s", d->sys_name, d->protect);
    int fd = sysfs_open(d->node, O_RDWR | O_NOFOLLOW);
    if (fd < 0)
        seen.error = errno;
    else if (device_is_hub(d) && sysfs_root_is_real())
        seen.claims = sys_ioctl(fd, USBDEVFS_CLAIM_PORT, &no_port) == 0 ? 0 : errno;
    seen.unopened += !works(fd);
}

/* The thread of libusb allocates when a device is plugged in meanwhile: so heap.c has a lock. */
static void compare_with_libusb(void) {
    libusb_context *context = NULL;
    libusb_device **list = NULL;
    int missed = 0, e = libusb_init(&context);
    if (e != 0) {
        doctor_say(PROBLEM, "libusb: %s", libusb_error_name(e));
        return;
    }
    ssize_t n = libusb_get_device_list(context, &list);
    for (ssize_t i = 0; i < n; i++) {
        uint8_t bus = libusb_get_bus_number(list[i]), address = libusb_get_device_address(list[i]);
        if (seen.node[bus][address & 127])
            continue;
        doctor_say(PROBLEM, "libusb: has bus %u device %u, sysfs does not", (unsigned)bus, (unsigned)address);
        missed++;
    }
    if (n < 0)
        doctor_say(PROBLEM, "libusb: %s", libusb_error_name((int)n));
    else if (n != seen.devices)
        doctor_say(PROBLEM, "libusb: %d devices, sysfs has %d", (int)n, seen.devices);
    else if (missed == 0)
        doctor_say(FINE, "libusb: the same %d devices", (int)n);
    if (n >= 0)
        libusb_free_device_list(list, 1);
    libusb_exit(context);
}

static const struct device *none_reported(const char *sys_name) {
    (void)sys_name;
    return NULL;
}

/* Opened and not written to: nothing is unbound. */
static void revocation(const struct conf *c) {
    int trusted = 0;
    for (int v = 0; v < c->nvms; v++)
        trusted += !c->vms[v].revoke;
    bool able = works(sysfs_open("/sys/bus/usb/drivers/usb/unbind", O_WRONLY)) &&
                works(sysfs_open("/sys/bus/usb/drivers/usb/bind", O_WRONLY));
    if (trusted == c->nvms && c->nvms > 0)
        doctor_say(NOTE, "revocation: no VM wants it (\"revoke\": false): a VM may keep what it has given back");
    else if (able)
        doctor_say(FINE, "revocation: what leaves a VM can be taken from it for good");
    else
        doctor_say(PROBLEM,
                   "revocation: /sys/bus/usb/drivers/usb/unbind: %s; a device stays with its first VM (run it as root, "
                   "with sysfs writable, or trust the VMs: \"revoke\": false)",
                   strerror(errno));
}

/* Here, not in a worker: it may wait. */
static void scan(const struct bus *bus) {
    bus->scan(true);
    device_pool_tick(clock_now());
}

static void devices(const struct bus *bus, const struct conf *c) {
    static const struct bus_calls calls = {.fact = count_device, .reported = none_reported};
    const char *dir = "";
    if (!works(sysfs_open("/sys/bus/usb", O_RDONLY | O_DIRECTORY))) {
        doctor_say(PROBLEM, "USB: no /sys/bus/usb; this kernel sees no device (modprobe usbcore; CONFIG_USB_SUPPORT, "
                            "CONFIG_USB, and sysfs on /sys)");
        return;
    }
    revocation(c);
    (void)bus->start(&calls);
    device_workers_none();
    seen.verbose = true;
    scan(bus);
    seen.verbose = false;
    bool there = works(sysfs_open("/dev/bus/usb", O_RDONLY | O_DIRECTORY)); /* else libusb does not start */
    if (!there)
        doctor_say(PROBLEM, "usbfs: no /dev/bus/usb; no device can be handed on (CONFIG_USB, and devtmpfs on /dev)");
    else if (seen.unopened > 0)
        doctor_say(PROBLEM, "usbfs: %d of %d nodes cannot be opened: %s (run it as root, or give its user the nodes)",
                   seen.unopened, seen.devices, strerror(seen.error));
    else
        doctor_say(FINE, "usbfs: %d devices, %d of them hubs, every node can be opened", seen.devices, seen.hubs);
    int before = seen.devices;
    int64_t begun = clock_now();
    scan(bus);
    int64_t us = (clock_now() - begun) / 1000;
    seen.devices = before;
    doctor_say(FINE, "rescan: %d.%03d ms", (int)(us / 1000), (int)(us % 1000));
    if (sysfs_root_is_real() && there)
        compare_with_libusb();
    if (modules_there(&dir))
        doctor_say(FINE, "modules: lists in %s", dir);
    else
        doctor_say(NOTE, "modules: no lists in %s; 'driverPath' matches nothing (depmod -a)", dir);
    doctor_say(FINE, "USB names: %s", usb_names_version());
}

static void input_devices(const struct conf *c) {
    evdev_unmet_read();
    for (int i = 0; i < c->nevdev_rules; i++) {
        const struct evdev_rule *r = &c->evdev_rules[i];
        if (evdev_unmet(c, i))
            doctor_say(NOTE,
                       "input devices: evdevPassthrough[%d] (line %u%s%s) decides for none of this host "
                       "(vhotplugcli evdev list)",
                       i, (unsigned)r->line, r->description[0] != '\0' ? ": " : "", r->description);
    }
}

/* Claims are usbfs's, in every kernel that has it; but a node may be a replacement's, and a filter may forbid them. */
static void claims(const struct conf *c) {
    if (c->quarantine == QUARANTINE_OFF || seen.claims == 0)
        return;
    if (seen.claims == EINVAL)
        doctor_say(FINE, "quarantine: this kernel knows claims of ports");
    else
        doctor_say(PROBLEM, "quarantine: ports cannot be claimed: %s; the host's drivers would see every device",
                   strerror(seen.claims));
}

/* ---- VMs ---- */

/* A greeting within a second shows that QEMU is there and that nobody else uses its monitor. */
static bool greets(int fd, char *line, size_t cap) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, GREETING_MS) != 1)
        return false;
    ssize_t n = recv(fd, line, cap - 1, 0);
    line[n > 0 ? n : 0] = '\0';
    return strstr(line, "\"QMP\"") != NULL;
}

/* Whoever serves the socket would be handed opened devices. */
static void say_distrusted(const struct vm_conf *vm, const struct ucred *peer, uid_t owner) {
    if (vm->uid_given)
        doctor_say(PROBLEM,
                   "VM %s: process %d of user %u serves its monitor, and the configuration has user %u; it gets no "
                   "device (run QEMU as that user, or correct vms[].uid)",
                   vm->name, (int)peer->pid, (unsigned)peer->uid, (unsigned)vm->uid);
    else
        doctor_say(PROBLEM,
                   "VM %s: process %d of user %u serves the monitor of user %u; it gets no device (chown %s, or name "
                   "the user in vms[].uid)",
                   vm->name, (int)peer->pid, (unsigned)peer->uid, (unsigned)owner, vm->socket);
}

/* A connection to the VM's control socket, or -1. *packets: it is SOCK_SEQPACKET. */
static int connect_monitor(const struct vm_conf *vm, bool *packets) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    VH_ASSERT(str_copy(a.sun_path, sizeof a.sun_path, vm->socket)); /* the same bound */
    for (int k = vm->listens == VM_PACKETS ? 1 : 0; k < 2; k++) {
        int fd = socket(AF_UNIX, (k == 1 ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        *packets = k == 1;
        if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
            return fd;
        int error = errno;
        if (fd >= 0)
            (void)close(fd);
        errno = error;
        if (error != EPROTOTYPE || vm->listens != VM_EITHER)
            return -1;
    }
    return -1;
}

static void monitor(const struct vm_conf *vm, int fd, bool packets, uid_t owner) {
    struct ucred peer = {0};
    socklen_t size = sizeof peer;
    char line[1024] = "";
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    if (!connector_accepts(vm, peer.uid, owner))
        say_distrusted(vm, &peer, owner);
    else if (packets || vm->listens == VM_API) /* nobody greets there */
        doctor_say(FINE, "VM %s: process %d of user %u serves a control socket of type %s", vm->name, (int)peer.pid,
                   (unsigned)peer.uid, packets ? "crosvm" : vm->type);
    else if (greets(fd, line, sizeof line))
        doctor_say(FINE, "VM %s: process %d of user %u answers as QEMU", vm->name, (int)peer.pid, (unsigned)peer.uid);
    else if (line[0] != '\0')
        doctor_say(PROBLEM, "VM %s: %s is no QMP monitor (-qmp unix:%s,server=on,wait=off)", vm->name, vm->socket,
                   vm->socket);
    else
        doctor_say(NOTE, "VM %s: process %d does not greet; somebody else has its monitor, perhaps the daemon",
                   vm->name, (int)peer.pid);
}

static void check_vm(const struct vm_conf *vm) {
    struct stat st;
    bool packets = false;
    if (!vm->supported) {
        doctor_say(NOTE, "VM %s: of type %s, which gets no devices yet", vm->name, vm->type);
        return;
    }
    if (stat(vm->socket, &st) != 0) {
        bool absent = errno == ENOENT;
        if (!absent || !doctor_vm_directory(vm->name, vm->socket))
            doctor_say(absent ? NOTE : PROBLEM, "VM %s: %s: %s", vm->name, vm->socket,
                       absent ? "not running" : strerror(errno));
        return;
    }
    if (!S_ISSOCK(st.st_mode)) {
        doctor_say(PROBLEM, "VM %s: %s is no socket", vm->name, vm->socket);
        return;
    }
    if (st.st_mode & S_IWOTH)
        doctor_say(PROBLEM, "VM %s: every user of this host can drive it: %s has mode 0%03o (chmod o-w)", vm->name,
                   vm->socket, (unsigned)st.st_mode & 0777);
    int fd = connect_monitor(vm, &packets);
    if (fd < 0)
        doctor_say(errno == ECONNREFUSED || errno == EAGAIN ? NOTE : PROBLEM, "VM %s: %s (user %u, mode 0%03o): %s",
                   vm->name, vm->socket, (unsigned)st.st_uid, (unsigned)st.st_mode & 0777,
                   errno == ECONNREFUSED ? "not running" : strerror(errno));
    else
        monitor(vm, fd, packets, st.st_uid);
    if (fd >= 0)
        (void)close(fd);
}

/* ---- the daemon ---- */

/* A second daemon ends at once if the lock works; a note says where it does not. */
static enum host_lock lock(int *holder) {
    int error = 0;
    enum host_lock held = host_lock_look(holder);
    int pid = *holder;
    if (held == HOST_LOCK_UNKNOWN)
        doctor_say(NOTE, "lock: whether a daemon runs cannot be told: %s: %s (run it as root)", HOST_LOCK_PATH,
                   strerror(errno));
    else if (held == HOST_LOCK_HELD && pid > 0)
        doctor_say(FINE, "lock: the daemon is process %d; another one that is started ends at once", pid);
    else if (held == HOST_LOCK_HELD)
        doctor_say(FINE, "lock: the daemon is in another PID namespace; another one that is started ends at once");
    else if ((error = host_lock_obstacle()) != 0)
        doctor_say(NOTE, "lock: nothing keeps two daemons from running: %s: %s (devtmpfs on /dev)", HOST_LOCK_PATH,
                   strerror(error));
    else
        doctor_say(FINE, "lock: no daemon runs; of two, the second one would end at once");
    return held;
}

/* What the next daemon would find, or what the one that runs has found and nobody has acknowledged. */
static void state(const struct conf *c) {
    static struct remembered_set found;
    if (access(c->state_path, R_OK) != 0 && errno == EACCES) {
        doctor_say(PROBLEM, "state: %s: %s (run it as the daemon's user)", c->state_path, strerror(errno));
        return;
    }
    state_file_look(c->state_path, &found);
    if (found.corrupt[0] != '\0')
        doctor_say(PROBLEM, "state: %s: %s; decisions may be lost%s (vhotplugcli state acknowledge)", c->state_path,
                   found.corrupt, c->closed_on_loss ? ", and no VM is given a device" : "");
}

int doctor(const struct conf *c, const struct bus *bus) {
    int holder = 0;
    doctor_say(c->nvms > 0 ? FINE : NOTE, "configuration: %d rules, %d VMs", conf_rules(c), c->nvms);
    kernel();
    vsock(c);
    limits();
    devices(bus, c);
    doctor_pci(c);
    input_devices(c);
    claims(c);
    doctor_authorization(c);
    for (int v = 0; v < c->nvms; v++)
        check_vm(&c->vms[v]);
    enum host_lock held = lock(&holder);
    doctor_places(c);
    if (c->persistency)
        state(c);
    doctor_taken(&c->api, held, holder);
    if (c->api.enable && c->api.unix_on)
        doctor_daemon(c->api.unix_path);
    return doctor_verdict();
}
