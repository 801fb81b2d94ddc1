/*
 * sandbox.h - what a process gives up for the rest of its life: capabilities, paths, system calls.
 */
#ifndef VHOTPLUG_SANDBOX_H
#define VHOTPLUG_SANDBOX_H

#include <stdbool.h>

enum sandbox_role {
    SANDBOX_DAEMON,
    SANDBOX_DEVICE,    /* reads, opens and resets devices */
    SANDBOX_OPENER,    /* the process of opener.h */
    SANDBOX_LOGGER,    /* the process of logger.h */
    SANDBOX_CONNECTOR, /* the process of connector_work.h */
    SANDBOX_DISK,      /* the process of disk_worker.h */
    SANDBOX_PORT,      /* the process of port_worker.h */
    SANDBOX_VFIO,      /* the process of vfio_worker.h */
};

/* What may be done below a path. */
enum {
    SANDBOX_READ = 1,    /* read files and list directories */
    SANDBOX_WRITE = 2,   /* write to existing files */
    SANDBOX_IOCTL = 4,   /* make ioctls on device nodes, or pass the nodes on */
    SANDBOX_REPLACE = 8, /* make and remove files, write to them */
    SANDBOX_SOCKET = 16, /* make and remove sockets, and directories for them */
    SANDBOX_REMOVE = 32, /* remove files, sockets included */
    SANDBOX_MKDIR = 64,  /* make directories */
    /* How the path is resolved: */
    SANDBOX_ROOTED = 128,   /* below the root of sysfs.h */
    SANDBOX_ANCESTOR = 256, /* if missing: its nearest existing ancestor, but never the root directory */
    SANDBOX_PINNED = 512,   /* stays open: an inode of procfs lives only as long as it is open */
};

struct sandbox_path {
    const char *path; /* "" is none */
    unsigned what;
};

struct sandbox {
    enum sandbox_role role;
    const struct sandbox_path *paths;
    int npaths;
    bool keep_override; /* CAP_DAC_OVERRIDE: sockets of other users */
    bool configures;    /* SANDBOX_DEVICE: a node may be given a configuration */
    bool testing;       /* the tests' replacement for netlink may be opened */
};

/* --no-sandbox: sandbox_enter() does nothing. Call before it. */
void sandbox_disable(void);
bool sandbox_enabled(void);
/* False after logging why: the process must end then. A part that the kernel lacks is logged and left out. */
bool sandbox_enter(const struct sandbox *s);

#endif
