/*
 * test_logger.c - logger.c: what several processes log through it comes out, line by line; what does not is counted.
 * Without the sandbox, because the sanitizers need more calls than it allows: system/test_log.py has it.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "os/logger.h"
#include "os/sandbox.h"
#include "test.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 4, LINES = 5000, LONGEST = 1900 };

/* Runs `work` in a daemon with a logger. Where its standard error comes out. */
static int start(void (*work)(void), pid_t *pid) {
    int out[2];
    (void)fflush(stdout);
    if (pipe(out) != 0 || (*pid = fork()) < 0)
        exit(1);
    if (*pid == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(out[1], STDERR_FILENO);
        (void)close(out[0]);
        (void)close(out[1]);
        log_open("me", LOG_DEBUG);
        if (!logger_start() || !logger_use())
            _exit(9);
        work();
        _exit(0);
    }
    (void)close(out[1]);
    return out[0];
}

static bool ended_well(pid_t pid) {
    int status = 0;
    return waitpid(pid, &status, 0) == pid && status == 0;
}

/* ---- several processes ---- */

static void flood(int me) {
    static char text[LONGEST + 1];
    memset(text, 'a' + me, LONGEST);
    for (int i = 1; i <= LINES; i++)
        log_info("p=%d n=%d %s", me, i, text + (size_t)(i * 37 % LONGEST));
    for (int64_t at = 0; (at = log_dropped_deadline()) != VH_NEVER;) {
        log_dropped_tick(at); /* each has told how many it has lost before it ends */
        (void)usleep(1000);
    }
}

static void flood_of_several(void) {
    for (int i = 0; i < WORKERS; i++) {
        if (fork() == 0) {
            flood(i);
            _exit(0);
        }
    }
    for (int i = 0, status = 0; i < WORKERS; i++) {
        if (wait(&status) < 0 || status != 0)
            _exit(8);
    }
}

static long got, lost, wrong;

static void judge(const char *line) {
    static int last[WORKERS];
    unsigned long long dropped = 0;
    int who = 0, n = 0, at = 0;
    if (sscanf(line, "<4>me: log lines were dropped: %llu\n", &dropped) == 1) {
        lost += (long)dropped;
        return;
    }
    bool ok = sscanf(line, "<6>me: p=%d n=%d %n", &who, &n, &at) == 2 && who >= 0 && who < WORKERS && n > last[who];
    if (ok) {
        size_t len = LONGEST - (size_t)(n * 37 % LONGEST);
        const char letter[] = {(char)('a' + who), '\0'};
        ok = strspn(line + at, letter) == len && strcmp(line + at + len, "\n") == 0;
        last[who] = n;
    }
    got += ok;
    wrong += !ok;
}

static void lines_of_several_processes_never_mix(void) {
    static char line[8192];
    pid_t pid = 0;
    FILE *f = fdopen(start(flood_of_several, &pid), "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        judge(line);
    CHECK(f != NULL && fclose(f) == 0);
    CHECK(ended_well(pid));
    printf("# %ld lines of %d processes came, %ld were dropped\n", got, WORKERS, lost);
    CHECK_INT(wrong, 0);
    CHECK_INT(got + lost, (long)WORKERS * LINES);
    CHECK(got >= WORKERS);
}

/* ---- one process ---- */

static char text[65536];

static const char *all_of(int fd) {
    size_t have = 0;
    ssize_t n = 0;
    while (have < sizeof text - 1 && (n = read(fd, text + have, sizeof text - 1 - have)) > 0)
        have += (size_t)n;
    text[have] = '\0';
    (void)close(fd);
    return text;
}

static void say_and_abort(void) {
    log_info("before");
    vh_assert_failed("a == b", "file.c", 12);
}

static void the_last_words_come_out(void) {
    pid_t pid = 0;
    int status = 0, fd = start(say_and_abort, &pid);
    CHECK_STR(all_of(fd), "<6>me: before\n<3>me: assertion failed: file.c:12: a == b\n");
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* Of the C library, for instance. */
static void write_what_is_no_line(void) {
    static char big[2 * VH_LOG_READ];
    memset(big, 'x', sizeof big);
    if (write(STDERR_FILENO, big, sizeof big) != (ssize_t)sizeof big)
        _exit(7);
    if (write(STDERR_FILENO, "\nend", 4) != 4)
        _exit(7);
}

static void what_is_no_line_comes_out_too(void) {
    pid_t pid = 0;
    int fd = start(write_what_is_no_line, &pid);
    (void)all_of(fd);
    CHECK_INT(strspn(text, "x"), 2 * VH_LOG_READ);
    CHECK_STR(text + strspn(text, "x"), "\nend");
    CHECK(ended_well(pid));
}

/* Its copies would keep a pipe open that somebody waits for. */
static void look_at_descriptors(void) {
    log_info("nonblocking=%d", (fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK) != 0);
}

static void who_logs_does_not_wait_and_standard_error_stays_as_it_is(void) {
    pid_t pid = 0;
    int fd = start(look_at_descriptors, &pid);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_STR(all_of(fd), "<6>me: nonblocking=1\n");
    CHECK(ended_well(pid));
}

int main(void) {
    sandbox_disable();
    RUN(lines_of_several_processes_never_mix);
    RUN(the_last_words_come_out);
    RUN(what_is_no_line_comes_out_too);
    RUN(who_logs_does_not_wait_and_standard_error_stays_as_it_is);
    TEST_MAIN_END;
}
