/*
 * opener.h - opens again what the daemon may not any more, in a process of its own: a configuration that was replaced,
 * a listening socket at another place, the source of uevents.
 *
 * A file that an editor or a package manager has replaced is another inode, so no right on the file would do, and one
 * on its directory, often /etc, would be one on /etc/shadow. That path is fixed at start; what else may be asked for,
 * landlock bounds. Before the sandbox is shut, and where there is none, the same is done here.
 */
#ifndef VHOTPLUG_OPENER_H
#define VHOTPLUG_OPENER_H

#include <stdbool.h>

enum opener_what {
    OPEN_CONF,
    OPEN_UEVENTS,   /* at the path of a test's stand-in, or "" */
    OPEN_UNIX,      /* listens at the path; number: the mode */
    OPEN_TCP,       /* numeric address, port */
    OPEN_VSOCK,     /* port */
    OPEN_DIRECTORY, /* made if only it is missing */
};

/* All of them must stay; a directory may be "". */
struct opener_places {
    const char *conf;    /* the file */
    const char *sockets; /* where unix sockets may be made */
    const char *uevents; /* where a test's stand-in may be made */
    const char *state;   /* a directory that may be made */
};

bool opener_start(const struct opener_places *p); /* false after logging why */
void opener_seal(void);                           /* the sandbox is shut: from here on the other process is asked */
bool opener_sealed(void);
int opener_open(enum opener_what what, const char *text, unsigned number); /* a descriptor or -1 with errno */
void opener_forget(void); /* in a process that has no business with it */

#endif
