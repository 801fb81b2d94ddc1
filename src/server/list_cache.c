/*
 * list_cache.c - the parts of a long reply, rendered many at once into one buffer. Owns that buffer; knows nothing of
 * clients, sockets or what a part says.
 *
 * A stamp (server_calls) names the bytes of a list: while it stays the same, parts in the buffer serve every client,
 * from whatever cursor. Parts without a stamp serve only the call that rendered them.
 */
#include "server/list_cache.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/pages.h"

/* Without a stamp, parts that the socket does not take are rendered again: fewer are rendered at once. */
enum { PARTS = VH_MAX_DEVICES + 2, UNSTAMPED_MAX = 48 * 1024 };

static struct {
    uint64_t stamp;  /* 0 none */
    uint64_t cursor; /* of the first part */
    int n;
    struct {
        size_t end;    /* in the text */
        uint64_t next; /* cursor of the part after it */
        bool more;     /* is there one? */
    } part[PARTS];
    char text[VH_LIST_KEPT];
} cache;

/* The index of the part that begins at this cursor, -1 if the cache does not hold it. */
static int find(uint64_t stamp, uint64_t cursor) {
    if (stamp == 0 || stamp != cache.stamp)
        return -1;
    if (cursor == cache.cursor)
        return 0;
    for (int i = 1; i < cache.n; i++) {
        if (cache.part[i - 1].next == cursor)
            return i;
    }
    return -1;
}

/* Fills the cache with parts from this cursor on, up to the last one or until a table is full. */
static void render(uint64_t stamp, uint64_t cursor, struct client_ref ref, const struct server_calls *calls) {
    size_t most = stamp != 0 ? sizeof cache.text : UNSTAMPED_MAX, len = 0;
    bool more = true;
    cache.stamp = stamp;
    cache.cursor = cursor;
    cache.n = 0;
    while (more && cache.n < PARTS && most - len > VH_REPLY_MAX) {
        struct sbuf sb;
        sb_init(&sb, cache.text + len, VH_REPLY_MAX);
        more = calls->part(ref, &cursor, &sb);
        VH_ASSERT(sb_ok(&sb));
        len += sb.len;
        cache.part[cache.n].end = len;
        cache.part[cache.n].next = cursor;
        cache.part[cache.n].more = more;
        cache.n++;
    }
    VH_ASSERT(cache.n > 0);
}

static size_t begin_of(int i) {
    return i > 0 ? cache.part[i - 1].end : 0;
}

struct list_run list_cache_run(uint64_t cursor, struct client_ref ref, const struct server_calls *calls) {
    uint64_t stamp = calls->stamp(ref);
    int first = find(stamp, cursor);
    if (first < 0) {
        render(stamp, cursor, ref, calls);
        first = 0;
    }
    size_t begin = begin_of(first);
    return (struct list_run){.first = first, .text = cache.text + begin, .len = cache.part[cache.n - 1].end - begin};
}

void list_cache_drop(void) {
    cache.stamp = 0;
    cache.n = 0;
    pages_give_back(&cache, sizeof cache);
}

struct list_rest list_cache_rest(const struct list_run *run, size_t sent) {
    VH_ASSERT(run->first < cache.n && sent <= run->len);
    size_t at = begin_of(run->first) + sent;
    int i = run->first;
    while (i < cache.n - 1 && cache.part[i].end <= at)
        i++;
    return (struct list_rest){.text = cache.text + at,
                              .len = cache.part[i].end - at,
                              .cursor = cache.part[i].next,
                              .more = cache.part[i].more};
}
