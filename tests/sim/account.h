/*
 * account.h - what subscribers and clients are told by the core, held against what they were told before and against
 * what has happened. Takes facts and actions; of the core's state only which plug a slot has, and where.
 */
#ifndef VHOTPLUG_SIM_ACCOUNT_H
#define VHOTPLUG_SIM_ACCOUNT_H

#include "core/core.h"

#include <stdint.h>

typedef void account_fail_fn(const char *why); /* does not return */

void account_begin(account_fail_fn *fail); /* a daemon starts: nobody was told anything */
void account_fact(const struct fact *f, int64_t now);
/* Each action of the step, in order. */
void account_action(const struct core *c, const struct actions *all, const struct action *a);
void account_step_ends(const struct core *c);

#endif
