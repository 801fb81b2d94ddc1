/*
 * auth_record.c - which of the kernel's defaults are to be put back. Owns a small file beside the record of assignments
 * ("<general.recordPath>.usb"); changes nothing in sysfs.
 *
 * A daemon whose processes were all killed has left the defaults at 0, and the next one would take that for what the
 * host wants. So a default that reads 0 and was another one when an earlier daemon of this boot came is that other one.
 * What differs from 0 was put back, or somebody has chosen it since.
 */
#include "daemon/auth_record.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/usb/auth_default.h"
#include "os/boot.h"
#include "os/file.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[] = "vhotplug usb 1";
static char off[VH_TEXT_MAX];

struct image {
    char magic[16];
    char boot[VH_BOOT_ID_MAX];
    struct auth_values values;
};

/* Of root or of the user that the daemon runs as, and written by nobody else. */
static bool read_earlier(int dir, const char *name, struct image *im) {
    char boot[VH_BOOT_ID_MAX];
    struct stat st;
    boot_id(boot);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
                (st.st_mode & 022) == 0 && st.st_size == (off_t)sizeof *im &&
                file_read_whole(fd, im, sizeof *im, FILE_END) == (ssize_t)sizeof *im;
    (void)close(fd);
    return good && memcmp(im->magic, magic, sizeof magic) == 0 && memchr(im->boot, '\0', sizeof im->boot) != NULL &&
           str_eq(im->boot, boot) && auth_default_is(&im->values);
}

static bool take(int32_t *now, int32_t earlier) {
    if (*now != 0 || earlier == 0)
        return false;
    *now = earlier;
    return true;
}

/* A bus that came while the earlier daemon ran got what the parameter was then. */
static bool take_earlier(struct auth_values *now, const struct auth_values *earlier) {
    bool any = take(&now->parameter, earlier->parameter);
    for (uint32_t i = 0; i < now->n; i++) {
        const struct auth_bus *was = NULL;
        for (uint32_t k = 0; k < earlier->n && was == NULL; k++)
            was = str_eq(earlier->bus[k].name, now->bus[i].name) ? &earlier->bus[k] : NULL;
        int32_t device = was != NULL ? was->device : earlier->parameter < 0 ? 1 : earlier->parameter;
        any = take(&now->bus[i].device, device) || any;
        any = take(&now->bus[i].interface, was != NULL ? was->interface : 1) || any;
    }
    return any;
}

static bool replace(int dir, const char *name, const struct image *im) {
    char fresh[VH_PATH_MAX];
    if (!str_fmt(fresh, sizeof fresh, "%s.new", name)) {
        errno = ENAMETOOLONG;
        return false;
    }
    (void)unlinkat(dir, fresh, 0); /* left by a daemon that died while writing */
    int fd = openat(dir, fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && file_write_whole(fd, im, sizeof *im) && renameat(dir, fresh, dir, name) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    errno = saved;
    return ok;
}

/* Splits at the last slash: the path is absolute. The directory is below the root of sysfs.h. */
static int open_parent(const char *path, const char **name) {
    char parent[VH_PATH_MAX];
    const char *slash = strrchr(path, '/');
    VH_ASSERT(slash != NULL && str_copyn(parent, sizeof parent, path, (size_t)(slash - path)));
    *name = slash + 1;
    return sysfs_open(parent, O_PATH | O_DIRECTORY);
}

bool auth_record_start(const struct conf *conf) {
    static struct image im, earlier; /* padding is zero */
    char path[VH_PATH_MAX + 8];
    const char *name = "";
    if (!conf->authorization.enabled)
        return true;
    if (!auth_default_read(&im.values, off, sizeof off)) {
        log_error("usbAuthorization is off: %s", off);
        return false;
    }
    bool fits = str_fmt(path, sizeof path, "%s.usb", conf->record_path);
    VH_ASSERT(fits);
    int dir = open_parent(path, &name);
    bool again = dir >= 0 && read_earlier(dir, name, &earlier) && take_earlier(&im.values, &earlier.values);
    memcpy(im.magic, magic, sizeof magic);
    boot_id(im.boot);
    bool noted = dir >= 0 && replace(dir, name, &im);
    if (!noted) { /* a host whose keyboard stays dead is the worst outcome */
        (void)str_fmt(off, sizeof off, "what is to be put back cannot be noted: %s: %s", path, strerror(errno));
        log_error("usbAuthorization is off: %s", off);
    }
    if (noted && again)
        log_warn("usbAuthorization: an earlier daemon was killed and has not put back what the kernel authorises");
    if (noted)
        auth_default_start(&im.values, again);
    if (dir >= 0)
        (void)close(dir);
    return noted;
}

const char *auth_record_why(void) {
    return off;
}
