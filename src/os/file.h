/*
 * file.h - reading a file to its end, bounded, and writing all of it.
 */
#ifndef VHOTPLUG_FILE_H
#define VHOTPLUG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Where the text of a file ends. FILE_END_LINE saves the last read() of small kernel files: sysfs returns a whole text
 * attribute to the first read() of a page, and the text ends with a newline. */
enum file_end { FILE_END, FILE_END_LINE };

/* Reads the whole file into dst. Length, or -1 with errno (EFBIG: the file is longer than cap). */
ssize_t file_read_whole(int fd, void *dst, size_t cap, enum file_end end);
/* Writes all n bytes. False with errno (ENOSPC: nothing was taken). */
bool file_write_whole(int fd, const void *src, size_t n);

#endif
