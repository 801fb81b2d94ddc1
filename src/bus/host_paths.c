/*
 * host_paths.c - see host_paths.h. Owns the memory in which tables are read; decides nothing, and knows no kind of
 * device.
 */
#include "bus/host_paths.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "codec/linebuf.h"
#include "os/clock.h"
#include "os/pages.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct { /* a table of /proc, read line by line */
    int fd;
    const char *path;
    size_t read; /* bytes so far */
    struct linebuf lines;
    char text[VH_TABLE_LINE];
} table;

/* Each mount and each new disk leads to a snapshot, so the log has a limit. */
bool host_paths_may_warn(void) {
    static const char source[] = "what the host uses";
    return log_may(LOG_DEVICES, log_key(source, sizeof source), source, clock_now());
}

/* ---- paths ---- */

static host_path_fn *found;

/* The head of several paths to one NVMe namespace belongs to no controller. Its subsystem has links to them. */
static void add_controllers(const char *path, enum host_path kind, const char *what, const char *which) {
    static const char place[] = "/virtual/nvme-subsystem/";
    struct sysfs_dir dir;
    const char *s = strstr(path, place), *name;
    char subsystem[VH_PATH_MAX], link[VH_PATH_MAX], target[VH_PATH_MAX];
    size_t n = s != NULL ? strcspn(s + sizeof place - 1, "/") : 0;
    if (n == 0 || !str_fmt(subsystem, sizeof subsystem, "/sys/devices%s%.*s", place, (int)n, s + sizeof place - 1) ||
        !sysfs_dir_open(&dir, subsystem))
        return;
    while ((name = sysfs_dir_next(&dir)) != NULL) {
        if (str_starts(name, "nvme") && str_fmt(link, sizeof link, "%s/%s", subsystem, name) &&
            sysfs_link(link, target, sizeof target) >= 0)
            found(target, kind, what, which);
    }
    sysfs_dir_close(&dir);
}

static void add_path(const char *link, enum host_path kind, const char *what, const char *which) {
    char path[VH_PATH_MAX];
    if (sysfs_link(link, path, sizeof path) < 0)
        return;
    found(path, kind, what, which);
    add_controllers(path, kind, what, which);
}

/* ---- tables of /proc ---- */

static void open_table(const char *path) {
    table.fd = sysfs_open(path, O_RDONLY);
    table.path = path;
    table.read = 0;
    linebuf_init(&table.lines, table.text, sizeof table.text);
}

static void warn_unread(const char *what, int most) {
    if (host_paths_may_warn())
        log_warn("%s has %s than %d bytes: the host's storage may go unprotected", table.path, what, most);
}

/* Reads more of the table. False at its end or at the bound. */
static bool fill_table(void) {
    size_t room = 0;
    if (table.read > VH_TABLE_MAX) {
        warn_unread("more", VH_TABLE_MAX);
        return false;
    }
    char *space = linebuf_space(&table.lines, &room);
    ssize_t n = sysfs_read(table.fd, space, room);
    if (n > 0) {
        linebuf_added(&table.lines, (size_t)n);
        table.read += (size_t)n;
        return true;
    }
    bool last = !linebuf_empty(&table.lines);
    linebuf_finish(&table.lines);
    return last;
}

/* NULL after the last line; the table is then closed. A line that is too long is not used at all. */
static char *next_line(void) {
    char *line = NULL;
    size_t len = 0;
    while (table.fd >= 0) {
        enum line_result r = linebuf_next(&table.lines, &line, &len);
        if (r == LINE_OK) {
            line[len] = '\0'; /* in the place of its newline */
            return line;
        }
        if (r == LINE_TOO_LONG) {
            warn_unread("a line of more", VH_TABLE_LINE);
        } else if (!fill_table()) {
            (void)close(table.fd);
            table.fd = -1;
        }
    }
    return NULL;
}

/* Field n of the line, counted from 0 and terminated in place; "" if there is none. */
static char *field(char *line, int n) {
    char *save = NULL, *f = strtok_r(line, " \t", &save);
    while (n-- > 0 && f != NULL)
        f = strtok_r(NULL, " \t", &save);
    return f != NULL ? f : line + strlen(line);
}

/* path: a block device as /dev names it, "/dev/sda" or "/dev/mapper/x". */
static void add_block(const char *path, enum host_path kind, const char *what, const char *which) {
    char link[VH_PATH_MAX];
    if (str_starts(path, "/dev/") && str_fmt(link, sizeof link, "/sys/class/block/%s", path + 5))
        add_path(link, kind, what, which);
}

/* The rest of "36 35 0:40 / /mnt rw shared:1 - btrfs /dev/sda rw": the source, which may be several devices as those
 * of bcachefs, "/dev/sda:/dev/sdb"; and options that name a device, as "logdev=/dev/sdc" of xfs. */
static void add_sources(char **save, const char *point) {
    char *f = strtok_r(NULL, " ", save);
    while (f != NULL && !str_eq(f, "-"))
        f = strtok_r(NULL, " ", save);
    if (f == NULL || strtok_r(NULL, " ", save) == NULL)
        return;
    while ((f = strtok_r(NULL, " :,", save)) != NULL) {
        const char *value = strchr(f, '=');
        add_block(value != NULL ? value + 1 : f, HOST_MOUNT, "holds the mounted file system", point);
    }
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 - ext3 /dev/root rw": Documentation/filesystems/proc.rst, 3.5. A
 * file system on several devices, such as btrfs, has a number 0:n of its own. */
static void read_mounts(void) {
    char *line;
    open_table("/proc/self/mountinfo");
    while ((line = next_line()) != NULL) {
        char *save = NULL, link[64];
        const char *number = NULL;
        const char *f = strtok_r(line, " ", &save);
        for (int i = 0; f != NULL && i < 4; i++, f = strtok_r(NULL, " ", &save))
            number = i == 2 ? f : number;
        const char *point = f;
        if (number == NULL || point == NULL)
            continue;
        if (str_fmt(link, sizeof link, "/sys/dev/block/%s", number))
            add_path(link, HOST_MOUNT, "holds the mounted file system", point); /* 0:n leads nowhere */
        add_sources(&save, point);
    }
}

static void read_swaps(void) {
    char *line;
    open_table("/proc/swaps");
    while ((line = next_line()) != NULL) {
        const char *path = field(line, 0);
        add_block(path, HOST_STORAGE, "holds the swap space", path);
    }
}

/* dm, md and bcache appear as holders of the devices below them. */
static void read_holders(int blocks, const char *name) {
    struct sysfs_dir holders;
    const char *holder;
    char path[VH_PATH_MAX];
    if (!str_fmt(path, sizeof path, "%s/holders", name) || !sysfs_dir_open_at(&holders, blocks, path))
        return;
    while ((holder = sysfs_dir_next(&holders)) != NULL) {
        if (str_fmt(path, sizeof path, "/sys/class/block/%s", name))
            add_path(path, HOST_STORAGE, "is part of", holder);
    }
    sysfs_dir_close(&holders);
}

/* A loop device on a block device does not appear as its holder. A loop device on a file needs no check: the file
 * system of the file is mounted. */
static void read_loop(int blocks, const char *name) {
    char attribute[VH_SYSNAME_MAX + 32], file[VH_PATH_MAX];
    if (str_starts(name, "loop") && str_fmt(attribute, sizeof attribute, "%s/loop/backing_file", name) &&
        sysfs_text(blocks, attribute, file, sizeof file) > 0)
        add_block(file, HOST_STORAGE, "is behind", name);
}

static void read_blocks(void) {
    struct sysfs_dir blocks;
    const char *name;
    if (!sysfs_dir_open(&blocks, "/sys/class/block"))
        return;
    while ((name = sysfs_dir_next(&blocks)) != NULL) {
        read_holders(blocks.fd, name);
        read_loop(blocks.fd, name);
    }
    sysfs_dir_close(&blocks);
}

/* A mount names one device of a btrfs; this directory has all of them. */
static void read_btrfs(void) {
    struct sysfs_dir all, devices;
    const char *name, *device;
    char path[VH_PATH_MAX];
    if (!sysfs_dir_open(&all, "/sys/fs/btrfs"))
        return;
    while ((name = sysfs_dir_next(&all)) != NULL) {
        if (!str_fmt(path, sizeof path, "%s/devices", name) || !sysfs_dir_open_at(&devices, all.fd, path))
            continue;
        while ((device = sysfs_dir_next(&devices)) != NULL) {
            if (str_fmt(path, sizeof path, "/sys/class/block/%s", device))
                add_path(path, HOST_STORAGE, "is part of the btrfs", name);
        }
        sysfs_dir_close(&devices);
    }
    sysfs_dir_close(&all);
}

/* File systems that sysfs names by their devices, whichever mount namespace they are mounted in. */
static void read_file_systems(void) {
    static const char kinds[][5] = {"ext4", "xfs", "f2fs"};
    struct sysfs_dir mounted;
    const char *name;
    char path[VH_PATH_MAX];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!str_fmt(path, sizeof path, "/sys/fs/%s", kinds[i]) || !sysfs_dir_open(&mounted, path))
            continue;
        while ((name = sysfs_dir_next(&mounted)) != NULL) {
            if (str_fmt(path, sizeof path, "/sys/class/block/%s", name))
                add_path(path, HOST_STORAGE, "holds a mounted file system:", kinds[i]);
        }
        sysfs_dir_close(&mounted);
    }
}

/* /sys/fs/bcachefs/<uuid>/dev-<n>/block leads to a device. */
static void read_bcachefs(void) {
    struct sysfs_dir all, devices;
    const char *name, *device;
    char path[VH_PATH_MAX];
    if (!sysfs_dir_open(&all, "/sys/fs/bcachefs"))
        return;
    while ((name = sysfs_dir_next(&all)) != NULL) {
        if (!sysfs_dir_open_at(&devices, all.fd, name))
            continue;
        while ((device = sysfs_dir_next(&devices)) != NULL) {
            if (str_starts(device, "dev-") && str_fmt(path, sizeof path, "/sys/fs/bcachefs/%s/%s/block", name, device))
                add_path(path, HOST_STORAGE, "is part of the bcachefs", name);
        }
        sysfs_dir_close(&devices);
    }
    sysfs_dir_close(&all);
}

/* ---- network interfaces ---- */

static unsigned left_out;

/* The interfaces below one: ports of a bridge, members of a bond, what a VLAN is on; and those below them. */
static struct {
    int n;
    char name[VH_MAX_LOWER][VH_IFNAME_MAX];
} lower;

static void add_lower(const char *name) {
    for (int i = 0; i < lower.n; i++) {
        if (str_eq(lower.name[i], name))
            return;
    }
    if (lower.n == VH_MAX_LOWER || !str_copy(lower.name[lower.n], VH_IFNAME_MAX, name))
        left_out++;
    else
        lower.n++;
}

static void add_route(const char *interface) {
    struct sysfs_dir dir;
    const char *entry;
    char link[VH_PATH_MAX];
    lower.n = 0;
    add_lower(interface);
    for (int i = 0; i < lower.n; i++) {
        if (!str_fmt(link, sizeof link, "/sys/class/net/%s", lower.name[i]))
            continue;
        add_path(link, HOST_ROUTE, "carries the default route by", interface);
        if (!sysfs_dir_open(&dir, link))
            continue;
        while ((entry = sysfs_dir_next(&dir)) != NULL) {
            if (str_starts(entry, "lower_"))
                add_lower(entry + strlen("lower_"));
        }
        sysfs_dir_close(&dir);
    }
}

/* "0000... 00 ...": ::/0; "2000... 03 ...": 2000::/3, all addresses that are in use. The table has all routing tables.
 */
static bool is_default_ipv6(const char *line) {
    static const char rest[] = "0000000000000000000000000000000 0";
    return (line[0] == '0' || line[0] == '2' || line[0] == '4' || line[0] == '8') && str_starts(line + 1, rest) &&
           line[sizeof rest] >= '0' && line[sizeof rest] <= '3';
}

static void read_routes(void) {
    char copy[256], *line;
    open_table("/proc/net/route");
    while ((line = next_line()) != NULL) { /* Iface Destination Gateway Flags ... */
        if (str_copy(copy, sizeof copy, line) && str_eq(field(copy, 1), "00000000"))
            add_route(field(line, 0));
    }
    open_table("/proc/net/ipv6_route");
    while ((line = next_line()) != NULL) { /* destination, its length, ..., device last */
        char *device = strrchr(line, ' ');
        if (device != NULL && is_default_ipv6(line) && !str_eq(device + 1, "lo"))
            add_route(device + 1);
    }
}

unsigned host_paths_walk(host_path_fn *each) {
    found = each;
    left_out = 0;
    read_mounts();
    read_swaps();
    read_blocks();
    read_btrfs();
    read_bcachefs();
    read_file_systems();
    read_routes();
    return left_out;
}

void host_paths_drop(void) {
    pages_give_back(table.text, sizeof table.text);
}

/* Neither reading nor writing: such a descriptor can only be asked, and no right to read a disk is needed. */
#define ASK_ONLY 3

/* Mounts of any namespace and root, swap, LVM, md, zfs and
 * whatever else has it for itself are found by this. */
bool host_paths_busy(const char *name) {
    char node[VH_PATH_MAX];
    if (!str_fmt(node, sizeof node, "/dev/%s", name))
        return false;
    for (char *c = node + strlen("/dev/"); *c != '\0'; c++)
        *c = *c == '!' ? '/' : *c; /* as the kernel names what lies in a directory */
    int fd = sysfs_open(node, ASK_ONLY | O_EXCL | O_NONBLOCK | O_NOFOLLOW);
    if (fd >= 0)
        (void)close(fd);
    return fd < 0 && errno == EBUSY;
}
