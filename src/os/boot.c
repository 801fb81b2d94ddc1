/*
 * boot.c - reads the kernel's boot id. Keeps nothing.
 */
#include "os/boot.h"

#include "os/sysfs.h"

#include <fcntl.h>
#include <unistd.h>

void boot_id(char id[VH_BOOT_ID_MAX]) {
    int fd = sysfs_open("/proc/sys/kernel/random", O_PATH | O_DIRECTORY);
    id[0] = '\0';
    if (fd < 0 || sysfs_text(fd, "boot_id", id, VH_BOOT_ID_MAX) < 0)
        id[0] = '\0';
    if (fd >= 0)
        (void)close(fd);
}
