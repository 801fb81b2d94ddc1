/*
 * access_list.c - see access_list.h. Owns the form of a list, of which the kernel's headers have had several.
 *
 * The entries are in the order of their tags; users and groups that are named are bounded by the mask, and so is the
 * file's group. A mask that was lowered keeps holding for those whom it held for: their entries get what it left them
 * before it is raised for one more.
 */
#include "codec/access_list.h"

#include <stdbool.h>
#include <string.h>

enum { VERSION = 2, OWNER = 1, USER = 2, GROUP = 4, NAMED_GROUP = 8, MASK = 16, OTHERS = 32, RW = 6 };

struct entry {
    unsigned tag, rights;
    uint32_t id;
};
struct entries {
    int n;
    struct entry e[VH_MAX_ACCESS_ENTRIES];
};

static uint32_t get(const uint8_t *p, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << 8 * i;
    return v;
}

static void put(uint8_t *p, int bytes, uint32_t v) {
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static bool is_named(const struct entry *e) {
    return e->tag == USER || e->tag == NAMED_GROUP;
}

/* Of those that come once at most, and of which all lists but the shortest have all. */
static int count(const struct entries *l, unsigned tag) {
    int n = 0;
    for (int i = 0; i < l->n; i++)
        n += l->e[i].tag == tag;
    return n;
}

static bool is_list(const struct entries *l) {
    bool named = false;
    for (int i = 0; i < l->n; i++) {
        const struct entry *e = &l->e[i];
        if ((e->tag & (e->tag - 1)) != 0 || e->tag == 0 || e->tag > OTHERS || e->rights > 7)
            return false;
        if (i > 0 && (l->e[i - 1].tag > e->tag || (l->e[i - 1].tag == e->tag && !is_named(e))))
            return false;
        named = named || is_named(e);
    }
    return count(l, OWNER) == 1 && count(l, GROUP) == 1 && count(l, OTHERS) == 1 && (count(l, MASK) == 1 || !named);
}

static bool read_list(const struct access_list *list, struct entries *l) {
    l->n = 0;
    if (list->n < 4 || list->n > sizeof list->bytes || (list->n - 4) % 8 != 0 || get(list->bytes, 4) != VERSION)
        return false;
    for (size_t at = 4; at < list->n; at += 8)
        l->e[l->n++] =
            (struct entry){get(list->bytes + at, 2), get(list->bytes + at + 2, 2), get(list->bytes + at + 4, 4)};
    return is_list(l);
}

static void write_list(struct access_list *list, const struct entries *l) {
    put(list->bytes, 4, VERSION);
    for (int i = 0; i < l->n; i++) {
        uint8_t *p = list->bytes + 4 + 8 * (size_t)i;
        put(p, 2, l->e[i].tag);
        put(p + 2, 2, l->e[i].rights);
        put(p + 4, 4, l->e[i].id);
    }
    list->n = 4 + 8 * (size_t)l->n;
}

static void of_mode(struct entries *l, uint32_t mode) {
    *l = (struct entries){
        .n = 3,
        .e = {{OWNER, mode >> 6 & 7, UINT32_MAX}, {GROUP, mode >> 3 & 7, UINT32_MAX}, {OTHERS, mode & 7, UINT32_MAX}}};
}

static int find(const struct entries *l, unsigned tag, uint32_t id) {
    for (int i = 0; i < l->n; i++) {
        if (l->e[i].tag == tag && (!is_named(&l->e[i]) || l->e[i].id == id))
            return i;
    }
    return -1;
}

static void insert(struct entries *l, int at, struct entry e) {
    memmove(&l->e[at + 1], &l->e[at], (size_t)(l->n - at) * sizeof l->e[0]);
    l->e[at] = e;
    l->n++;
}

static void take_out(struct entries *l, int at) {
    l->n--;
    memmove(&l->e[at], &l->e[at + 1], (size_t)(l->n - at) * sizeof l->e[0]);
}

/* Nothing is bounded by the mask any more, which is what all of them may do. */
static void settle(struct entries *l) {
    int mask = find(l, MASK, 0);
    unsigned left = mask >= 0 ? l->e[mask].rights : 7, all = 0;
    for (int i = 0; i < l->n; i++) {
        struct entry *e = &l->e[i];
        if (is_named(e) || e->tag == GROUP) {
            e->rights &= left;
            all |= e->rights;
        }
    }
    if (mask >= 0)
        l->e[mask].rights = all;
}

enum access_change access_list_let(struct access_list *list, uint32_t mode, uint32_t uid) {
    struct entries l;
    if (list->n == 0)
        of_mode(&l, mode);
    else if (!read_list(list, &l))
        return ACCESS_ODD;
    int mask = find(&l, MASK, 0), user = find(&l, USER, uid);
    if (user >= 0 && (l.e[user].rights & l.e[mask].rights & RW) == RW)
        return ACCESS_SAME;
    if (l.n + (user < 0) + (mask < 0) > VH_MAX_ACCESS_ENTRIES)
        return ACCESS_FULL;
    settle(&l);
    if (mask < 0)
        insert(&l, find(&l, OTHERS, 0), (struct entry){MASK, l.e[find(&l, GROUP, 0)].rights, UINT32_MAX});
    if (user < 0)
        insert(&l, user = find(&l, GROUP, 0), (struct entry){USER, 0, uid});
    l.e[user].rights |= RW;
    l.e[find(&l, MASK, 0)].rights |= RW;
    write_list(list, &l);
    return ACCESS_CHANGED;
}

enum access_change access_list_bar(struct access_list *list, uint32_t uid) {
    struct entries l;
    if (list->n == 0)
        return ACCESS_SAME;
    if (!read_list(list, &l))
        return ACCESS_ODD;
    int user = find(&l, USER, uid);
    if (user < 0)
        return ACCESS_SAME;
    settle(&l);
    for (; user >= 0; user = find(&l, USER, uid)) /* nothing keeps a list from having one twice */
        take_out(&l, user);
    settle(&l);
    if (count(&l, USER) == 0 && count(&l, NAMED_GROUP) == 0)
        take_out(&l, find(&l, MASK, 0)); /* without names the mode says all again */
    write_list(list, &l);
    return ACCESS_CHANGED;
}
