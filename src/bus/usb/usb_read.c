/*
 * usb_read.c - a device as it is now, from its attributes, its plug and the host's use. Owns nothing but the way to ask
 * for reported devices; reports nothing itself.
 *
 * Attributes that last as long as the plug are read once: after that they come from the device as it was reported.
 */
#include "bus/usb/usb_read.h"

#include "base/str.h"
#include "bus/host_use.h"
#include "bus/usb/usb_sysfs.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static reported_fn *reported;

void usb_read_start(reported_fn *from) {
    reported = from;
}

/* By the last snapshot of what the host uses. */
static void protect(struct device *dev) {
    dev->protect[0] = '\0';
    if (device_is_hub(dev))
        (void)str_copy(dev->protect, sizeof dev->protect, "is a hub");
    else
        (void)host_use_reason(dev->sys_name, dev->protect, sizeof dev->protect);
}

/* The device as reported, if the report was complete and is still valid; else NULL. A reset keeps the incarnation, but
 * may change the number. */
static const struct device *still_valid(int dir, const char *sys_name, uint64_t incarnation) {
    const struct usb_plug *p = usb_plug_find(sys_name);
    if (reported == NULL || p == NULL || p->incarnation != incarnation || !p->complete)
        return NULL;
    const struct device *last = reported(sys_name);
    if (last == NULL || last->incarnation != incarnation || last->devnum != usb_sysfs_number(dir))
        return NULL;
    return last;
}

/* A device without interfaces is not complete: the kernel may not have been allowed to read its configuration yet. */
static bool read_plug(int dir, uint64_t incarnation, enum plug_phase phase, struct device *dev) {
    unsigned troubles = sysfs_troubles();
    const struct device *last = still_valid(dir, dev->sys_name, incarnation);
    bool named = last != NULL && last->settled;
    if (last != NULL)
        *dev = *last;
    else if (!usb_sysfs_plug(dir, dev))
        return false;
    struct usb_plug *p = usb_plug_add(dev->sys_name, incarnation, phase == PLUG_BOUND);
    if (p != NULL && phase == PLUG_BOUND)
        p->settled = true;
    dev->incarnation = incarnation;
    dev->settled = p == NULL || p->settled;
    if (!named)
        usb_sysfs_names(dir, dev);
    protect(dev);
    if (p != NULL) {
        p->complete = dev->malformed[0] == '\0' && dev->nifaces > 0 && sysfs_troubles() == troubles;
        p->protected = dev->protect[0] != '\0';
    }
    return true;
}

enum usb_read_result usb_read(const char *sys_name, enum plug_phase phase, struct device *dev, int *dir) {
    struct sys_stat st;
    memset(dev, 0, sizeof *dev);
    *dir = -1;
    if (!str_copy(dev->sys_name, sizeof dev->sys_name, sys_name))
        return USB_READ_GONE;
    int fd = usb_sysfs_open(sys_name);
    if (fd < 0)
        return errno == ENOENT || errno == ENODEV || errno == ENOTDIR ? USB_READ_GONE : USB_READ_FLUX;
    if (sys_stat(fd, "", AT_EMPTY_PATH, &st) && read_plug(fd, st.ino, phase, dev)) {
        *dir = fd;
        return USB_READ_OK;
    }
    (void)close(fd);
    return USB_READ_FLUX;
}
