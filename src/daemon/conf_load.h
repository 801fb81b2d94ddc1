/*
 * conf_load.h - the configuration file becomes the configuration in force: at start, for --check and at a reload.
 */
#ifndef VHOTPLUG_CONF_LOAD_H
#define VHOTPLUG_CONF_LOAD_H

#include "config/conf.h"
#include "daemon/reload.h"
#include "os/opener.h"

#include <stdbool.h>

#define CONF_LOAD_DEFAULT "/etc/vhotplug.conf"
#define CONF_LOAD_STDIN "-" /* standard input: for --check, since it can be read only once */

/* The file to read, which must stay valid. NULL: the default one; if that does not exist, the built-in configuration.
 */
void conf_load_choose(const char *path);
const char *conf_load_path(void); /* of the file that is read */
/* At start. Problems go to `report` with a struct source (conf_print.h); NULL: to the log. *c is set in either case;
 * after false it holds only what was read before the error. */
bool conf_load_first(const struct conf **c, conf_diag_fn *report);
/* In the opener: reads the file. A descriptor of a copy of its text, or -1 with errno. *valid: the configuration, or
 * the built-in one, is usable, and *l says where it listens. */
int conf_load_copy(struct opener_listeners *l, bool *valid);
/* Reads what conf_load_copy() has returned (fd, or -1 and its errno) into other memory than that of `old` and aligns
 * the result with it (conf_align). NULL, all problems logged and told, if it is not usable. */
const struct conf *conf_load_again(int fd, int error, const struct conf *old, vm_set busy, reload_tell *tell);

/* The same for a process that reads the file for itself: all VMs of `old` stay, as far as there are rows, and nothing
 * is logged. */
const struct conf *conf_load_beside(const struct conf *old);

#endif
