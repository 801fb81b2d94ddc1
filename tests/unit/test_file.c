/*
 * test_file.c - file.c: a file that fits, one that fits exactly, one that is too long; text in pieces; a read that is
 * interrupted or fails.
 */
#include "fault.h"
#include "os/file.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int ends[2];

/* A pipe that holds `text` and then its end. */
static int file_of(const char *text) {
    if (pipe(ends) != 0 || write(ends[1], text, strlen(text)) != (ssize_t)strlen(text))
        return -1;
    (void)close(ends[1]);
    return ends[0];
}

static ssize_t read_of(const char *text, char *dst, size_t cap, enum file_end end) {
    int fd = file_of(text);
    ssize_t n = file_read_whole(fd, dst, cap, end);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return n;
}

static void what_fits_is_read_to_its_end(void) {
    char dst[8];
    CHECK_INT(read_of("", dst, sizeof dst, FILE_END), 0);
    CHECK_INT(read_of("1234567", dst, sizeof dst, FILE_END), 7);
    CHECK(memcmp(dst, "1234567", 7) == 0);
    CHECK_INT(read_of("12345678", dst, sizeof dst, FILE_END), 8);
    CHECK(memcmp(dst, "12345678", 8) == 0);
}

static void what_is_longer_is_refused(void) {
    char dst[8];
    CHECK_INT(read_of("123456789", dst, sizeof dst, FILE_END), -1);
    CHECK_INT(errno, EFBIG);
    CHECK_INT(read_of("123456789\n", dst, sizeof dst, FILE_END_LINE), -1);
    CHECK_INT(errno, EFBIG);
}

/* The writer stays: a read() after the newline would wait for ever. */
static void a_newline_at_the_end_of_a_read_saves_another(void) {
    char dst[8];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(write(ends[1], "a\nb\n", 4), 4);
    CHECK_INT(file_read_whole(ends[0], dst, sizeof dst, FILE_END_LINE), 4);
    (void)close(ends[1]);
    CHECK_INT(file_read_whole(ends[0], dst, sizeof dst, FILE_END_LINE), 0);
    (void)close(ends[0]);
    CHECK_INT(read_of("a\nb", dst, sizeof dst, FILE_END_LINE), 3);
}

static void an_interrupted_read_is_repeated(void) {
    char dst[8];
    int fd = file_of("abc");
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    fail_call("read", 1, EINTR);
    CHECK_INT(file_read_whole(fd, dst, sizeof dst, FILE_END), 3);
    (void)close(fd);
}

static void a_read_that_fails_says_why(void) {
    char dst[8];
    fail_call("read", 1, EIO);
    CHECK_INT(read_of("abc", dst, sizeof dst, FILE_END), -1);
    CHECK_INT(errno, EIO);
    CHECK_INT(file_read_whole(-1, dst, sizeof dst, FILE_END), -1);
    CHECK_INT(errno, EBADF);
}

int main(void) {
    RUN(what_fits_is_read_to_its_end);
    RUN(what_is_longer_is_refused);
    RUN(a_newline_at_the_end_of_a_read_saves_another);
    RUN(an_interrupted_read_is_repeated);
    RUN(a_read_that_fails_says_why);
    TEST_MAIN_END;
}
