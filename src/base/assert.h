/*
 * assert.h - an invariant is broken: say where and abort, so that a supervisor starts afresh.
 */
#ifndef VHOTPLUG_ASSERT_H
#define VHOTPLUG_ASSERT_H

/* How the last words are said: set by whoever opens the log; before that they are not said. */
typedef void assert_say_fn(const char *expr, const char *file, int line);
void vh_assert_say(assert_say_fn *say);
_Noreturn void vh_assert_failed(const char *expr, const char *file, int line);

#define VH_ASSERT(e) ((e) ? (void)0 : vh_assert_failed(#e, __FILE__, __LINE__))

#endif
