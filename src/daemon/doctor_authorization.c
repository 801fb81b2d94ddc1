/*
 * doctor_authorization.c - can the kernel be told to authorise nothing by itself, and does it do so without a reason? A
 * daemon whose processes were all killed leaves that. Opens the files for writing and writes nothing.
 */
#include "daemon/doctor_authorization.h"

#include "base/limits.h"
#include "base/str.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/usb_sysfs.h"
#include "daemon/doctor_say.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <unistd.h>

void doctor_authorization(const struct conf *c) {
    static struct auth_values v;
    char why[VH_TEXT_MAX] = "", path[VH_PATH_MAX];
    unsigned closed = 0, unwritable = 0;
    bool known = auth_default_read(&v, why, sizeof why);
    for (uint32_t i = 0; i < v.n; i++) {
        closed += v.bus[i].device == 0;
        (void)str_fmt(path, sizeof path, USB_DEVICES "/%s/authorized_default", v.bus[i].name); /* short names */
        int fd = sysfs_open(path, O_WRONLY);
        unwritable += fd < 0;
        if (fd >= 0)
            (void)close(fd);
    }
    if (c->authorization.enabled && !known)
        doctor_say(PROBLEM, "usbAuthorization: %s; the kernel would authorise what is plugged in", why);
    else if (c->authorization.enabled && unwritable > 0)
        doctor_say(PROBLEM,
                   "usbAuthorization: authorized_default of %u buses cannot be written; the kernel would "
                   "authorise what is plugged in there (is /sys writable?)",
                   unwritable);
    else if (c->authorization.enabled)
        doctor_say(FINE, "usbAuthorization: authorized_default of %u buses can be written", (unsigned)v.n);
    else if (known && closed > 0)
        doctor_say(NOTE,
                   "usbAuthorization is off, and at %u buses nothing is authorised that is plugged in "
                   "(authorized_default is 0: by whom?)",
                   closed);
}
