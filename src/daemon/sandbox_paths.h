/*
 * sandbox_paths.h - the paths that stay open after start: which ones the opener may use, which ones the
 * connectors, and which ones the daemon.
 */
#ifndef VHOTPLUG_SANDBOX_PATHS_H
#define VHOTPLUG_SANDBOX_PATHS_H

#include "config/conf.h"
#include "os/opener.h"
#include "os/sandbox.h"

/* What the opener may open, by the configuration at start. `uevents`: path of a test's stand-in for netlink, or NULL.
 * The result stays valid as long as conf_path. */
struct opener_places sandbox_paths_opener(const char *conf_path, const struct conf *conf, const char *uevents);
/* What a connector may read: the configuration. After sandbox_paths_opener(). Static. */
const struct sandbox_path *sandbox_paths_connector(int *n);
/* What a device worker may reach, in its process: by then the module lists are known, and the buses that
 * are there. authorises: with usbAuthorization. Static. */
const struct sandbox_path *sandbox_paths_device(bool authorises, int *n);
/* What a VFIO worker may reach, in its process: by then the nodes' directory is there. Static. */
const struct sandbox_path *sandbox_paths_vfio(int *n);

#endif
