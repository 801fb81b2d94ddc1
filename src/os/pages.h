/*
 * pages.h - which of our memory is resident. The tables are static and large; most of each is never touched.
 */
#ifndef VHOTPLUG_PAGES_H
#define VHOTPLUG_PAGES_H

#include <stddef.h>

/* No huge pages from now on, and those that came before main() are given back as far as they are zero. Once, at start.
 */
void pages_keep_small(void);
/* The whole pages of p[0..size) go back to the kernel; they read as zero, or as the file, from then on. */
void pages_give_back(const void *p, size_t size);
/* The program's own code; what runs on is read from the file again. The Makefile puts what start needs side by side. */
void pages_give_back_code(void);

#endif
