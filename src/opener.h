/*
 * opener.h - opens the configuration file again after the daemon has given up the right to, in a process of its own.
 *
 * A file that an editor or a package manager has replaced is another inode, so no right on the file would do, and one
 * on its directory, often /etc, would be one on /etc/shadow. The process can open that one path, and nothing else can
 * be asked of it.
 */
#ifndef VHOTPLUG_OPENER_H
#define VHOTPLUG_OPENER_H

#include <stdbool.h>

bool opener_start(const char *path); /* path must stay; false after logging why */
int opener_open(void);               /* a descriptor to read from, or -1 with open()'s errno */
void opener_forget(void);            /* in a process that has no business with it */

#endif
