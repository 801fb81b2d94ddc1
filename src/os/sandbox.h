/*
 * sandbox.h - what a process gives up for good when it has started: capabilities, paths, system calls.
 */
#ifndef VHOTPLUG_SANDBOX_H
#define VHOTPLUG_SANDBOX_H

#include <stdbool.h>

enum sandbox_role {
    SANDBOX_DAEMON,
    SANDBOX_RESET,  /* the helper that resets devices */
    SANDBOX_OPENER, /* the one that opens the configuration again */
};

/* What may be done below a path. */
enum {
    SANDBOX_READ = 1,    /* read files and list directories */
    SANDBOX_WRITE = 2,   /* write to files that are there */
    SANDBOX_IOCTL = 4,   /* device nodes: handed on or used */
    SANDBOX_REPLACE = 8, /* make and remove files, write to them */
    SANDBOX_SOCKET = 16, /* make and remove sockets, and directories for them */
    SANDBOX_REMOVE = 32, /* remove files, sockets included */
    SANDBOX_MKDIR = 64,  /* make directories */
    /* How the path is taken: */
    SANDBOX_ROOTED = 128,   /* below the root of sysfs.h */
    SANDBOX_ANCESTOR = 256, /* while it is missing, its nearest ancestor but the root directory stands for it */
    SANDBOX_PINNED = 512,   /* of procfs, whose inodes live only as long as somebody holds them */
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
    bool testing;       /* the stand-in for netlink may be opened anew */
};

/* Before any sandbox_enter(): there is none (--no-sandbox). */
void sandbox_disable(void);
bool sandbox_enabled(void);
/* False after logging why: then the process must not go on. What the kernel does not have is logged and left out. */
bool sandbox_enter(const struct sandbox *s);

#endif
