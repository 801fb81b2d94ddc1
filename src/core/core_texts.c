/*
 * core_texts.c - the texts of the devices in slots. Owns the pool that they are in; never cuts one, and knows nothing
 * of what they mean.
 *
 * Most texts are short and few devices have all of them, so a slot has a block of what its device has: the texts, each
 * with its NUL. A new block is made behind the others before the old one is given up, because the new texts may be the
 * old ones. Blocks move between two steps only; the pool is never full, and the work of a step is bounded by its size.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

#include <string.h>

struct block { /* its texts follow */
    uint16_t slot, size;
};

enum { TEXTS = 8 };

_Static_assert(CORE_POOL == (CORE_SLOTS + 1) * (sizeof(struct device_texts) + sizeof(struct block)) + CORE_POOL_WASTE,
               "a block for each slot, and one more while a block is replaced");
_Static_assert(CORE_SLOTS <= UINT16_MAX && sizeof(struct device_texts) <= UINT16_MAX,
               "a block names its slot and size");

static void texts_of(const struct device *d, const char *texts[TEXTS]) {
    const char *all[TEXTS] = {d->serial,    d->vendor_name, d->product_name, d->protect,
                              d->malformed, d->note,        d->stable_path,  d->twin};
    memcpy(texts, all, sizeof all);
}

/* Its texts are those at p, one behind the other. */
static void point(struct device *d, const char *p) {
    const char **texts[TEXTS] = {&d->serial,    &d->vendor_name, &d->product_name, &d->protect,
                                 &d->malformed, &d->note,        &d->stable_path,  &d->twin};
    for (int i = 0; i < TEXTS; i++) {
        *texts[i] = p;
        p += strlen(p) + 1;
    }
}

static bool same_texts(const struct device *a, const struct device *b) {
    const char *of_a[TEXTS], *of_b[TEXTS];
    bool same = true;
    texts_of(a, of_a);
    texts_of(b, of_b);
    for (int i = 0; i < TEXTS && same; i++)
        same = str_eq(of_a[i], of_b[i]);
    return same;
}

static struct block block_at(const struct text_pool *p, size_t at) {
    struct block b;
    memcpy(&b, p->bytes + at, sizeof b);
    return b;
}

void texts_forget(struct core *c, int slot) {
    struct slot *s = &c->slot[slot];
    if (s->texts_at == 0)
        return;
    c->pool.waste += block_at(&c->pool, s->texts_at - sizeof(struct block)).size + (uint32_t)sizeof(struct block);
    s->texts_at = 0;
}

/* Returns where its texts are. */
static uint32_t add(struct text_pool *p, int slot, const struct device *dev) {
    const char *texts[TEXTS];
    size_t begin = p->used + sizeof(struct block), at = begin;
    texts_of(dev, texts);
    for (int i = 0; i < TEXTS; i++) {
        size_t size = strlen(texts[i]) + 1;
        VH_ASSERT(size <= sizeof p->bytes - at); /* there is room for the longest ones */
        memcpy(p->bytes + at, texts[i], size);
        at += size;
    }
    struct block b = {.slot = (uint16_t)slot, .size = (uint16_t)(at - begin)};
    VH_ASSERT(at - begin <= sizeof(struct device_texts));
    memcpy(p->bytes + p->used, &b, sizeof b);
    p->used = (uint32_t)at;
    return (uint32_t)begin;
}

void texts_keep(struct core *c, int slot, const struct device *dev) {
    struct slot *s = &c->slot[slot];
    uint32_t at = s->texts_at;
    if (at == 0 || !same_texts(&s->dev, dev)) {
        at = add(&c->pool, slot, dev);
        texts_forget(c, slot);
    }
    s->dev = *dev;
    s->texts_at = at;
    point(&s->dev, c->pool.bytes + at);
}

void texts_settle(struct core *c) {
    struct text_pool *p = &c->pool;
    size_t to = 0, size = 0;
    if (p->waste <= CORE_POOL_WASTE)
        return;
    for (size_t at = 0; at < p->used; at += size) {
        struct block b = block_at(p, at);
        struct slot *s = &c->slot[b.slot];
        size = sizeof b + b.size;
        if (s->texts_at != at + sizeof b) /* of a device that has gone, or replaced */
            continue;
        memmove(p->bytes + to, p->bytes + at, size);
        s->texts_at = (uint32_t)(to + sizeof b);
        point(&s->dev, p->bytes + s->texts_at);
        to += size;
    }
    p->used = (uint32_t)to;
    p->waste = 0;
}

bool texts_check(const struct core *c) {
    size_t total = 0;
    for (int i = 0; i < CORE_SLOTS; i++) {
        const struct slot *s = &c->slot[i];
        const char *texts[TEXTS], *at = c->pool.bytes + s->texts_at;
        if ((s->texts_at != 0) != (s->state != SLOT_FREE))
            return false;
        if (s->texts_at == 0)
            continue;
        struct block b = block_at(&c->pool, s->texts_at - sizeof b);
        texts_of(&s->dev, texts);
        for (int k = 0; k < TEXTS; k++) {
            if (texts[k] != at)
                return false;
            at += strlen(at) + 1;
        }
        if (b.slot != i || at != c->pool.bytes + s->texts_at + b.size)
            return false;
        total += sizeof b + b.size;
    }
    return total + c->pool.waste == c->pool.used && c->pool.waste <= CORE_POOL_WASTE;
}
