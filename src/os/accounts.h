/*
 * accounts.h - the numbers and names of users and groups, from the files of /etc. Never asks a name service.
 */
#ifndef VHOTPLUG_ACCOUNTS_H
#define VHOTPLUG_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACCOUNTS_USERS "/etc/passwd"
#define ACCOUNTS_GROUPS "/etc/group"

/* The number of the account that has this name in the file. A name that is a number is that number. False if there is
 * none. */
bool accounts_id(const char *file, const char *name, int64_t *id);
/* The first name in the file that has this number and fits. False, with dst empty, if there is none. */
bool accounts_name(const char *file, int64_t id, char *dst, size_t cap);

#endif
