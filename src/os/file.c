/*
 * file.c - reading a file to its end. Owns the handling of short and interrupted reads; never opens or closes a
 * descriptor.
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
