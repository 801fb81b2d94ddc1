/*
 * state_file.h - the state file: read once, replaced whole. What is in it is memory.h's.
 */
#ifndef VHOTPLUG_STATE_FILE_H
#define VHOTPLUG_STATE_FILE_H

#include "codec/state_format.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads what is at path into *ms, which is all zero bytes; no file is no error. A file that cannot be read, or makes no
 * sense, is set aside as PATH.corrupt and logged, and *ms stays empty. path is the one for state_file_save() too. */
void state_file_load(const char *path, struct remembered_set *ms);
/* Atomic and durable: a temporary file is written and synced, renamed over the old one, and the directory synced. After
 * true a power loss leaves the new file, after false the old one counts; *why (static) is then "PATH: reason". May take
 * as long as the disk does. */
bool state_file_save(const struct remembered_set *ms, const char **why);

/* Where it writes; "" before state_file_load(), or if the path was no good. */
const char *state_file_directory(void);

#endif
