/*
 * outlive.c - memory and a pipe between the loop and the workers that outlive it. Owns both; knows nothing of what is
 * noted, held or done.
 */
#include "os/outlive.h"

#include "base/duration.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static struct memory {
    _Alignas(PAGE) _Atomic uint64_t noted[OUTLIVE_ROWS]; /* pages of their own: whoever outlives cannot write to them */
    _Alignas(PAGE) _Atomic uint64_t taken[OUTLIVE_ROWS];
    _Atomic unsigned turns;
} * memory;

static int ends[2] = {-1, -1}; /* of a pipe that nobody writes to */

bool outlive_start(void) {
    void *p = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0) {
        log_error("no memory or no pipe for the workers that outlive the daemon: %s", strerror(errno));
        if (p != MAP_FAILED)
            (void)munmap(p, sizeof *memory);
        return false;
    }
    memory = p;
    return true;
}

static void close_end(int i) {
    if (ends[i] >= 0)
        (void)close(ends[i]);
    ends[i] = -1;
}

void outlive_hold(void) {
    close_end(0);
}

void outlive_watch(void) {
    close_end(1);
    if (memory != NULL && mprotect(memory->noted, sizeof memory->noted, PROT_READ) != 0)
        log_warn("what the loop notes can be written by a worker: %s", strerror(errno));
}

void outlive_drop(void) {
    close_end(0);
    close_end(1);
    if (memory != NULL)
        (void)madvise(memory, sizeof *memory, MADV_DONTFORK); /* nobody else needs it */
}

void outlive_note(int row, uint64_t number) {
    VH_ASSERT(row >= 0 && row < OUTLIVE_ROWS);
    if (memory != NULL)
        atomic_store_explicit(&memory->noted[row], number, memory_order_relaxed);
}

bool outlive_noted(uint64_t number) {
    bool found = false;
    for (int i = 0; i < OUTLIVE_ROWS && memory != NULL; i++)
        found = found || atomic_load(&memory->noted[i]) == number;
    return found;
}

bool outlive_take(uint64_t number) {
    for (int i = 0; i < OUTLIVE_ROWS && memory != NULL; i++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&memory->taken[i], &there, number))
            return true;
        if (there == number)
            return false;
    }
    return false;
}

bool outlive_taken(uint64_t number) {
    bool found = false;
    for (int i = 0; i < OUTLIVE_ROWS && memory != NULL; i++)
        found = found || atomic_load(&memory->taken[i]) == number;
    return found;
}

unsigned outlive_turn(void) {
    return memory != NULL ? atomic_fetch_add(&memory->turns, 1) : 0;
}

bool outlive_free(int wait_ms) {
    struct pollfd p = {.fd = ends[0], .events = POLLIN};
    struct timespec span = {.tv_sec = wait_ms / 1000, .tv_nsec = wait_ms % 1000 * VH_NSEC_PER_MSEC};
    return ends[0] < 0 || ppoll(&p, 1, &span, NULL) > 0;
}
