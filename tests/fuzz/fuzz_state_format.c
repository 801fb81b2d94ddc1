/*
 * fuzz_state_format.c - any bytes as a state file: no crash, entries within bounds, and what was understood is written
 * so that reading it again gives the same text: a daemon that only starts and stops changes nothing.
 */
#include "codec/state_format.h"
#include "must.h"

#include <string.h>

static const char boot[] = "00000000-1111-2222-3333-444444444444";

static size_t print(const struct remembered_set *ms, char *text) {
    struct sbuf sb;
    sb_init(&sb, text, VH_STATE_MAX);
    state_format_print(ms, boot, &sb);
    return sb_ok(&sb) ? sb.len : 0;
}

static void check(const struct remembered_set *ms) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &ms->m[i];
        MUST(!m->used || m->vm[0] != '\0' || m->suspended[0] != '\0' || m->file.by != ROLE_NONE || m->file.exempt != 0);
        MUST(m->file.by == m->now.by && (m->now.exempt == 0) == (m->now.exempt_by == ROLE_NONE) &&
             m->stamp <= ms->stamp);
        MUST(memchr(m->serial, 0, sizeof m->serial) != NULL && memchr(m->port, 0, sizeof m->port) != NULL);
        MUST(memchr(m->vm, 0, sizeof m->vm) != NULL && memchr(m->suspended, 0, sizeof m->suspended) != NULL);
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        MUST((ms->tag_decision[i].by == ROLE_NONE) == (ms->tag_decision[i].tag[0] == '\0'));
    MUST(ms->nkept <= sizeof ms->kept && (ms->nkept == 0 || ms->kept[ms->nkept - 1] == '\0'));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct remembered_set ms;
    static char first[VH_STATE_MAX], second[VH_STATE_MAX];
    char why[VH_TEXT_MAX] = "";
    unsigned dropped = 0;
    memset(&ms, 0, sizeof ms);
    if (!state_format_parse(&ms, (const char *)data, size, boot, &dropped, why, sizeof why)) {
        MUST(why[0] != '\0' && memchr(why, 0, sizeof why) != NULL);
        return 0;
    }
    check(&ms);
    size_t len = print(&ms, first);
    if (len == 0)
        return 0; /* it did not fit: said by sb_ok(), and not written */
    memset(&ms, 0, sizeof ms);
    MUST(state_format_parse(&ms, first, len, boot, &dropped, why, sizeof why) && dropped == 0);
    check(&ms);
    MUST(print(&ms, second) == len && memcmp(first, second, len) == 0);
    return 0;
}
