/*
 * cli_cell.h - cells of a table on a terminal: their widths, and texts that are cut or wrapped.
 */
#ifndef VHOTPLUG_CLI_CELL_H
#define VHOTPLUG_CLI_CELL_H

#include <stddef.h>

enum { CELL_GAP = 2 }; /* columns between two cells */

/* A column that gives way on a narrow terminal: it gets narrower down to min, or goes with 0. */
struct cell_yield {
    int column, min;
};
/* Takes from the widths, in the order of the yields, until `wanted` columns are left. Returns what is left. */
int cell_narrow(int *width, const struct cell_yield *yields, size_t n, int left, int wanted);
void cell_print(const char *text, int width, const char *style); /* cut, or filled with blanks, and the gap */
void cell_wrap(const char *text, int indent);                    /* on lines of its own, broken at blanks */

#endif
