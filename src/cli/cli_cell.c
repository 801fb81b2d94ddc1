/*
 * cli_cell.c - see cli_cell.h. Knows no table.
 */
#include "cli/cli_cell.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_term.h"

#include <stdio.h>
#include <string.h>

int cell_narrow(int *width, const struct cell_yield *yields, size_t n, int left, int wanted) {
    for (size_t i = 0; i < n && left < wanted; i++) {
        int *w = &width[yields[i].column], min = yields[i].min;
        int less = min == 0 ? *w : *w - min < wanted - left ? *w - min : wanted - left;
        if (less <= 0)
            continue;
        left += less + (min == 0 ? CELL_GAP : 0);
        *w -= less;
    }
    return left;
}

void cell_print(const char *text, int width, const char *style) {
    term_style(style);
    int used = term_print(stdout, text, width);
    term_style("0");
    printf("%*s", width - used + CELL_GAP, "");
}

void cell_wrap(const char *text, int indent) {
    int room = term_width() - indent, used = 0;
    char word[VH_TEXT_MAX];
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        (void)str_copyn(word, sizeof word, text, len); /* one that is longer is wider than the terminal, and cut */
        int columns = term_columns(word);
        if (used == 0 || used + 1 + columns > room) {
            printf("\n%*s", indent, "");
            used = 0;
        } else {
            putchar(' ');
            used++;
        }
        used += term_print(stdout, word, room - used);
        text += len;
        text += strspn(text, " ");
    }
}
