/*
 * test_disk_worker.c - disk_worker.c: each save ends once, whatever the process that writes does: it fails, waits for
 * the disk, answers late, twice or nonsense, or dies. Its part that writes is a stand-in here.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/disk_worker.h"
#include "daemon/state_file.h"
#include "os/clock.h"
#include "os/sandbox.h"
#include "os/worker.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum way { WRITES, FAILS, WAITS, TWICE, BAD_ERROR, BAD_PLACE, DIES };

/* What both processes see. */
static struct shared {
    enum way way;
    size_t len;
    char text[64];
    unsigned writes;
} * shared;

static int gate[2]; /* WAITS until something comes here */
static struct remembered_set ms;
static const char *directory = "/state";
static bool fits = true;
static char ends[512]; /* what disk_worker.c has reported */

/* ---- the stand-in for state_file.c ---- */

const char *state_file_directory(void) {
    return directory;
}

size_t state_file_print(const struct remembered_set *set, char *text, size_t cap) {
    (void)set;
    return fits ? (size_t)snprintf(text, cap, "content") : 0;
}

const char *state_file_why(enum state_file_place place, int error) {
    static char why[128];
    (void)snprintf(why, sizeof why, "%d: %s", (int)place, strerror(error));
    return why;
}

/* An answer to no order, by the only socket of the process. */
static void answer_nobody(void) {
    for (int fd = 3; fd < 64; fd++) {
        const uint32_t words[4] = {0x55555555, 1, 0, 0};
        int type = 0;
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0)
            (void)send(fd, words, sizeof words, 0);
    }
}

int state_file_write(const char *text, size_t len, enum state_file_place *place) {
    char c;
    shared->len = len;
    memcpy(shared->text, text, len < sizeof shared->text ? len : sizeof shared->text);
    shared->writes++;
    *place = STATE_FILE_TEMPORARY;
    switch (shared->way) {
    case FAILS:
        return ENOSPC;
    case WAITS:
        (void)read(gate[0], &c, 1);
        break;
    case TWICE:
        answer_nobody();
        break;
    case BAD_ERROR:
        return -1;
    case BAD_PLACE:
        *place = STATE_FILE_PLACES;
        return EIO;
    case DIES:
        _exit(1);
    case WRITES:
        break;
    }
    return 0;
}

/* ---- the daemon's side ---- */

static void report(const char *text) {
    size_t at = strlen(ends);
    (void)snprintf(ends + at, sizeof ends - at, "%s;", text);
}

static void on_saved(bool ok, const char *why) {
    report(ok ? "saved" : why);
}

static void on_answers(void) {
    report("answers");
}

static void start(void) {
    static const struct disk_worker_calls calls = {.saved = on_saved, .answers = on_answers};
    ends[0] = '\0';
    shared->way = WRITES;
    CHECK(disk_worker_start(&calls));
}

static void stop(void) {
    disk_worker_stop();
    while (waitpid(-1, NULL, 0) > 0) {
    }
    CHECK_INT(disk_worker_deadline(), VH_NEVER);
}

static void save(enum way way) {
    shared->way = way;
    ends[0] = '\0';
    disk_worker_save(&ms, clock_now());
}

/* No more changes to `way`: the worker may not have looked at it yet. */
static void save_again(void) {
    ends[0] = '\0';
    disk_worker_save(&ms, clock_now());
}

/* One pass of the loop, as soon as something comes. */
static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    disk_worker_fill(&ps);
    CHECK(poll(ps.fd, (nfds_t)ps.n, 20000) == 1);
    disk_worker_ready(&ps);
}

static void is_late(void) {
    int64_t at = disk_worker_deadline();
    CHECK(at != VH_NEVER && at <= clock_now() + ms_to_ns(VH_T_DISK));
    disk_worker_tick(at - 1);
    CHECK_STR(ends, "");
    disk_worker_tick(at);
    CHECK_STR(ends, "the disk does not answer;");
    CHECK_INT(disk_worker_deadline(), VH_NEVER);
}

static void let_go(void) {
    CHECK(write(gate[1], "", 1) == 1);
}

static const char gone[] = "the process that writes the state file has ended;";

/* ---- what it does ---- */

static void a_save_is_written_once_and_its_end_reported_once(void) {
    start();
    for (unsigned i = 1; i <= 2; i++) {
        unsigned before = shared->writes;
        save(WRITES);
        CHECK_STR(ends, "");
        pass();
        CHECK_STR(ends, "saved;");
        CHECK(shared->writes == before + 1 && shared->len == 7 && memcmp(shared->text, "content", 7) == 0);
        disk_worker_tick(clock_now() + ms_to_ns(2 * VH_T_DISK));
        CHECK_STR(ends, "saved;");
    }
    stop();
}

static void an_error_keeps_its_path_and_reason(void) {
    start();
    save(FAILS);
    pass();
    CHECK_STR(ends, "1: No space left on device;");
    save(WRITES); /* and the next one is tried */
    pass();
    CHECK_STR(ends, "saved;");
    stop();
}

static void a_text_that_cannot_be_written_is_not_given_to_the_worker(void) {
    start();
    fits = false;
    save(WRITES);
    CHECK_STR(ends, "0: File too large;");
    fits = true;
    directory = "";
    save(WRITES);
    CHECK_STR(ends, "0: File too large;"); /* of the stand-in; state_file.c says what is too long */
    directory = "/state";
    stop();
}

static void a_disk_that_does_not_answer_fails_this_save_and_all_until_it_does(void) {
    start();
    save(WAITS);
    is_late();
    save_again();
    CHECK_STR(ends, "the disk does not answer;"); /* at once */
    ends[0] = '\0';
    let_go();
    pass();
    CHECK_STR(ends, "answers;");
    save(WRITES);
    pass();
    CHECK_STR(ends, "saved;");
    stop();
}

static void a_process_that_is_gone_fails_every_save_at_once(void) {
    start();
    save(DIES);
    pass();
    CHECK_STR(ends, gone);
    save(WRITES);
    CHECK_STR(ends, gone);
    stop();
}

static void an_answer_to_nobody_ends_the_worker(void) {
    start();
    save(TWICE);
    pass();
    CHECK_STR(ends, gone);
    stop();
}

static void nonsense_ends_the_worker(void) {
    for (int i = 0; i < 2; i++) {
        start();
        save(i == 0 ? BAD_ERROR : BAD_PLACE);
        pass();
        CHECK_STR(ends, gone);
        save(WRITES);
        CHECK_STR(ends, gone);
        stop();
    }
}

static void the_end_waits_for_a_save_but_not_for_long(void) {
    start();
    save(WRITES);
    stop();
    CHECK_STR(ends, "saved;");
    start();
    save(WAITS);
    int64_t begun = clock_now();
    disk_worker_stop();
    int64_t took = clock_now() - begun;
    CHECK_STR(ends, "");
    CHECK(took >= ms_to_ns(VH_T_DISK_STOP) && took < ms_to_ns(20000));
    let_go();
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

int main(void) {
    log_open("test", LOG_ERROR);
    sandbox_disable();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || pipe(gate) != 0)
        return 1;
    RUN(a_save_is_written_once_and_its_end_reported_once);
    RUN(an_error_keeps_its_path_and_reason);
    RUN(a_text_that_cannot_be_written_is_not_given_to_the_worker);
    RUN(a_disk_that_does_not_answer_fails_this_save_and_all_until_it_does);
    RUN(a_process_that_is_gone_fails_every_save_at_once);
    RUN(an_answer_to_nobody_ends_the_worker);
    RUN(nonsense_ends_the_worker);
    RUN(the_end_waits_for_a_save_but_not_for_long);
    TEST_MAIN_END;
}
