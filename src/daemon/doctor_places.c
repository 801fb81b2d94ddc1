/*
 * doctor_places.c - are the directories there that the daemon writes to, and does the host know the owner of its
 * socket? Changes nothing: a directory that the daemon would make is not made here.
 */
#include "daemon/doctor_places.h"

#include "base/str.h"
#include "daemon/doctor_say.h"
#include "os/accounts.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void parent_of(const char *path, char *dst, size_t cap) {
    const char *slash = strrchr(path, '/');
    size_t n = slash != NULL && slash != path ? (size_t)(slash - path) : 1;
    (void)str_copyn(dst, cap, path, n); /* dst has the bound of the paths */
}

/* The daemon makes a directory that is missing if the one above it is there. 0, or an errno. */
static int obstacle(const char *dir) {
    char above[VH_PATH_MAX];
    if (access(dir, W_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return errno;
    parent_of(dir, above, sizeof above);
    return access(above, W_OK) == 0 ? 0 : errno;
}

/* True if the directory of this file can be used. loss: what comes of it if not. */
static bool usable(const char *what, const char *path, const char *loss) {
    char dir[VH_PATH_MAX];
    parent_of(path, dir, sizeof dir);
    int error = obstacle(dir);
    if (error == ENOENT)
        doctor_say(PROBLEM, "%s: no directory %s; %s (mkdir -p %s)", what, dir, loss, dir);
    else if (error != 0)
        doctor_say(PROBLEM, "%s: %s: %s; %s%s", what, dir, strerror(error), loss,
                   error == EROFS ? " (mount a disk there, or a tmpfs in fstab)" : "");
    return error == 0;
}

/* Below the root of sysfs.h, and never made by the daemon. */
static void record(const struct conf *c) {
    char dir[VH_PATH_MAX];
    parent_of(c->record_path, dir, sizeof dir);
    int fd = c->record_path[0] == '/' ? sysfs_open(dir, O_PATH | O_DIRECTORY) : 0;
    if (fd < 0)
        doctor_say(PROBLEM, "record: %s: %s; after a restart each device waits for every VM (mkdir -p %s)", dir,
                   strerror(errno), dir);
    else if (fd > 0)
        (void)close(fd);
}

static void owner(const char *key, const char *file, const char *name, const char *command) {
    int64_t id = 0;
    if (name[0] != '\0' && !accounts_id(file, name, &id))
        doctor_say(PROBLEM,
                   "API: general.api.%s: '%s' is not in %s; the socket stays with the daemon's own (%s %s, or "
                   "correct the name)",
                   key, name, file, command, name);
}

void doctor_places(const struct conf *c) {
    if (c->persistency && usable("state", c->state_path, "what users choose is forgotten at the next start"))
        doctor_say(FINE, "state: %s", c->state_path);
    record(c);
    if (!c->api.enable || !c->api.unix_on)
        return;
    (void)usable("API", c->api.unix_path, "nobody can connect to its unix socket"); /* said if not */
    owner("unixSocketUser", ACCOUNTS_USERS, c->api.unix_user, "adduser");
    owner("unixSocketGroup", ACCOUNTS_GROUPS, c->api.unix_group, "addgroup");
}

bool doctor_vm_directory(const char *vm, const char *socket) {
    char dir[VH_PATH_MAX];
    parent_of(socket, dir, sizeof dir);
    bool missing = access(dir, F_OK) != 0 && errno == ENOENT;
    if (missing)
        doctor_say(NOTE,
                   "VM %s: not running, and no directory %s for its socket (mkdir -p %s, or correct vms[].socket)", vm,
                   dir, dir);
    return missing;
}
