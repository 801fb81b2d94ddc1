/*
 * opener.h - opens what the daemon in its sandbox cannot open: a configuration that was replaced, a listening socket at
 * another address, the source of uevents. A helper process, the opener, does so on request.
 *
 * When an editor or a package manager replaces a file, the new file is another inode. A landlock rule on the old file
 * does not cover it, and a rule on its directory, often /etc, would cover /etc/shadow as well. So the opener learns the
 * path of the configuration at start, and landlock bounds all other requests. Before the daemon enters its sandbox, and
 * without a sandbox, the daemon opens these things itself.
 */
#ifndef VHOTPLUG_OPENER_H
#define VHOTPLUG_OPENER_H

#include <stdbool.h>

enum opener_what {
    OPEN_CONF,
    OPEN_UEVENTS,   /* at the path of the tests' replacement for netlink, or "" */
    OPEN_UNIX,      /* listens at the path; number: the mode */
    OPEN_TCP,       /* numeric address, port */
    OPEN_VSOCK,     /* port */
    OPEN_DIRECTORY, /* made if missing; its parent must exist */
};

/* The strings must stay valid; a directory may be "". */
struct opener_places {
    const char *conf;    /* the file */
    const char *sockets; /* where unix sockets may be made */
    const char *uevents; /* where the tests' replacement for netlink may be made */
    const char *state;   /* a directory that may be made */
};

bool opener_start(const struct opener_places *p); /* false after logging why */
void opener_seal(void);                           /* the daemon is in its sandbox: from here on the opener opens */
bool opener_sealed(void);
int opener_open(enum opener_what what, const char *text, unsigned number); /* a descriptor or -1 with errno */
void opener_forget(void); /* closes the socket, for a process that does not use the opener */

#endif
