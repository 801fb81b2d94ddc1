/*
 * pages.h - keeps resident memory small. The tables are static and large, and most of each is never touched.
 */
#ifndef VHOTPLUG_PAGES_H
#define VHOTPLUG_PAGES_H

#include <stddef.h>

/* Turns huge pages off, and gives back pages that became resident before main() and are zero. Call once, at start. */
void pages_keep_small(void);
/* The whole pages of p[0..size) go back to the kernel; they read as zero, or as the file, from then on. */
void pages_give_back(const void *p, size_t size);
/* Gives back the program's code; the kernel reads the code that runs next from the file again. The Makefile places code
 * that only start needs side by side. */
void pages_give_back_code(void);
/* What deeper calls have left below the caller's stack frame goes back, too. */
void pages_give_back_stack(void);

#endif
