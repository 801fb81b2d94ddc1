/*
 * state_file.h - the state file: read once, replaced as a whole. Its format is state_format.h's.
 */
#ifndef VHOTPLUG_STATE_FILE_H
#define VHOTPLUG_STATE_FILE_H

#include "codec/state_format.h"

#include <stdbool.h>
#include <stddef.h>

/* Reads the file at path into *ms, which is all zero bytes; a missing file is no error. A file that cannot be read or
 * is not valid is renamed to PATH.corrupt, with a log line, and *ms stays empty. state_file_save() uses the same path.
 */
void state_file_load(const char *path, struct remembered_set *ms);
/* Atomic and durable: writes and syncs a temporary file, renames it over the old one, and syncs the directory. After
 * true a power loss leaves the new file. After false the old file counts, and *why (static) is "PATH: reason". Blocks
 * as long as the disk does. */
bool state_file_save(const struct remembered_set *ms, const char **why);

/* The directory of the file; "" before state_file_load(), or if the path was too long. */
const char *state_file_directory(void);

#endif
