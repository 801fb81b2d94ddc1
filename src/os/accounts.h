/*
 * accounts.h - the numbers of users and groups, from the files of /etc. Never asks a name service.
 */
#ifndef VHOTPLUG_ACCOUNTS_H
#define VHOTPLUG_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#define ACCOUNTS_USERS "/etc/passwd"
#define ACCOUNTS_GROUPS "/etc/group"

/* The number of the account that has this name in the file. A name that is a number is that number. False if there is
 * none. */
bool accounts_id(const char *file, const char *name, int64_t *id);

#endif
