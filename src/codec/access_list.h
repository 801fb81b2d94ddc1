/*
 * access_list.h - the POSIX access list of a file, as the kernel gives and takes it (system.posix_acl_access): one user
 * more may read and write, or no longer. What others may do stays as it is. Pure.
 */
#ifndef VHOTPLUG_ACCESS_LIST_H
#define VHOTPLUG_ACCESS_LIST_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

#define ACCESS_LIST_NAME "system.posix_acl_access"

enum { ACCESS_LIST_BYTES = 4 + 8 * VH_MAX_ACCESS_ENTRIES };

struct access_list {
    size_t n; /* bytes; 0: the file has no list, and its mode says all */
    uint8_t bytes[ACCESS_LIST_BYTES];
};

enum access_change {
    ACCESS_SAME,    /* the user has, or has not, what was asked for already */
    ACCESS_CHANGED, /* the list is to be set */
    ACCESS_ODD,     /* it is no list that the kernel makes */
    ACCESS_FULL,    /* it has no room for one more */
};

/* mode: of the file; its owner is not this user. */
enum access_change access_list_let(struct access_list *l, uint32_t mode, uint32_t uid);
enum access_change access_list_bar(struct access_list *l, uint32_t uid);

#endif
