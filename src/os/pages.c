/*
 * pages.c - keeps only those pages resident that the running daemon needs. Owns nothing; a call that fails costs memory
 * and nothing else.
 *
 * Where transparent huge pages are the default, the first byte touched in a table makes 2 MiB of it resident, and the C
 * library touches some before main(). A page that is zero may be dropped at any time: it reads as zero again.
 */
#include "os/pages.h"

#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { LOOK_PAGES = 512 }; /* the pages that one mincore() examines */

/* Defined by the linker. NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
extern char __bss_start[], _end[];
// NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
extern const char __executable_start[], etext[];

static size_t page_size(void) {
    return (size_t)getauxval(AT_PAGESZ); /* sysconf() would link in a large table */
}

/* Whole pages, with what a sanitizer lays between variables. */
__attribute__((no_sanitize("address"))) static bool is_zero(const char *p, size_t size) {
    return p[0] == 0 && memcmp(p, p + 1, size - 1) == 0;
}

/* The first page boundary from p on. Not const, because madvise() takes no const. */
static char *first_page(const void *p) {
    size_t page = page_size();
    return (char *)(((uintptr_t)p + page - 1) / page * page); // NOLINT(performance-no-int-to-ptr)
}

static void drop(char *from, const char *to) {
    if (to > from)
        (void)madvise(from, (size_t)(to - from), MADV_DONTNEED);
}

/* Drops the runs of resident pages in [at, end) that are zero. */
static void drop_zero(char *at, const char *end) {
    unsigned char resident[LOOK_PAGES];
    size_t page = page_size(), n = (size_t)(end - at) / page;
    char *run = at;
    if (mincore(at, n * page, resident) != 0)
        return;
    for (size_t i = 0; i < n; i++, at += page) {
        if ((resident[i] & 1) != 0 && is_zero(at, page))
            continue;
        drop(run, at);
        run = at + page;
    }
    drop(run, at);
}

void pages_keep_small(void) {
    size_t page = page_size(), step = page * LOOK_PAGES;
    const char *end = _end - (uintptr_t)_end % page;
    if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0)
        log_debug("huge pages stay on: %s", strerror(errno)); /* a kernel without them */
    for (char *at = first_page(__bss_start); at < end; at += step)
        drop_zero(at, (size_t)(end - at) < step ? end : at + step);
}

void pages_give_back_code(void) {
    pages_give_back(__executable_start, (uintptr_t)etext - (uintptr_t)__executable_start);
}

/* What the call needs itself lies within KEPT bytes. The kernel keeps other memory further away than DEEPEST. */
void pages_give_back_stack(void) {
    enum { KEPT = 1024, DEEPEST = 131072 };
    size_t page = page_size();
    char *frame = __builtin_frame_address(0), *end = frame - (uintptr_t)frame % page;
    if ((uintptr_t)frame % page < KEPT)
        end -= page;
    drop(end - DEEPEST / page * page, end);
}

void pages_give_back(const void *p, size_t size) {
    size_t page = page_size();
    char *from = first_page(p);
    const char *end = (const char *)p + size;
    if (end > from)
        drop(from, from + (size_t)(end - from) / page * page);
}
