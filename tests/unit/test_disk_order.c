/*
 * test_disk_order.c - the form of the disk worker's orders and answers: of each number the last value that is right,
 * and the first that is not.
 */
#include "base/limits.h"
#include "daemon/disk_order.h"
#include "daemon/state_file.h"
#include "test.h"

enum { NONE = -1, FIRST = 0 /* a descriptor like any other */, OTHER = 7 };

static bool save_of(uint32_t kind, uint32_t len) {
    struct disk_order o = {.head.kind = kind, .len = len};
    return disk_order_valid(&o);
}

static void the_disk_saves_a_text_that_there_is_room_for(void) {
    CHECK(save_of(DISK_SAVE, 1) && save_of(DISK_SAVE, 2) && save_of(DISK_SAVE, VH_STATE_MAX));
    CHECK(!save_of(DISK_SAVE, 0) && !save_of(DISK_SAVE, VH_STATE_MAX + 1) && !save_of(DISK_SAVE, UINT32_MAX));
    CHECK(!save_of(DISK_SAVE - 1, 1) && !save_of(DISK_SAVE + 1, 1));
}

static bool saved(int32_t error, uint32_t place, size_t n, int fd0, int fd1) {
    struct disk_answer a = {.error = error, .place = place};
    return disk_answer_valid(&a, n, (const int[WORKER_FDS]){fd0, fd1});
}

static void the_disk_answers_an_errno_and_a_place(void) {
    const size_t n = sizeof(struct disk_answer);
    CHECK(saved(0, 0, n, NONE, NONE) && saved(1, 1, n, NONE, NONE));
    CHECK(saved(WORKER_ERRNO_MAX, STATE_FILE_PLACES - 1, n, NONE, NONE));
    CHECK(!saved(-1, 0, n, NONE, NONE) && !saved(WORKER_ERRNO_MAX + 1, 0, n, NONE, NONE));
    CHECK(!saved(0, STATE_FILE_PLACES, n, NONE, NONE));
    CHECK(!saved(0, 0, n - 1, NONE, NONE) && !saved(0, 0, n + 1, NONE, NONE));
    CHECK(!saved(0, 0, n, FIRST, NONE) && !saved(0, 0, n, NONE, FIRST) && !saved(0, 0, n, OTHER, OTHER));
}

int main(void) {
    RUN(the_disk_saves_a_text_that_there_is_room_for);
    RUN(the_disk_answers_an_errno_and_a_place);
    TEST_MAIN_END;
}
