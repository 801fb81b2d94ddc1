/*
 * fuzz_access_list.c - any bytes as an access list: one user is let in and barred again, and the rights of all others
 * stay as they were; what is no list is left alone.
 */
#include "codec/access_list.h"
#include "must.h"

#include <stdbool.h>
#include <string.h>

enum { UID = 1000, MODE = 0640 };

static unsigned tag_at(const struct access_list *l, size_t at) {
    return l->bytes[at];
}

static unsigned mask_of(const struct access_list *l) {
    for (size_t at = 4; at < l->n; at += 8) {
        if (tag_at(l, at) == 16)
            return l->bytes[at + 2];
    }
    return 7;
}

/* What the first entry with these 8 bytes' tag and id lets somebody do, 8 if there is none. */
static unsigned rights(const struct access_list *l, const uint8_t *e) {
    for (size_t at = 4; at < l->n; at += 8) {
        bool named = e[0] == 2 || e[0] == 8, bounded = named || e[0] == 4;
        if (tag_at(l, at) == e[0] && (!named || memcmp(l->bytes + at + 4, e + 4, 4) == 0))
            return bounded ? l->bytes[at + 2] & mask_of(l) : l->bytes[at + 2];
    }
    return 8;
}

static bool is_user(const uint8_t *e) {
    static const uint8_t id[4] = {UID & 0xff, UID >> 8};
    return e[0] == 2 && memcmp(e + 4, id, sizeof id) == 0;
}

/* A mask is not compared: it says what others may do, and who they are. */
static void must_stay(const struct access_list *before, const struct access_list *after) {
    MUST(after->n >= 4 && after->n <= ACCESS_LIST_BYTES && (after->n - 4) % 8 == 0);
    for (size_t at = 4; at < before->n; at += 8) {
        const uint8_t *e = before->bytes + at;
        MUST(e[0] == 16 || is_user(e) || rights(before, e) == rights(after, e));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct access_list before = {.n = size <= ACCESS_LIST_BYTES ? size : ACCESS_LIST_BYTES}, l;
    static const uint8_t user[8] = {2, 0, 6, 0, UID & 0xff, UID >> 8};
    memcpy(before.bytes, data, before.n);
    l = before;
    enum access_change let = access_list_let(&l, MODE, UID);
    if (let != ACCESS_CHANGED) {
        MUST(memcmp(&l, &before, sizeof l) == 0);
        MUST(let != ACCESS_ODD || access_list_bar(&l, UID) == ACCESS_ODD);
        return 0;
    }
    must_stay(&before, &l);
    MUST((rights(&l, user) & 6) == 6 && access_list_let(&l, MODE, UID) == ACCESS_SAME);
    MUST(access_list_bar(&l, UID) == ACCESS_CHANGED);
    must_stay(&before, &l);
    MUST(rights(&l, user) == 8 && access_list_bar(&l, UID) == ACCESS_SAME);
    return 0;
}
