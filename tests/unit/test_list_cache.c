/* list_cache.c: which parts of a list are rendered, which are found, and what is left of a run that was cut. */
#include "base/limits.h"
#include "server/list_cache.h"
#include "test.h"

static const struct client_ref ref = {0, 1};
static uint64_t stamp;
static uint32_t parts; /* of the list */
static size_t pad;     /* bytes of each part, at least */
static int rendered;

static bool part(struct client_ref r, uint64_t *cursor, struct sbuf *out) {
    (void)r;
    rendered++;
    sb_fmt(out, "part%u", (unsigned)*cursor);
    while (out->len < pad)
        sb_char(out, '.');
    sb_char(out, *cursor + 1 == parts ? '\n' : ',');
    return ++*cursor < parts;
}

static uint64_t stamp_of(struct client_ref r) {
    (void)r;
    return stamp;
}

static const struct server_calls calls = {.part = part, .stamp = stamp_of};

static void list(uint64_t its_stamp, uint32_t its_parts, size_t its_pad) {
    stamp = its_stamp;
    parts = its_parts;
    pad = its_pad;
    rendered = 0;
}

static bool run_is(const struct list_run *run, const char *text) {
    return run->len == strlen(text) && memcmp(run->text, text, run->len) == 0;
}

static bool rest_is(const struct list_rest *rest, const char *text) {
    return rest->len == strlen(text) && memcmp(rest->text, text, rest->len) == 0;
}

static void a_run_holds_the_parts_up_to_the_last(void) {
    list(1, 3, 0);
    struct list_run run = list_cache_run(0, ref, &calls);
    CHECK(run_is(&run, "part0,part1,part2\n"));
    struct list_rest rest = list_cache_rest(&run, run.len);
    CHECK(rest.len == 0 && !rest.more);
    CHECK_INT(rendered, 3);
}

static void a_cut_run_leaves_the_rest_of_one_part(void) {
    list(2, 3, 0);
    struct list_run run = list_cache_run(0, ref, &calls);
    struct list_rest rest = list_cache_rest(&run, 8);
    CHECK(rest_is(&rest, "rt1,") && rest.more && rest.cursor == 2);
    /* Cut between two parts, or nothing sent: the next part is left whole. */
    rest = list_cache_rest(&run, 6);
    CHECK(rest_is(&rest, "part1,") && rest.more && rest.cursor == 2);
    rest = list_cache_rest(&run, 0);
    CHECK(rest_is(&rest, "part0,") && rest.more && rest.cursor == 1);
    rest = list_cache_rest(&run, 13);
    CHECK(rest_is(&rest, "art2\n") && !rest.more);
}

static void a_stamp_makes_parts_common(void) {
    list(3, 4, 0);
    (void)list_cache_run(0, ref, &calls);
    struct list_run run = list_cache_run(2, ref, &calls);
    CHECK(run_is(&run, "part2,part3\n"));
    struct list_rest rest = list_cache_rest(&run, 6);
    CHECK(rest_is(&rest, "part3\n") && !rest.more);
    run = list_cache_run(0, ref, &calls);
    CHECK(run_is(&run, "part0,part1,part2,part3\n"));
    CHECK_INT(rendered, 4);
}

static void a_dropped_list_is_rendered_again(void) {
    list(30, 3, 0);
    (void)list_cache_run(0, ref, &calls);
    list_cache_drop();
    struct list_run run = list_cache_run(0, ref, &calls);
    CHECK(run_is(&run, "part0,part1,part2\n"));
    CHECK_INT(rendered, 6);
}

/* The cursor after the last part means nothing: nothing begins there. */
static void a_cursor_that_no_part_begins_at_is_rendered(void) {
    list(4, 2, 0);
    (void)list_cache_run(0, ref, &calls);
    parts = 3;
    struct list_run run = list_cache_run(2, ref, &calls);
    CHECK(run_is(&run, "part2\n"));
    CHECK_INT(rendered, 3);
}

static void another_stamp_or_none_renders_again(void) {
    list(5, 2, 0);
    (void)list_cache_run(0, ref, &calls);
    list(6, 1, 0);
    struct list_run run = list_cache_run(0, ref, &calls);
    CHECK(run_is(&run, "part0\n"));
    CHECK_INT(rendered, 1);
    list(0, 2, 0);
    (void)list_cache_run(0, ref, &calls);
    (void)list_cache_run(0, ref, &calls);
    CHECK_INT(rendered, 4);
}

static void a_run_ends_where_the_room_ends(void) {
    list(7, 1000, VH_REPLY_MAX / 2);
    struct list_run run = list_cache_run(0, ref, &calls);
    CHECK(run.len <= VH_LIST_KEPT && run.len > VH_LIST_KEPT - VH_REPLY_MAX - VH_REPLY_MAX / 2 - 1);
    struct list_rest rest = list_cache_rest(&run, run.len);
    CHECK(rest.len == 0 && rest.more && rest.cursor == (uint64_t)rendered);
    size_t stamped = run.len;
    list(0, 1000, VH_REPLY_MAX / 2); /* without a stamp it is less: it may be rendered in vain */
    run = list_cache_run(0, ref, &calls);
    CHECK(run.len > 0 && run.len < stamped);
    list(8, 1 << 20, 0); /* small parts: the table ends before the text */
    run = list_cache_run(0, ref, &calls);
    CHECK_INT(rendered, VH_MAX_DEVICES + 2);
    rest = list_cache_rest(&run, run.len);
    CHECK(rest.len == 0 && rest.more && rest.cursor == (uint64_t)rendered);
}

int main(void) {
    RUN(a_run_holds_the_parts_up_to_the_last);
    RUN(a_cut_run_leaves_the_rest_of_one_part);
    RUN(a_stamp_makes_parts_common);
    RUN(a_dropped_list_is_rendered_again);
    RUN(a_cursor_that_no_part_begins_at_is_rendered);
    RUN(another_stamp_or_none_renders_again);
    RUN(a_run_ends_where_the_room_ends);
    TEST_MAIN_END;
}
