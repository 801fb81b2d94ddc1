/*
 * file.c - reading a file to its end, and writing all of it. Owns the handling of short and interrupted calls; never
 * opens or closes a descriptor.
 */
#include "os/file.h"

#include <errno.h>
#include <unistd.h>

ssize_t file_read_whole(int fd, void *dst, size_t cap, enum file_end end) {
    char *text = dst, more;
    for (size_t len = 0;;) {
        if (end == FILE_END_LINE && len > 0 && text[len - 1] == '\n')
            return (ssize_t)len;
        ssize_t n = len < cap ? read(fd, text + len, cap - len) : read(fd, &more, 1);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0)
            return (ssize_t)len;
        if (n > 0 && len == cap) {
            errno = EFBIG;
            return -1;
        }
        len += n > 0 ? (size_t)n : 0;
    }
}

bool file_write_whole(int fd, const void *src, size_t n) {
    for (const char *p = src; n > 0;) {
        ssize_t put = write(fd, p, n);
        if (put < 0 && errno != EINTR)
            return false;
        if (put == 0) {
            errno = ENOSPC;
            return false;
        }
        if (put > 0) {
            p += put;
            n -= (size_t)put;
        }
    }
    return true;
}
