/*
 * sandbox_paths.c - the paths that stay open after start. Owns the names of the directories that follow from the
 * configuration. Opens nothing and enters no sandbox.
 */
#include "daemon/sandbox_paths.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/modules.h"
#include "daemon/state_file.h"

#include <string.h>

/* Directories; "" none. */
static char sockets[VH_PATH_MAX], uevent_dir[VH_PATH_MAX], state[VH_PATH_MAX];

/* "/run/vhotplug.sock" becomes "/run". Without a slash, or with NULL, "": then nothing may be made. */
static void parent_of(char *dst, const char *path) {
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    bool fits = str_copyn(dst, VH_PATH_MAX, path != NULL ? path : "", len);
    VH_ASSERT(fits); /* the paths of the configuration are shorter */
}

struct opener_places sandbox_paths_opener(const char *conf_path, const struct conf *conf, const char *uevents) {
    parent_of(sockets, conf->api.enable && conf->api.unix_on ? conf->api.unix_path : NULL);
    parent_of(uevent_dir, uevents);
    parent_of(state, conf->persistency ? conf->state_path : NULL);
    return (struct opener_places){.conf = conf_path, .sockets = sockets, .uevents = uevent_dir, .state = state};
}

const struct sandbox_path *sandbox_paths_daemon(int *n) {
    enum { FIXED = 9, DIRECTORIES = 3, PATHS = FIXED + DIRECTORIES + MODULES_PATHS };
    static const struct sandbox_path fixed[FIXED] = {
        /* Devices are links from /sys/bus, /sys/class and /sys/dev into /sys/devices. */
        {"/sys/devices", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/bus", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/class", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/dev", SANDBOX_READ | SANDBOX_ROOTED},
        {"/sys/fs/btrfs", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_ANCESTOR}, /* comes with its module */
        {"/proc/self", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
        {"/proc/net", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
        {"/proc/swaps", SANDBOX_READ | SANDBOX_ROOTED | SANDBOX_PINNED},
        {"/dev/bus/usb", SANDBOX_READ | SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_ROOTED},
    };
    const struct sandbox_path directories[DIRECTORIES] = {
        {state_file_directory(), SANDBOX_REPLACE | SANDBOX_ANCESTOR},
        {sockets, SANDBOX_REMOVE | SANDBOX_ANCESTOR}, /* the API's socket is removed at a reload and at the end */
        {uevent_dir, SANDBOX_REMOVE},
    };
    static struct sandbox_path paths[PATHS];
    memcpy(paths, fixed, sizeof fixed);
    memcpy(paths + FIXED, directories, sizeof directories);
    for (int i = 0; i < MODULES_PATHS; i++)
        paths[PATHS - 1 - i] = (struct sandbox_path){modules_path(i), SANDBOX_READ | SANDBOX_ROOTED};
    *n = PATHS;
    return paths;
}
