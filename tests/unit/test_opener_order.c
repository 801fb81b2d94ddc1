/*
 * test_opener_order.c - the form of the opener's orders and replies: of each number the last value that is right, and
 * the first that is not.
 */
#include "os/opener_order.h"
#include "test.h"

enum { NONE = -1, FIRST = 0 /* a descriptor like any other */, OTHER = 7 };

static bool opens(uint32_t kind, bool begun, bool with_fd) {
    struct opener_order o = {.head.kind = kind};
    return opener_order_valid(&o, begun, with_fd);
}

static void the_opener_is_told_once_and_first_what_was_made(void) {
    for (uint32_t kind = 0; kind <= OPEN_KINDS + 1; kind++) {
        CHECK(opens(kind, true, false) == (kind < OPEN_KINDS && kind != OPEN_MADE));
        CHECK(opens(kind, false, false) == (kind == OPEN_MADE));
        CHECK(!opens(kind, true, true) && !opens(kind, false, true));
    }
}

static bool opened(uint32_t kind, int32_t error, size_t n, int fd0, int fd1) {
    struct opener_reply r = {.error = error};
    return opener_reply_valid(kind, &r, n, (const int[WORKER_FDS]){fd0, fd1});
}

static void the_opener_replies_with_a_descriptor_or_an_errno(void) {
    const size_t n = sizeof(struct opener_reply);
    for (uint32_t kind = 0; kind < OPEN_KINDS; kind++) {
        bool brings = kind != OPEN_UNLINK && kind != OPEN_MADE && kind != OPEN_END;
        CHECK(opened(kind, 0, n, FIRST, NONE) == brings && opened(kind, 0, n, OTHER, NONE) == brings);
        CHECK(opened(kind, 0, n, NONE, NONE) != brings);
        CHECK(opened(kind, 1, n, NONE, NONE) && opened(kind, WORKER_ERRNO_MAX, n, NONE, NONE));
        CHECK(!opened(kind, 1, n, FIRST, NONE) && !opened(kind, -1, n, NONE, NONE));
        CHECK(!opened(kind, WORKER_ERRNO_MAX + 1, n, NONE, NONE));
        CHECK(!opened(kind, 1, n - 1, NONE, NONE) && !opened(kind, 1, n + 1, NONE, NONE));
        CHECK(!opened(kind, 0, n, FIRST, FIRST) && !opened(kind, 1, n, NONE, FIRST));
    }
}

int main(void) {
    RUN(the_opener_is_told_once_and_first_what_was_made);
    RUN(the_opener_replies_with_a_descriptor_or_an_errno);
    TEST_MAIN_END;
}
