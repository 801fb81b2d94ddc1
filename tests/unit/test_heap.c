/*
 * test_heap.c - the arena behind malloc: results are apart, aligned and keep their bytes; memory comes back whole;
 * a full arena is ENOMEM; damage aborts.
 */
#include "base/limits.h"
#include "os/heap.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 200

static uint64_t seed = 1;

static uint32_t rnd(uint32_t below) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % below;
}

static bool all_are(const unsigned char *p, size_t n, unsigned char value) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != value)
            return false;
    return true;
}

static void zero_bytes_are_a_block(void) {
    void *a = heap_malloc(0), *b = heap_malloc(0);
    CHECK(a != NULL && b != NULL && a != b);
    CHECK(heap_usable_size(a) == 0 && heap_usable_size(NULL) == 0);
    heap_free(a);
    heap_free(b);
    heap_free(NULL);
    CHECK_INT(heap_used(), 0);
}

static void calloc_clears_and_counts(void) {
    unsigned char *p = heap_malloc(1000);
    CHECK(p != NULL);
    memset(p, 0xff, 1000);
    heap_free(p);
    unsigned char *q = heap_calloc(100, 10);
    CHECK(q == p); /* first fit: the same place, so the zeros were written */
    CHECK(all_are(q, 1000, 0));
    heap_free(q);
    errno = 0;
    CHECK(heap_calloc(SIZE_MAX / 2, 3) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(heap_calloc(2, SIZE_MAX / 2 + 1) == NULL && errno == ENOMEM); /* the product is 2^64 */
    CHECK_INT(heap_used(), 0);
}

static void full_is_enomem(void) {
    size_t largest = 0;
    for (size_t n = 1; n < VH_ARENA_SIZE; n <<= 1) {
        void *p = heap_malloc(n);
        if (p != NULL)
            largest = n;
        heap_free(p);
    }
    CHECK_INT(largest, VH_ARENA_SIZE / 2);
    static const size_t too_large[] = {VH_ARENA_SIZE - 16, VH_ARENA_SIZE, SIZE_MAX - 64, SIZE_MAX - 15, SIZE_MAX};
    for (size_t i = 0; i < sizeof too_large / sizeof *too_large; i++) {
        errno = 0;
        CHECK(heap_malloc(too_large[i]) == NULL && errno == ENOMEM);
    }
    void *whole = heap_malloc(VH_ARENA_SIZE - 17);
    CHECK(whole != NULL);
    CHECK_INT(heap_used(), VH_ARENA_SIZE);
    CHECK_INT(heap_peak(), VH_ARENA_SIZE);
    errno = 0;
    CHECK(heap_malloc(0) == NULL && errno == ENOMEM);
    heap_free(whole);
    CHECK_INT(heap_used(), 0);
}

static void freed_neighbours_join(void) {
    static void *p[VH_ARENA_SIZE / 32];
    /* Freed in three orders: up, down, and every second one first. */
    for (int order = 0; order < 3; order++) {
        int n = 0;
        while (n < VH_ARENA_SIZE / 32 && (p[n] = heap_malloc(15)) != NULL)
            n++;
        CHECK_INT(n, VH_ARENA_SIZE / 32);
        CHECK_INT(heap_used(), VH_ARENA_SIZE);
        for (int i = 0; i < n; i++) {
            int k = order == 0 ? i : order == 1 ? n - 1 - i : i < n / 2 ? 2 * i : 2 * (i - n / 2) + 1;
            heap_free(p[k]);
            if (i % 512 == 0)
                heap_check();
        }
        void *whole = heap_malloc(VH_ARENA_SIZE - 17);
        CHECK(whole != NULL);
        heap_free(whole);
    }
    CHECK_INT(heap_used(), 0);
}

static void realloc_keeps_the_bytes(void) {
    unsigned char *p = heap_realloc(NULL, 10);
    CHECK(p != NULL);
    memset(p, 1, 10);
    unsigned char *grown = heap_realloc(p, 4000); /* free space behind it */
    CHECK(grown == p && all_are(grown, 10, 1));
    memset(grown, 2, 4000);
    void *wall = heap_malloc(1);
    unsigned char *moved = heap_realloc(grown, 8000);
    CHECK(moved != grown && moved != NULL && all_are(moved, 4000, 2));
    errno = 0;
    CHECK(heap_realloc(moved, VH_ARENA_SIZE) == NULL && errno == ENOMEM);
    CHECK(all_are(moved, 4000, 2)); /* still there after a refusal */
    unsigned char *cut = heap_realloc(moved, 5);
    CHECK(cut == moved && all_are(cut, 5, 2) && heap_usable_size(cut) == 5);
    heap_check();
    heap_free(cut);
    heap_free(wall);
    CHECK_INT(heap_used(), 0);
}

static void alignment_is_kept(void) {
    for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
        void *first = heap_malloc(3), *p = heap_aligned_alloc(alignment, 100);
        CHECK(p != NULL && (uintptr_t)p % alignment == 0 && (uintptr_t)p % 16 == 0);
        heap_check();
        heap_free(first);
        heap_free(p);
        CHECK_INT(heap_used(), 0);
    }
    errno = 0;
    CHECK(heap_aligned_alloc(48, 1) == NULL && errno == EINVAL);
    CHECK(heap_aligned_alloc(0, 1) == NULL);
    CHECK(heap_aligned_alloc(SIZE_MAX / 2 + 1, 1) == NULL);
    void *p = &seed;
    errno = 0;
    CHECK_INT(heap_posix_memalign(&p, sizeof(void *) / 2, 1), EINVAL);
    CHECK_INT(heap_posix_memalign(&p, 64, VH_ARENA_SIZE), ENOMEM);
    CHECK(p == &seed && errno == 0);
    CHECK_INT(heap_posix_memalign(&p, 256, 9), 0);
    CHECK((uintptr_t)p % 256 == 0 && heap_usable_size(p) == 9);
    heap_free(p);
    CHECK_INT(heap_used(), 0);
}

/* Random life: every live block holds its own pattern all the time, and in the end the arena is empty. */
static void random_life(void) {
    static unsigned char *p[SLOTS];
    static size_t size[SLOTS];
    unsigned long refused = 0, given = 0;
    for (unsigned step = 0; step < 200000; step++) {
        uint32_t i = rnd(SLOTS);
        unsigned char mine = (unsigned char)(i + 1);
        CHECK(p[i] == NULL || all_are(p[i], size[i], mine));
        size_t n = rnd(100) < 95 ? rnd(600) : rnd(VH_ARENA_SIZE);
        unsigned char *q = NULL;
        if (p[i] == NULL) {
            q = rnd(2) != 0 ? heap_malloc(n) : heap_aligned_alloc((size_t)1 << rnd(13), n);
        } else if (rnd(2) != 0) {
            q = heap_realloc(p[i], n);
            CHECK(q == NULL || all_are(q, n < size[i] ? n : size[i], mine));
            if (q == NULL) {
                refused++;
                continue;
            }
        } else {
            heap_free(p[i]);
            p[i] = NULL;
            continue;
        }
        p[i] = q;
        size[i] = n;
        if (q != NULL) {
            CHECK((uintptr_t)q % 16 == 0);
            memset(q, mine, n);
            given++;
        } else {
            refused++;
        }
        if (step % 1000 == 0)
            heap_check();
    }
    CHECK(given > 50000 && refused > 100); /* both were exercised */
    for (int i = 0; i < SLOTS; i++)
        heap_free(p[i]);
    heap_check();
    CHECK_INT(heap_used(), 0);
}

/* ---- damage ---- */

static bool aborts(void (*fn)(void)) {
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    int status = 0;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void free_twice(void) {
    char *p = heap_malloc(10);
    heap_free(p);
    heap_free(p);
}

static void free_twice_when_joined(void) {
    char *a = heap_malloc(10), *b = heap_malloc(10);
    heap_free(a);
    heap_free(b); /* joins a: no header of b's is left */
    heap_free(b);
}

static void realloc_after_free(void) {
    char *p = heap_malloc(10);
    heap_free(p);
    (void)heap_realloc(p, 20);
}

static void free_inside(void) {
    char *p = heap_calloc(1, 100);
    heap_free(p + 32);
}

static void free_foreign(void) {
    static _Alignas(16) char mine[64];
    heap_free(mine + 16);
}

static void write_past_end(void) {
    char *p = heap_malloc(10);
    p[10] = 0;
    heap_free(p);
}

static void write_past_end_found_by_another(void) {
    char *p = heap_malloc(10);
    memset(p, 0, 40);
    (void)heap_malloc(10);
}

static void write_before_start(void) {
    uint32_t *p = heap_malloc(10);
    p[-4] = 4096;
    heap_check();
}

static void damage_aborts(void) {
    CHECK(aborts(free_twice));
    CHECK(aborts(free_twice_when_joined));
    CHECK(aborts(realloc_after_free));
    CHECK(aborts(free_inside));
    CHECK(aborts(free_foreign));
    CHECK(aborts(write_past_end));
    CHECK(aborts(write_past_end_found_by_another));
    CHECK(aborts(write_before_start));
    CHECK(!aborts(heap_check));
}

/* libusb's own thread notes a device that is plugged in while doctor lists what is there. */
static void *churn(void *arg) {
    unsigned char mark = *(const unsigned char *)arg, *kept[16] = {0};
    uint32_t size[16] = {0}, x = mark;
    for (int i = 0; i < 100000; i++) {
        x = x * 1664525u + 1013904223u;
        int slot = (int)(x >> 28);
        if (kept[slot] != NULL && !all_are(kept[slot], size[slot], mark))
            return arg;
        uint32_t want = x >> 8 & 511;
        unsigned char *p = (x >> 20 & 3) == 0 ? heap_realloc(kept[slot], want) : NULL;
        if (p == NULL) {
            heap_free(kept[slot]);
            p = (x >> 22 & 1) != 0 ? heap_calloc(1, want) : heap_malloc(want);
        }
        if (p == NULL)
            return arg;
        memset(p, mark, want);
        kept[slot] = p;
        size[slot] = want;
    }
    for (int i = 0; i < 16; i++)
        heap_free(kept[i]);
    return NULL;
}

static void two_threads_do_not_meet_in_it(void) {
    static unsigned char marks[] = {1, 2, 3};
    pthread_t thread[sizeof marks];
    for (size_t i = 0; i < sizeof marks; i++)
        CHECK(pthread_create(&thread[i], NULL, churn, &marks[i]) == 0);
    for (size_t i = 0; i < sizeof marks; i++) {
        void *wrong = NULL;
        CHECK(pthread_join(thread[i], &wrong) == 0 && wrong == NULL);
    }
    heap_check();
    CHECK_INT(heap_used(), 0);
}

int main(void) {
    RUN(zero_bytes_are_a_block);
    RUN(calloc_clears_and_counts);
    RUN(full_is_enomem);
    RUN(freed_neighbours_join);
    RUN(realloc_keeps_the_bytes);
    RUN(alignment_is_kept);
    RUN(random_life);
    RUN(two_threads_do_not_meet_in_it);
    RUN(damage_aborts);
    TEST_MAIN_END;
}
