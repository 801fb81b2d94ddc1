/*
 * heap.c - malloc and its family over one static array, first fit, neighbours joined at once.
 *
 * Owns the arena. Never asks the kernel for memory and never waits; a full arena is ENOMEM. The arena has few blocks
 * (libusb keeps some dozens), so a search walks over all of them, and the arena bounds its length. Damage (a write past
 * a block's end, a second free, a foreign pointer) aborts the program where it is found.
 *
 * The program has one thread, except in `doctor`, where libusb starts another. The lock is for these two. Without
 * contention the lock makes no system call.
 *
 * musl's own code calls __libc_malloc and similar names, so this file defines them as well. If an object of musl's
 * allocator were linked in all the same, the linker would stop at the name defined twice.
 */
#include "os/heap.h"

#include "base/assert.h"
#include "base/limits.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UNIT 16u /* alignment of every block, enough for any type */
#define HEADER 16u
#define MIN_BLOCK (HEADER + UNIT)
#define MARK_USED 0x75736564u
#define MARK_FREE 0x66726565u
#define FILL 0xa5 /* from the last byte asked for to the block's end; at least one byte */

/* Stands before each block's bytes. Blocks follow each other without a gap over the whole arena. */
struct block {
    uint32_t size;   /* bytes, header included, a multiple of UNIT */
    uint32_t before; /* size of the block before this one, 0 for the first */
    uint32_t asked;  /* MARK_USED: bytes asked for */
    uint32_t mark;   /* MARK_USED or MARK_FREE, xor the block's offset */
};

_Static_assert(sizeof(struct block) == HEADER, "block headers keep the alignment");
_Static_assert(VH_ARENA_SIZE % (int)UNIT == 0 && VH_ARENA_SIZE >= (int)MIN_BLOCK, "the arena is whole units");
_Static_assert(_Alignof(max_align_t) <= UNIT, "malloc's results fit any type");

static _Alignas(4096) unsigned char arena[VH_ARENA_SIZE];
static size_t used, peak;
static atomic_flag locked = ATOMIC_FLAG_INIT;

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&locked, memory_order_acquire))
        (void)sched_yield(); /* the other thread holds the lock, for a short time */
}

static void unlock(void) {
    atomic_flag_clear_explicit(&locked, memory_order_release);
}

/* ---- blocks ---- */

static struct block *block_at(uint32_t offset) {
    return (struct block *)(void *)(arena + offset);
}

static uint32_t offset_of(const struct block *b) {
    return (uint32_t)((const unsigned char *)b - arena);
}

static void *bytes_of(struct block *b) {
    return (unsigned char *)b + HEADER;
}

static void set_mark(struct block *b, uint32_t mark) {
    b->mark = mark ^ offset_of(b);
}

static bool has_mark(const struct block *b, uint32_t mark) {
    return b->mark == (mark ^ offset_of(b));
}

/* NULL after the last block. */
static struct block *next_of(const struct block *b) {
    uint32_t end = offset_of(b) + b->size;
    return end < VH_ARENA_SIZE ? block_at(end) : NULL;
}

static struct block *before_of(const struct block *b) {
    return b->before != 0 ? block_at(offset_of(b) - b->before) : NULL;
}

/* Aborts if the header is damaged or differs from its neighbours', or if bytes after those asked for were written. */
static void check_block(struct block *b) {
    uint32_t at = offset_of(b);
    VH_ASSERT(b->size >= MIN_BLOCK && b->size % UNIT == 0 && b->size <= VH_ARENA_SIZE - at);
    VH_ASSERT(b->before <= at && b->before % UNIT == 0 && (b->before != 0) == (at != 0));
    const struct block *before = before_of(b), *next = next_of(b);
    VH_ASSERT(before == NULL || before->size == b->before);
    VH_ASSERT(next == NULL || next->before == b->size);
    if (has_mark(b, MARK_FREE))
        return;
    VH_ASSERT(has_mark(b, MARK_USED));
    VH_ASSERT(b->asked < b->size - HEADER);
    const unsigned char *p = bytes_of(b);
    for (uint32_t i = b->asked; i < b->size - HEADER; i++)
        VH_ASSERT(p[i] == FILL);
}

static void resize(struct block *b, uint32_t size) {
    b->size = size;
    struct block *next = next_of(b);
    if (next != NULL)
        next->before = size;
}

/* Cuts b to `size` bytes and returns the rest as an unmarked block; NULL if the rest is too small for one. */
static struct block *split(struct block *b, uint32_t size) {
    VH_ASSERT(size >= MIN_BLOCK && size % UNIT == 0 && size <= b->size);
    uint32_t rest = b->size - size;
    if (rest < MIN_BLOCK)
        return NULL;
    b->size = size;
    struct block *tail = next_of(b);
    VH_ASSERT(tail != NULL); /* the rest is large enough */
    tail->before = size;
    resize(tail, rest);
    return tail;
}

static void join_next(struct block *b) {
    struct block *next = next_of(b);
    if (next == NULL || !has_mark(next, MARK_FREE))
        return;
    check_block(next);
    next->mark = 0; /* no header any more: the check of a stale pointer fails */
    resize(b, b->size + next->size);
}

static void make_free(struct block *b) {
    b->asked = 0;
    set_mark(b, MARK_FREE);
    join_next(b);
    struct block *before = before_of(b);
    if (before != NULL && has_mark(before, MARK_FREE))
        join_next(before);
}

static void make_used(struct block *b, uint32_t asked) {
    set_mark(b, MARK_USED);
    b->asked = asked;
    memset((unsigned char *)bytes_of(b) + asked, FILL, b->size - HEADER - asked);
}

static void count(size_t more, size_t less) {
    used += more - less;
    VH_ASSERT(used <= VH_ARENA_SIZE);
    if (used > peak)
        peak = used;
}

static struct block *first_block(void) {
    struct block *b = block_at(0);
    if (b->size == 0) { /* never used */
        b->size = VH_ARENA_SIZE;
        set_mark(b, MARK_FREE);
    }
    return b;
}

/* Block size for `asked` bytes and at least one byte of FILL; 0 if it can never fit. */
static uint32_t block_size(size_t asked) {
    if (asked >= VH_ARENA_SIZE - HEADER)
        return 0;
    return (uint32_t)((asked + HEADER + UNIT) / UNIT * UNIT);
}

static struct block *block_of(void *p) {
    uintptr_t at = (uintptr_t)p - (uintptr_t)arena; /* huge for a pointer below the arena */
    VH_ASSERT(at >= HEADER && at < VH_ARENA_SIZE && at % UNIT == 0);
    struct block *b = block_at((uint32_t)at - HEADER);
    VH_ASSERT(has_mark(b, MARK_USED)); /* else the block was freed before, or never allocated */
    check_block(b);
    return b;
}

/* Bytes to leave free at the start of b so that its bytes are aligned. */
static uint32_t lead_in(struct block *b, size_t alignment) {
    uintptr_t p = (uintptr_t)bytes_of(b);
    uintptr_t lead = (alignment - p % alignment) % alignment;
    while (lead != 0 && lead < MIN_BLOCK)
        lead += alignment;
    return lead < VH_ARENA_SIZE ? (uint32_t)lead : VH_ARENA_SIZE;
}

static void *find_room(size_t alignment, size_t asked) {
    uint32_t size = block_size(asked);
    if (size == 0) {
        errno = ENOMEM;
        return NULL;
    }
    for (struct block *b = first_block(); b != NULL; b = next_of(b)) {
        check_block(b);
        if (!has_mark(b, MARK_FREE))
            continue;
        uint32_t lead = lead_in(b, alignment);
        if (b->size < size || b->size - size < lead)
            continue;
        if (lead != 0) {
            struct block *front = b;
            b = split(front, lead);
            VH_ASSERT(b != NULL);
            set_mark(front, MARK_FREE);
        }
        struct block *tail = split(b, size);
        make_used(b, (uint32_t)asked);
        if (tail != NULL)
            make_free(tail);
        count(b->size, 0);
        return bytes_of(b);
    }
    errno = ENOMEM;
    return NULL;
}

/* ---- the family ---- */

static void *allocate(size_t alignment, size_t asked) {
    lock();
    void *p = find_room(alignment, asked);
    unlock();
    return p;
}

void *heap_malloc(size_t size) {
    return allocate(UNIT, size);
}

void heap_free(void *p) {
    if (p == NULL)
        return;
    lock();
    struct block *b = block_of(p);
    count(0, b->size);
    make_free(b);
    unlock();
}

void *heap_calloc(size_t n, size_t size) {
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    void *p = heap_malloc(total);
    if (p != NULL)
        memset(p, 0, total);
    return p;
}

/* Grows or shrinks in place. False if the block and a free one after it are too small. */
static bool fit_in_place(struct block *b, uint32_t size, uint32_t asked) {
    struct block *next = next_of(b);
    uint32_t room = b->size + (next != NULL && has_mark(next, MARK_FREE) ? next->size : 0);
    if (size > room)
        return false;
    uint32_t old = b->size;
    if (size > old)
        join_next(b);
    struct block *tail = split(b, size);
    make_used(b, asked);
    if (tail != NULL)
        make_free(tail);
    count(b->size, old);
    return true;
}

void *heap_realloc(void *p, size_t size) {
    if (p == NULL)
        return heap_malloc(size);
    lock();
    struct block *b = block_of(p);
    size_t had = b->asked;
    uint32_t need = block_size(size);
    bool fits = need != 0 && fit_in_place(b, need, (uint32_t)size);
    unlock();
    if (fits)
        return p;
    void *fresh = heap_malloc(size);
    if (fresh == NULL)
        return NULL; /* p stays as it is */
    memcpy(fresh, p, had < size ? had : size);
    heap_free(p);
    return fresh;
}

static bool power_of_two(size_t n) {
    return n != 0 && (n & (n - 1)) == 0;
}

void *heap_aligned_alloc(size_t alignment, size_t size) {
    if (!power_of_two(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return allocate(alignment < UNIT ? UNIT : alignment, size);
}

int heap_posix_memalign(void **out, size_t alignment, size_t size) {
    if (!power_of_two(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    int saved = errno; /* POSIX: the error is the result, errno stays */
    void *p = heap_aligned_alloc(alignment, size);
    errno = saved;
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

size_t heap_usable_size(void *p) {
    return p != NULL ? block_of(p)->asked : 0;
}

/* ---- figures ---- */

size_t heap_used(void) {
    return used;
}

size_t heap_peak(void) {
    return peak;
}

/* ---- for tests ---- */

void heap_check(void) {
    size_t found = 0;
    bool free_before = false;
    for (struct block *b = first_block(); b != NULL; b = next_of(b)) {
        check_block(b);
        bool is_free = has_mark(b, MARK_FREE);
        VH_ASSERT(!(is_free && free_before)); /* neighbours are joined at once */
        free_before = is_free;
        found += is_free ? 0 : b->size;
    }
    VH_ASSERT(found == used);
}

#ifndef HEAP_OWN_NAMES

/* ---- the C library's names ---- */

#define NAMED(target) __attribute__((alias(#target), used))
void *malloc(size_t) NAMED(heap_malloc);
void *calloc(size_t, size_t) NAMED(heap_calloc);
void *realloc(void *, size_t) NAMED(heap_realloc);
void free(void *) NAMED(heap_free);
void *aligned_alloc(size_t, size_t) NAMED(heap_aligned_alloc);
void *memalign(size_t, size_t) NAMED(heap_aligned_alloc);
int posix_memalign(void **, size_t, size_t) NAMED(heap_posix_memalign);
size_t malloc_usable_size(void *) NAMED(heap_usable_size);
/* musl, src/include/stdlib.h */
void *__libc_malloc(size_t) NAMED(heap_malloc);
void *__libc_malloc_impl(size_t) NAMED(heap_malloc);
void *__libc_calloc(size_t, size_t) NAMED(heap_calloc);
void *__libc_realloc(void *, size_t) NAMED(heap_realloc);
void __libc_free(void *) NAMED(heap_free);

#endif
