/*
 * access.h - who may ask what. A principal is fixed at accept from kernel facts; default deny. Pure.
 */
#ifndef VHOTPLUG_ACCESS_H
#define VHOTPLUG_ACCESS_H

#include "conf.h"
#include "model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each fills *p; a role of ROLE_NONE means: close unread. */
void access_unix(const struct api_conf *c, uint32_t uid, uint32_t gid, int32_t pid, struct principal *p);
void access_vsock(const struct api_conf *c, uint32_t cid, struct principal *p);
void access_tcp(const struct api_conf *c, const char *address, struct principal *p);
/* May this principal make this kind of request at all? On refusal *why is static text. */
bool access_may(const struct principal *p, enum request_kind kind, const char **why);
const char *access_role_name(enum role r);

#endif
