/*
 * state_file.h - the state file: read once, replaced as a whole. Its format is state_format.h's.
 */
#ifndef VHOTPLUG_STATE_FILE_H
#define VHOTPLUG_STATE_FILE_H

#include "codec/state_format.h"

#include <stdbool.h>
#include <stddef.h>

enum state_file_place { STATE_FILE_PATH, STATE_FILE_TEMPORARY, STATE_FILE_DIRECTORY, STATE_FILE_PLACES };

/* Reads the file at path into *ms, which is all zero bytes; a missing file is no error. A file that cannot be read or
 * is not valid is renamed to PATH.corrupt, with a log line, and *ms holds nothing but why (ms->corrupt). So does a
 * missing file with a PATH.corrupt beside it. A file with more than finds room stays beside its successor as PATH.full;
 * if it cannot, nothing is saved; if decisions are among that, ms->corrupt says so. All others use the same path. */
void state_file_load(const char *path, struct remembered_set *ms);
void state_file_look(const char *path, struct remembered_set *ms); /* the same; changes nothing on the disk */
/* The file's text; its bytes, 0 if it does not fit or nothing is to be saved. */
size_t state_file_print(const struct remembered_set *ms, char *text, size_t cap);
/* Atomic and durable: writes and syncs a temporary file, renames it over the old one, and syncs the directory. After 0
 * a power loss leaves the new file. After an errno, which came up at *place, the old file counts. Blocks as long as the
 * disk does: only the disk worker calls this. */
int state_file_write(const char *text, size_t len, enum state_file_place *place);
const char *state_file_why(enum state_file_place place, int error); /* "PATH: reason"; static */

/* The directory of the file; "" before state_file_load(), or if the path was too long. */
const char *state_file_directory(void);

#endif
