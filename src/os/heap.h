/*
 * heap.h - malloc over a fixed arena of VH_ARENA_SIZE bytes, for libusb and the C library only: vhotplug's own code
 * never allocates. The static binary contains no other malloc, so no memory comes from the kernel.
 */
#ifndef VHOTPLUG_HEAP_H
#define VHOTPLUG_HEAP_H

#include <stddef.h>

/* As in the C standard; malloc and the rest are other names of these (unless built with HEAP_OWN_NAMES). */
void *heap_malloc(size_t size);
void *heap_calloc(size_t count, size_t size);
void *heap_realloc(void *p, size_t size);
void heap_free(void *p);
void *heap_aligned_alloc(size_t alignment, size_t size);
int heap_posix_memalign(void **out, size_t alignment, size_t size);
size_t heap_usable_size(void *p); /* exactly the size asked for */

size_t heap_used(void); /* bytes of the arena in use now, block headers included */
size_t heap_peak(void); /* the highest value so far */
void heap_check(void);  /* walks the whole arena; aborts where it is damaged */

#endif
