/*
 * fuzz_regex_match.c - patterns made from a tree, and the tree itself walked over sets of places in the text: both
 * must say the same. The tree knows no automaton; the engine does not know the tree.
 */
#include "bytes.h"
#include "codec/regex.h"
#include "must.h"

#include <stdio.h>
#include <string.h>

enum { NODES = 24, TEXT = 24, PATTERN = 512 };

/* Sets of places 0..TEXT as bits. */
typedef uint64_t places;

enum kind { CHAR, ANY, CLASS, CAT, ALT, REPEAT, BEGIN, END, WORD, NOT_WORD };

struct node {
    enum kind kind;
    char c, to; /* CLASS: a range; CHAR */
    bool negated;
    int a, b;     /* children */
    int min, max; /* REPEAT; max -1: no bound */
};

static struct node nodes[NODES];
static int nnodes;
static char text[TEXT + 1];
static int ntext;
static const char letters[] = "abAB1_ \n-";

static int new_node(enum kind kind) {
    nodes[nnodes] = (struct node){.kind = kind, .a = -1, .b = -1};
    return nnodes++;
}

static char letter(struct bytes *in) {
    return letters[below(in, sizeof letters - 1)];
}

static int leaf(struct bytes *in) {
    unsigned how = take(in);
    static const enum kind kinds[] = {CHAR, CHAR, CHAR, ANY, CLASS, BEGIN, END, WORD, NOT_WORD, CHAR};
    int n = new_node(kinds[how % 10]);
    nodes[n].c = letter(in);
    nodes[n].to = (char)(nodes[n].c + (nodes[n].kind == CLASS ? (int)below(in, 3) : 0));
    nodes[n].negated = (how & 128) != 0;
    return n;
}

/* One level of the tree; children come after their parents, so depth is bounded by the table. */
static int grow(struct bytes *in, int depth) {
    unsigned how = take(in);
    if (depth == 0 || nnodes + 8 >= NODES || how % 5 < 2)
        return leaf(in);
    if (how % 5 == 4) {
        int n = new_node(REPEAT);
        static const int bounds[][2] = {{0, -1}, {1, -1}, {0, 1}, {2, 2}, {1, 3}, {2, -1}, {0, 2}, {0, 0}};
        nodes[n].min = bounds[how / 5 % 8][0];
        nodes[n].max = bounds[how / 5 % 8][1];
        nodes[n].negated = how >= 200; /* lazy: says which match, not whether */
        nodes[n].a = grow(in, depth - 1);
        return n;
    }
    int n = new_node(how % 5 == 2 ? CAT : ALT);
    nodes[n].a = grow(in, depth - 1);
    nodes[n].b = grow(in, depth - 1);
    return n;
}

/* ---- as text ---- */

static void put(char *dst, const char *s) {
    size_t n = strlen(dst);
    MUST(n + strlen(s) < PATTERN);
    memcpy(dst + n, s, strlen(s) + 1);
}

static void put_char(char *dst, char c, bool in_class) {
    char s[3] = {c, 0, 0};
    if (c == '\n')
        memcpy(s, "\\n", 3);
    else if (in_class && (c == '-' || c == '^' || c == ']' || c == '\\' || c == '['))
        s[0] = '\\', s[1] = c;
    put(dst, s);
}

static void print_node(const struct node *n, char *dst);

static void print_repeat(const struct node *n, char *dst) {
    char s[24];
    put(dst, "(?:");
    print_node(&nodes[n->a], dst);
    put(dst, ")");
    if (n->max < 0 && n->min < 2)
        snprintf(s, sizeof s, "%s", n->min == 0 ? "*" : "+");
    else if (n->max < 0)
        snprintf(s, sizeof s, "{%d,}", n->min);
    else if (n->min == 0 && n->max == 1)
        snprintf(s, sizeof s, "?");
    else if (n->min == n->max)
        snprintf(s, sizeof s, "{%d}", n->min);
    else
        snprintf(s, sizeof s, "{%d,%d}", n->min, n->max);
    put(dst, s);
    if (n->negated)
        put(dst, "?");
}

static void print_node(const struct node *n, char *dst) {
    switch (n->kind) {
    case CHAR:
        put_char(dst, n->c, false);
        break;
    case ANY:
        put(dst, ".");
        break;
    case CLASS:
        put(dst, n->negated ? "[^" : "[");
        put_char(dst, n->c, true);
        put(dst, "-");
        put_char(dst, n->to, true);
        put(dst, "]");
        break;
    case CAT:
        print_node(&nodes[n->a], dst);
        print_node(&nodes[n->b], dst);
        break;
    case ALT:
        put(dst, "(");
        print_node(&nodes[n->a], dst);
        put(dst, "|");
        print_node(&nodes[n->b], dst);
        put(dst, ")");
        break;
    case REPEAT:
        print_repeat(n, dst);
        break;
    case BEGIN:
        put(dst, "^");
        break;
    case END:
        put(dst, "$");
        break;
    case WORD:
        put(dst, "\\b");
        break;
    case NOT_WORD:
        put(dst, "\\B");
    }
}

/* ---- as a walk ---- */

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool word_at(int at) {
    char c = at >= 0 && at < ntext ? fold(text[at]) : ' ';
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static bool takes(const struct node *n, char c) {
    if (n->kind == ANY)
        return c != '\n';
    if (n->kind == CHAR)
        return fold(n->c) == fold(c);
    bool in = false; /* a class under IGNORECASE: either case of the character lies in the range */
    for (int x = (unsigned char)n->c; x <= (unsigned char)n->to; x++)
        in |= fold((char)x) == fold(c);
    return in != n->negated;
}

static bool holds(enum kind kind, int at) {
    bool edge = word_at(at - 1) != word_at(at);
    switch (kind) {
    case BEGIN:
        return at == 0;
    case END:
        return at == ntext || (at == ntext - 1 && text[at] == '\n');
    case WORD:
        return edge;
    default:
        return !edge && ntext > 0; /* Python before 3.14: \B does not match in an empty text */
    }
}

static places walk(const struct node *n, places from);

static places walk_repeat(const struct node *n, places from) {
    places all = 0, now = from;
    for (int i = 0; i < n->min; i++)
        now = walk(&nodes[n->a], now);
    all = now;
    for (int i = n->min; (n->max < 0 || i < n->max) && now != 0; i++) {
        now = walk(&nodes[n->a], now) & ~all; /* only new places lead further; so it ends */
        all |= now;
    }
    return all;
}

static places walk(const struct node *n, places from) {
    places to = 0;
    switch (n->kind) {
    case CAT:
        return walk(&nodes[n->b], walk(&nodes[n->a], from));
    case ALT:
        return walk(&nodes[n->a], from) | walk(&nodes[n->b], from);
    case REPEAT:
        return walk_repeat(n, from);
    case CHAR:
    case ANY:
    case CLASS:
        for (int at = 0; at < ntext; at++)
            to |= (from >> at & 1) != 0 && takes(n, text[at]) ? (places)1 << (at + 1) : 0;
        return to;
    default:
        for (int at = 0; at <= ntext; at++)
            to |= (from >> at & 1) != 0 && holds(n->kind, at) ? (places)1 << at : 0;
        return to;
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static struct regex_pool pool;
    struct bytes in = {data, size};
    struct regex re = {0};
    struct regex_error err = {0};
    char pattern[PATTERN] = "";
    nnodes = 0;
    ntext = (int)below(&in, TEXT);
    for (int i = 0; i < ntext; i++)
        text[i] = letter(&in);
    int root = grow(&in, 5);
    print_node(&nodes[root], pattern);
    regex_pool_reset(&pool);
    if (!regex_compile(&pool, &re, pattern, strlen(pattern), &err))
        return 0; /* too long once its counts are written out */
    bool engine = regex_match(&pool, &re, text, (size_t)ntext), tree = walk(&nodes[root], 1) != 0;
    if (engine != tree) {
        fprintf(stderr, "pattern '%s' text '%.*s': engine %d tree %d\n", pattern, ntext, text, engine, tree);
        abort();
    }
    return 0;
}
