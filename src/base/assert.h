/*
 * assert.h - invariants. A broken invariant is logged with its place and ends the program, so that the service manager
 * starts it again. Never returns after a broken invariant.
 */
#ifndef VHOTPLUG_ASSERT_H
#define VHOTPLUG_ASSERT_H

/* Writes the last log line. log_open() sets the function; without one, nothing is written. */
typedef void assert_say_fn(const char *expr, const char *file, int line);
void vh_assert_say(assert_say_fn *say);
_Noreturn void vh_assert_failed(const char *expr, const char *file, int line);

#define VH_ASSERT(e) ((e) ? (void)0 : vh_assert_failed(#e, __FILE__, __LINE__))

#endif
