/*
 * sandbox_paths.c - the paths that stay open after start. Owns the names of the directories that follow from the
 * configuration. Opens nothing and enters no sandbox.
 */
#include "daemon/sandbox_paths.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "bus/modules.h"
#include "bus/usb/usb_sysfs.h"
#include "bus/vfio_group.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Directories; "" none. */
static char sockets[VH_PATH_MAX], uevent_dir[VH_PATH_MAX];
static char conf_dir[VH_REALPATH_MAX], conf_target[VH_REALPATH_MAX];

/* "/run/vhotplug.sock" becomes "/run". Without a slash, or with NULL, "": then nothing may be made. */
static bool parent_of(char *dst, size_t cap, const char *path) {
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    return str_copyn(dst, cap, path != NULL ? path : "", len);
}

/* A file that is replaced is another inode, so the rules are for directories: of the name, and of the file that the
 * name is a link to at the moment. */
static void find_conf(const char *path) {
    char target[VH_REALPATH_MAX];
    bool fits = strchr(path, '/') == NULL ? str_copy(conf_dir, sizeof conf_dir, ".")
                                          : parent_of(conf_dir, sizeof conf_dir, path);
    if (!fits)
        conf_dir[0] = '\0';
    if (realpath(path, target) == NULL || !parent_of(conf_target, sizeof conf_target, target))
        conf_target[0] = '\0'; /* no file: the built-in configuration */
}

struct opener_places sandbox_paths_opener(const char *conf_path, const struct conf *conf, const char *uevents) {
    bool fit = parent_of(sockets, sizeof sockets, conf->api.enable && conf->api.unix_on ? conf->api.unix_path : NULL) &&
               parent_of(uevent_dir, sizeof uevent_dir, uevents);
    VH_ASSERT(fit); /* the paths of the configuration are shorter */
    find_conf(conf_path);
    return (struct opener_places){
        .conf_dir = conf_dir,
        .conf_target = conf_target,
        .sockets = sockets,
        .uevents = uevents != NULL ? uevents : "",
        .uevents_dir = uevent_dir,
    };
}

const struct sandbox_path *sandbox_paths_connector(int *n) {
    static const struct sandbox_path paths[] = {{conf_dir, SANDBOX_READ}, {conf_target, SANDBOX_READ}};
    *n = sizeof paths / sizeof *paths;
    return paths;
}

/* The attribute `authorized` of an interface is below its bus. Landlock knows directories and not names, and what is
 * plugged in later has no file yet: so this is the smallest directory there is. A bus that comes later has no rule. */
static int find_buses(struct sandbox_path paths[VH_MAX_BUSES]) {
    static char names[VH_MAX_BUSES][sizeof USB_DEVICES + VH_SYSNAME_MAX];
    static struct sysfs_dir d;
    const char *name;
    int n = 0;
    if (!sysfs_dir_open(&d, USB_DEVICES))
        return 0; /* no bus yet */
    while (n < VH_MAX_BUSES && (name = sysfs_dir_next(&d)) != NULL) {
        if (!str_starts(name, "usb") || !device_name_valid(name))
            continue;
        (void)str_fmt(names[n], sizeof names[n], USB_DEVICES "/%s", name); /* the name is valid, so it fits */
        paths[n] = (struct sandbox_path){names[n], SANDBOX_WRITE | SANDBOX_ROOTED};
        n++;
    }
    sysfs_dir_close(&d);
    return n;
}

/* What a process reads that finds out what the host uses its devices for. */
enum { USES = 12 };
static const struct sandbox_path of_uses[USES] = {
    /* Devices are links from /sys/bus, /sys/class and /sys/dev into /sys/devices. */
    {"/sys/devices", SANDBOX_READ | SANDBOX_ROOTED},
    {"/sys/bus", SANDBOX_READ | SANDBOX_ROOTED},
    {"/sys/class", SANDBOX_READ | SANDBOX_ROOTED},
    {"/sys/dev", SANDBOX_READ | SANDBOX_ROOTED},
    /* Each comes with its module. */
    {"/sys/fs/btrfs", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    {"/sys/fs/bcachefs", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    {"/sys/fs/ext4", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    {"/sys/fs/f2fs", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    {"/sys/fs/xfs", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    /* The mounts of the daemon, and of each worker: /proc/self is another directory in each process. */
    {"/proc/self", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
    {"/proc/net", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
    {"/proc/swaps", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
};

/* With usbAuthorization: `authorized` of whatever is plugged in, `authorized_default` of root hubs that come later,
 * with controllers of which nobody knows where they will be. */
static void open_authorization(struct sandbox_path *devices, struct sandbox_path *last) {
    devices->what |= SANDBOX_WRITE;
    *last = (struct sandbox_path){"/sys/module/usbcore/parameters/authorized_default",
                                  SANDBOX_READ | SANDBOX_WRITE | SANDBOX_ROOTED};
}

const struct sandbox_path *sandbox_paths_device(bool authorises, int *n) {
    enum { FIXED = 4, FIRST = USES + FIXED, PATHS = FIRST + MODULES_PATHS };
    static const struct sandbox_path fixed[FIXED] = {
        /* Nodes to open and reset, and the files to write. Before there is a USB bus its place is not known. */
        {"/dev/bus/usb", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_ROOTED},
        {"/sys/bus/usb/drivers_probe", SANDBOX_WRITE | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
        {"/sys/bus/usb/drivers/usb/bind", SANDBOX_WRITE | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
        {"/sys/bus/usb/drivers/usb/unbind", SANDBOX_WRITE | SANDBOX_ROOTED | SANDBOX_ANCESTOR},
    };
    static struct sandbox_path paths[PATHS + VH_MAX_BUSES + 1];
    memcpy(paths, of_uses, sizeof of_uses);
    memcpy(paths + USES, fixed, sizeof fixed);
    for (int i = 0; i < MODULES_PATHS; i++)
        paths[PATHS - 1 - i] = (struct sandbox_path){modules_path(i), SANDBOX_READ | SANDBOX_ROOTED};
    *n = PATHS + find_buses(paths + PATHS);
    if (authorises)
        open_authorization(&paths[0], &paths[(*n)++]);
    return paths;
}

/* A path that is not there stays out of reach without a word: the kernel has no IOMMU then, or no iommufd. */
static struct sandbox_path if_there(const char *path, unsigned what) {
    int fd = sysfs_open(path, O_PATH);
    if (fd >= 0)
        (void)close(fd);
    return (struct sandbox_path){fd >= 0 ? path : "", what | SANDBOX_ROOTED};
}

const struct sandbox_path *sandbox_paths_vfio(int *n) {
    enum { FIXED = 3, OPTIONAL = 2 };
    static const struct sandbox_path fixed[FIXED] = {
        /* driver_override is an attribute of each device; a driver comes with its module. */
        {"/sys/devices", SANDBOX_WRITE | SANDBOX_ROOTED},
        {"/sys/bus/pci", SANDBOX_WRITE | SANDBOX_ROOTED},
        {"/dev/vfio", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_ROOTED},
    };
    static struct sandbox_path paths[USES + FIXED + OPTIONAL];
    memcpy(paths, of_uses, sizeof of_uses);
    memcpy(paths + USES, fixed, sizeof fixed);
    paths[USES + FIXED] = if_there(IOMMU_GROUPS, SANDBOX_READ);
    paths[USES + FIXED + 1] = if_there("/dev/iommu", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL);
    *n = sizeof paths / sizeof *paths;
    return paths;
}
