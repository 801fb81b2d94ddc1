/*
 * test_shortcuts.c - policy.c and regex_set.c: a rule or pattern that is skipped early would not have matched. Many
 * random rules and patterns from a fixed seed.
 */
#include "codec/regex.h"
#include "config/conf.h"
#include "config/policy.h"
#include "test.h"

static struct regex_pool pool;
static struct conf conf;

static unsigned rnd(unsigned n) {
    static uint64_t state = 20261125;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* ---- patterns ---- */

static size_t some(char *dst, size_t most, const char *const *parts, unsigned n) {
    size_t len = 0;
    for (unsigned k = rnd(9); k > 0; k--) {
        const char *p = parts[rnd(n)];
        size_t size = strlen(p);
        if (len + size > most)
            break;
        memcpy(dst + len, p, size);
        len += size;
    }
    return len;
}

static void a_text_that_lacks_a_character_would_not_have_matched(void) {
    static const char *const parts[] = {"a",   "B",    "k",        "(",   ")",   "|",    "*",   "+",   "?",
                                        "{2}", "{,2}", ".",        ".*",  "[a]", "[^a]", "\\d", "\\b", "^",
                                        "$",   "1",    "\xc3\xa4", "(?:", "x|",  " ",    "{0}"};
    static const char *const letters[] = {"a", "A", "b",    "K", "\xe2\x84\xaa" /* kelvin sign */, "1", "\xc3\x84",
                                          "x", " ", "\xff", "\n"};
    int compiled = 0, matched = 0, passed_over = 0;
    for (int i = 0; i < 60000; i++) {
        char pattern[64], text[64];
        struct regex re, plain;
        struct regex_error err;
        regex_pool_reset(&pool);
        if (!regex_compile(&pool, &re, pattern, some(pattern, sizeof pattern, parts, sizeof parts / sizeof *parts),
                           &err))
            continue;
        plain = re;
        plain.needs = 0;
        compiled++;
        for (int k = 0; k < 8; k++) {
            size_t len = some(text, sizeof text, letters, sizeof letters / sizeof *letters);
            bool is = regex_match(&pool, &plain, text, len);
            CHECK(regex_match(&pool, &re, text, len) == is);
            matched += is;
            passed_over += re.needs != 0 && !is;
        }
    }
    CHECK(compiled > 10000 && matched > 10000 && passed_over > 10000);
}

/* ---- rules ---- */

static void make_rules(void) {
    memset(&conf, 0, sizeof conf);
    conf.rule_match_any = rnd(4) == 0;
    conf.nrules = (uint16_t)(1 + rnd(12));
    for (int i = 0; i < conf.nrules; i++) {
        struct rule *r = &conf.rules[i];
        *r = (struct rule){
            .enabled = rnd(8) != 0, .description = "", .tag = "", .allow = conf.nentries, .nallow = (uint16_t)rnd(4)};
        for (int k = 0; k < r->nallow; k++)
            conf.entries[conf.nentries++] = (struct entry){
                .enabled = rnd(8) != 0,
                .fields = (uint16_t)(rnd(4) == 0   ? F_DEV_CLASS
                                     : rnd(6) == 0 ? 0
                                     : rnd(2)      ? F_VID
                                                   : F_VID | F_PID),
                .vid = (uint16_t)(0x1000 + rnd(90)),
                .pid = (uint16_t)rnd(2),
                .dev_class = (uint8_t)rnd(3),
                .port = "",
                .serial = "",
                .description = "",
            };
        r->deny = conf.nentries;
        r->ndeny = (uint16_t)(rnd(4) == 0);
        if (r->ndeny)
            conf.entries[conf.nentries++] =
                (struct entry){.enabled = true, .fields = F_PID, .pid = 1, .port = "", .serial = "", .description = ""};
    }
}

static void a_rule_for_other_vendors_would_not_have_applied(void) {
    int applied = 0, none = 0, skipped = 0;
    for (int i = 0; i < 3000; i++) {
        struct device dev = {
            .vendor_name = "V", .product_name = "P", .serial = "", .protect = "", .malformed = "", .note = ""};
        int before[90];
        make_rules();
        for (unsigned v = 0; v < 90; v++) {
            dev.vid = (uint16_t)(0x1000 + v);
            dev.pid = v & 1;
            dev.cls = (uint8_t)(v % 3);
            before[v] = policy_rule(&conf, &dev);
        }
        policy_index(&conf);
        for (int k = 0; k < conf.nrules; k++)
            skipped += conf.not_of[k] != 0;
        for (unsigned v = 0; v < 90; v++) {
            dev.vid = (uint16_t)(0x1000 + v);
            dev.pid = v & 1;
            dev.cls = (uint8_t)(v % 3);
            CHECK_INT(policy_rule(&conf, &dev), before[v]);
            applied += before[v] >= 0;
            none += before[v] < 0;
        }
    }
    CHECK(applied > 10000 && none > 10000 && skipped > 3000);
}

int main(void) {
    RUN(a_text_that_lacks_a_character_would_not_have_matched);
    RUN(a_rule_for_other_vendors_would_not_have_applied);
    TEST_MAIN_END;
}
