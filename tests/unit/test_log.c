/*
 * test_log.c - log.c: one line for each event, whatever a device or a client calls itself; levels; errno survives.
 */
#include "base/log.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char got[8192];

/* What log_line writes to stderr, in got. */
#define LOGGED(...)                                       \
    do {                                                  \
        int pipe_[2], saved_ = dup(STDERR_FILENO);        \
        if (saved_ < 0 || pipe(pipe_) != 0)               \
            exit(1);                                      \
        (void)dup2(pipe_[1], STDERR_FILENO);              \
        (void)close(pipe_[1]);                            \
        log_line(__VA_ARGS__);                            \
        (void)dup2(saved_, STDERR_FILENO);                \
        (void)close(saved_);                              \
        ssize_t n_ = read(pipe_[0], got, sizeof got - 1); \
        got[n_ > 0 ? n_ : 0] = '\0';                      \
        (void)close(pipe_[0]);                            \
    } while (0)

static void a_line_carries_its_level(void) {
    log_open("me", LOG_DEBUG);
    LOGGED(LOG_ERROR, "%s", "text");
    CHECK_STR(got, "<3>me: text\n");
    LOGGED(LOG_DEBUG, "n=%d", 5);
    CHECK_STR(got, "<7>me: n=5\n");
}

/* A person reads it: a word, or nothing, in place of the number. */
static void on_a_terminal_the_level_is_a_word(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY), saved = dup(STDERR_FILENO);
    CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    CHECK(slave >= 0 && dup2(slave, STDERR_FILENO) == STDERR_FILENO);
    log_open("me", LOG_DEBUG);
    log_line(LOG_ERROR, "one");
    log_line(LOG_WARN, "two");
    log_line(LOG_INFO, "three");
    (void)dup2(saved, STDERR_FILENO);
    size_t len = 0;
    got[0] = '\0';
    for (ssize_t n = 1; n > 0 && strstr(got, "three") == NULL; len += (size_t)n) {
        n = read(master, got + len, sizeof got - 1 - len);
        got[n > 0 ? len + (size_t)n : len] = '\0';
    }
    CHECK_STR(got, "me: error: one\r\nme: warning: two\r\nme: three\r\n"); /* a terminal has line ends of its own */
    (void)close(saved);
    (void)close(slave);
    (void)close(master);
    log_open("me", LOG_DEBUG);
}

/* "2026-11-29T19:00:00Z " and the text; the product's own sscanf() knows less than this needs. */
static bool is_dated(const char *line, const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ ";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
            return false;
    }
    return strncmp(line + sizeof form - 1, text, strlen(text)) == 0 && line[0] == '2';
}

/* Whoever reads a pipe notes the time itself; in a file nobody does. */
static void in_a_file_a_line_begins_with_the_time(void) {
    int file = memfd_create("log", 0), saved = dup(STDERR_FILENO);
    CHECK(file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
    log_open("me", LOG_DEBUG);
    log_line(LOG_INFO, "before");
    log_stamp();
    log_line(LOG_INFO, "after");
    log_copy("<4>of another\n", 14);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    ssize_t len = pread(file, got, sizeof got - 1, 0);
    got[len > 0 ? len : 0] = '\0';
    (void)close(file);
    CHECK(strncmp(got, "<6>me: before\n", 14) == 0);
    CHECK(is_dated(got + 14, "<6>me: after\n"));
    CHECK(is_dated(got + 14 + 34, "<4>of another\n"));
    LOGGED(LOG_INFO, "still");
    CHECK(strstr(got, "Z <6>me: still\n") != NULL); /* the kind of file was looked at by log_stamp() */
    log_open("me", LOG_DEBUG);
    LOGGED(LOG_INFO, "text");
    CHECK_STR(got, "<6>me: text\n");
}

static void what_is_above_the_level_is_dropped(void) {
    log_open("me", LOG_WARN);
    LOGGED(LOG_ERROR, "one");
    CHECK_STR(got, "<3>me: one\n");
    LOGGED(LOG_WARN, "two");
    CHECK_STR(got, "<4>me: two\n");
    LOGGED(LOG_INFO, "text");
    CHECK_STR(got, "");
    log_open("me", LOG_DEBUG);
}

static void nothing_in_a_line_ends_it(void) {
    LOGGED(LOG_INFO, "%s", "a\nb\rc\x1b[2J\x7f\x01z");
    CHECK_STR(got, "<6>me: a?b?c?[2J??z\n");
}

static void nothing_in_a_line_steers_a_terminal_or_turns_text(void) {
    LOGGED(LOG_INFO, "%s",
           "\xc2\x9b"
           "2J\xc2\x85|\xe2\x80\xae"
           "exe|\xe2\x81\xa6|\xe2\x80\xa8|\xef\xbb\xbf");
    CHECK_STR(got, "<6>me: ?2J?|?exe|?|?|?\n");
    LOGGED(LOG_INFO, "%s", "ä€\xf0\x9f\x98\x80\xc2\xa0");
    CHECK_STR(got, "<6>me: ä€\xf0\x9f\x98\x80\xc2\xa0\n");
}

static void what_is_no_utf8_is_replaced(void) {
    LOGGED(LOG_INFO, "%s", "a\xff|\xc3|\xe2\x80|\xed\xa0\x80");
    CHECK_STR(got, "<6>me: a?|?|??|???\n");
}

static void a_line_that_is_too_long_is_told_not_cut(void) {
    char big[4096];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    LOGGED(LOG_WARN, "name=%s", big);
    CHECK_STR(got, "<4>me: (a line of over 2048 bytes was left out: name=%s)\n");
    big[2048 - 2 - 7] = '\0'; /* the longest that fits with its prefix, newline and NUL */
    LOGGED(LOG_WARN, "%s", big);
    CHECK_INT(strlen(got), 2047);
    CHECK(got[2046] == '\n' && got[2045] == 'x');
}

static void errno_survives(void) {
    errno = ENOTDIR;
    LOGGED(LOG_INFO, "x");
    errno = ENOTDIR;
    int saved = dup(STDERR_FILENO);
    (void)close(STDERR_FILENO);
    errno = ENOTDIR;
    log_line(LOG_ERROR, "a line that cannot be written");
    CHECK_INT(errno, ENOTDIR);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    LOGGED(LOG_INFO, "x");
    CHECK_STR(got, "<4>me: log lines were dropped: 1\n<6>me: x\n");
}

static void a_broken_invariant_says_where_and_aborts(void) {
    int out[2], status = 0;
    if (pipe(out) != 0)
        exit(1);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(out[1], STDERR_FILENO);
        vh_assert_failed("a == b", "file.c", 12);
    }
    (void)close(out[1]);
    ssize_t n = read(out[0], got, sizeof got - 1);
    got[n > 0 ? n : 0] = '\0';
    (void)close(out[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    got[strcspn(got, "\n")] = '\0'; /* an emulator tells of the signal on the same stderr */
    CHECK_STR(got, "<3>me: assertion failed: file.c:12: a == b");
}

int main(void) {
    RUN(a_line_carries_its_level);
    RUN(on_a_terminal_the_level_is_a_word);
    RUN(in_a_file_a_line_begins_with_the_time);
    RUN(what_is_above_the_level_is_dropped);
    RUN(nothing_in_a_line_ends_it);
    RUN(nothing_in_a_line_steers_a_terminal_or_turns_text);
    RUN(what_is_no_utf8_is_replaced);
    RUN(a_line_that_is_too_long_is_told_not_cut);
    RUN(errno_survives);
    RUN(a_broken_invariant_says_where_and_aborts);
    TEST_MAIN_END;
}
