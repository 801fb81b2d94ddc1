/*
 * conf_api.h - general.api as a struct: transports, clients, limits. access.h says who has which role.
 */
#ifndef VHOTPLUG_CONF_API_H
#define VHOTPLUG_CONF_API_H

#include "base/limits.h"
#include "base/model.h"

#include <stdbool.h>
#include <stdint.h>

enum access_kind { ACCESS_CID, ACCESS_UID, ACCESS_GID, ACCESS_NET };

/* One entry of general.api.clients: a client and its role. */
struct access_conf {
    enum access_kind kind;
    enum role role;
    int vm;          /* ROLE_GUEST: of this VM; else -1 */
    uint32_t id;     /* CID, uid or gid */
    uint8_t net[16]; /* ACCESS_NET: IPv6, or IPv4 mapped into it */
    uint8_t bits;    /* length of the prefix */
};

enum cid_policy { CIDS_NOBODY, CIDS_LISTED, CIDS_ANY };

struct api_conf {
    bool enable, unix_on, tcp_on, vsock_on;
    char host[VH_HOST_MAX]; /* numeric IPv4 or IPv6 address, or "localhost" */
    uint16_t tcp_port;
    uint32_t vsock_port;
    char unix_path[VH_SUN_PATH_MAX];
    char unix_user[VH_NAME_MAX], unix_group[VH_NAME_MAX]; /* "" if not given */
    uint16_t unix_mode;
    enum cid_policy cid_policy;
    uint32_t cids[VH_MAX_CIDS];
    uint16_t ncids;
    bool only_clients; /* general.api.clients is given: a client without an entry has no access */
    uint16_t naccess;
    /* From `clients`, else from the VMs with a "cid"; the first match decides. */
    struct access_conf access[VH_MAX_ACCESS];
    uint16_t peer_clients; /* connections of one peer */
    uint32_t peer_rate;    /* requests per second of one peer, unless it is admin */
    uint16_t line_seconds; /* time to finish a line */
};

#endif
