/*
 * conf_clients.c - general.api.clients and general.api.limits: the roles of clients, and the limits of a peer. Without
 * `clients` each VM with a "cid" is a guest. Reads values only; access.c applies them.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf_read.h"

#include <arpa/inet.h>
#include <string.h>

/* ---- which client ---- */

/* "192.0.2.0/24", "2001:db8::/32", or an address alone. IPv4 is mapped into IPv6. */
static bool parse_net(const char *text, struct access_conf *a, const char **why) {
    char address[64];
    const char *slash = strchr(text, '/');
    size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint64_t bits = 0;
    *why = NULL;
    memset(a->net, 0, sizeof a->net);
    VH_ASSERT(str_copyn(address, sizeof address, text, n)); /* the same bound */
    bool v4 = inet_pton(AF_INET, address, a->net + 12) == 1;
    if (!v4 && inet_pton(AF_INET6, address, a->net) != 1)
        return false;
    if (v4)
        a->net[10] = a->net[11] = 0xff;
    unsigned most = v4 ? 32 : 128;
    bits = most;
    if (slash != NULL && !str_uint(slash + 1, strlen(slash + 1), most, &bits))
        return false;
    a->bits = (uint8_t)(bits + 128 - most);
    for (unsigned i = a->bits; i < 128; i++) {
        if ((a->net[i / 8] >> (7 - i % 8) & 1) != 0)
            *why = "the address has bits beyond its prefix";
    }
    return *why == NULL;
}

static bool read_net(struct reader *r, int tok, struct access_conf *a) {
    static const char what[] = "an address or a network such as \"127.0.0.1\", \"192.0.2.0/24\" or \"fd00::/8\"";
    char text[64];
    const char *why = NULL;
    if (!rd_copy(r, tok, text, sizeof text, what))
        return false;
    if (parse_net(text, a, &why))
        return true;
    if (why != NULL)
        rd_error(r, tok, "%s: \"%s\" would be no network", why, text);
    else
        rd_expected(r, tok, what);
    return false;
}

static bool read_who(struct reader *r, int object, const int *v, struct access_conf *a) {
    static const struct {
        int key;
        enum access_kind kind;
        const char *what;
    } ids[] = {
        {CLI_CID, ACCESS_CID, "a CID from 0 to 4294967294"},
        {CLI_UID, ACCESS_UID, "a user's number from 0 to 4294967294 (names are not resolved)"},
        {CLI_GID, ACCESS_GID, "a group's number from 0 to 4294967294 (names are not resolved)"},
    };
    uint64_t id = 0;
    int given = (v[CLI_CID] >= 0) + (v[CLI_UID] >= 0) + (v[CLI_GID] >= 0) + (v[CLI_TCP] >= 0);
    if (given != 1) {
        rd_error(r, object, "%s: exactly one of 'cid', 'uid', 'gid' and 'tcp' says who is meant",
                 given == 0 ? "nobody is named" : "too much is named");
        return false;
    }
    a->kind = ACCESS_NET;
    if (v[CLI_TCP] >= 0)
        return read_net(r, v[CLI_TCP], a);
    for (size_t i = 0; i < 3; i++) {
        if (v[ids[i].key] < 0)
            continue;
        if (!rd_uint(r, v[ids[i].key], 0, UINT32_MAX - 1, ids[i].what, &id))
            return false;
        a->kind = ids[i].kind;
        a->id = (uint32_t)id;
    }
    return true;
}

/* ---- its role ---- */

static bool read_role(struct reader *r, int object, const int *v, struct access_conf *a) {
    static const char *const names[] = {"admin", "operator", "guest", "observer"};
    static const enum role roles[] = {ROLE_ADMIN, ROLE_OPERATOR, ROLE_GUEST, ROLE_OBSERVER};
    static const char what[] = "\"admin\", \"operator\", \"guest\" or \"observer\"";
    int which = -1;
    if (v[CLI_ROLE] < 0) {
        rd_error(r, object, "'role' is missing: %s", what);
        return false;
    }
    if (!rd_choice(r, v[CLI_ROLE], names, 4, what, &which))
        return false;
    a->role = roles[which];
    if (v[CLI_TCP] >= 0 && a->role == ROLE_ADMIN) {
        rd_error(r, v[CLI_ROLE], "TCP knows no users: an address is \"operator\" at most");
        return false;
    }
    return true;
}

static bool read_vm_of(struct reader *r, int object, const int *v, struct access_conf *a) {
    char name[VH_NAME_MAX];
    a->vm = -1;
    if (a->role != ROLE_GUEST && v[CLI_VM] >= 0) {
        rd_error(r, v[CLI_VM], "only a \"guest\" belongs to a VM");
        return false;
    }
    if (a->role != ROLE_GUEST)
        return true;
    if (v[CLI_VM] < 0) {
        rd_error(r, object, "'vm' is missing: a guest is the guest of one VM");
        return false;
    }
    if (!rd_copy(r, v[CLI_VM], name, sizeof name, "the name of a VM"))
        return false;
    a->vm = conf_vm(r->c, name);
    if (a->vm < 0)
        rd_error(r, v[CLI_VM], "no VM named '%s' in 'vms'", name);
    return a->vm >= 0;
}

/* ---- the list ---- */

/* True if entry a covers every client that b covers. */
static bool covers(const struct access_conf *a, const struct access_conf *b) {
    if (a->kind != b->kind)
        return false;
    if (a->kind != ACCESS_NET)
        return a->id == b->id;
    for (unsigned i = 0; i < a->bits; i++) {
        if (((a->net[i / 8] ^ b->net[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return a->bits <= b->bits;
}

static bool is_new(struct reader *r, int object, const struct access_conf *a) {
    for (int i = 0; i < r->c->api.naccess; i++) {
        const struct access_conf *early = &r->c->api.access[i];
        if (!covers(early, a))
            continue;
        if (a->kind == ACCESS_NET && early->bits != a->bits)
            rd_error(r, object, "never decides: entry [%d] already means every such address, and the first one counts",
                     i);
        else
            rd_error(r, object, "the same client as in entry [%d], and the first one counts", i);
        return false;
    }
    return true;
}

static void read_client(struct reader *r, int object) {
    struct api_conf *api = &r->c->api;
    struct access_conf a = {.vm = -1};
    int v[CONF_KEYS_MAX];
    if (!rd_object(r, object, OBJ_CLIENT, v))
        return;
    bool sound = read_who(r, object, v, &a);
    sound = read_role(r, object, v, &a) && sound;
    if (!sound || !read_vm_of(r, object, v, &a) || !is_new(r, object, &a))
        return;
    if (a.kind == ACCESS_CID && a.role != ROLE_GUEST && a.id > 2)
        rd_note(r, object,
                "counts whether or not a VM with CID %u runs: who may open the host's vhost-vsock device may claim it",
                (unsigned)a.id);
    if (api->naccess == VH_MAX_ACCESS)
        rd_error(r, object, "more than %d entries (VH_MAX_ACCESS)", VH_MAX_ACCESS);
    else
        api->access[api->naccess++] = a;
}

static bool has_cid(const struct api_conf *api, uint32_t cid) {
    for (int i = 0; i < api->naccess; i++) {
        if (api->access[i].kind == ACCESS_CID && api->access[i].id == cid)
            return true;
    }
    return false;
}

static void read_list(struct reader *r, int array) {
    struct api_conf *api = &r->c->api;
    api->only_clients = true;
    if (!rd_array(r, array, "an array of clients"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t))
        read_client(r, t);
    if (json_size(&r->j, array) == 0)
        rd_warn(r, array, "nobody may use the API: no client is listed");
    for (int v = 0; v < r->c->nvms; v++) {
        if (r->c->vms[v].cid != 0 && !has_cid(api, r->c->vms[v].cid))
            rd_warn(r, array, "CID %u of the VM '%s' is not listed: it has no access", (unsigned)r->c->vms[v].cid,
                    r->c->vms[v].name);
    }
}

/* Each VM with a CID is its own guest, also if allowedCids lists that CID. */
static void guests_of_vms(struct reader *r, int allowed) {
    struct api_conf *api = &r->c->api;
    for (int v = 0; v < r->c->nvms; v++) {
        uint32_t cid = r->c->vms[v].cid;
        if (cid == 0)
            continue;
        api->access[api->naccess++] = (struct access_conf){.kind = ACCESS_CID, .role = ROLE_GUEST, .vm = v, .id = cid};
        for (int i = 0; i < api->ncids; i++) {
            if (api->cids[i] == cid)
                rd_warn(r, allowed, "CID %u is the guest of the VM '%s', which says so: it is no operator",
                        (unsigned)cid, r->c->vms[v].name);
        }
    }
}

static void nobody_on_vsock(struct reader *r, int api_object, const int *v) {
    const struct api_conf *api = &r->c->api;
    int at = v[API_ALLOWED_CIDS] >= 0 ? v[API_ALLOWED_CIDS] : v[API_TRANSPORTS] >= 0 ? v[API_TRANSPORTS] : api_object;
    bool empty = v[API_ALLOWED_CIDS] < 0 ||
                 (json_type(&r->j, v[API_ALLOWED_CIDS]) == JSON_ARRAY && json_size(&r->j, v[API_ALLOWED_CIDS]) == 0);
    if (!api->vsock_on || !empty || api->naccess > 0)
        return;
    rd_warn(r, at,
            "nobody may connect over VSOCK: allowedCids is %s; list the guests' CIDs (\"allowedCids\": [3]) or open "
            "it to every guest (\"allowedCids\": \"any\")",
            v[API_ALLOWED_CIDS] >= 0 ? "empty" : "missing");
}

/* Existing configurations expect TCP to be operator, so a note has to do. */
static void anybody_on_tcp(struct reader *r, int transports) {
    if (r->c->api.tcp_on)
        rd_note(
            r, transports,
            "without 'clients' whoever reaches the TCP port is operator: each program and browser of this host, and "
            "guests behind user-mode networks, to whom the host's loopback is open");
}

void conf_read_clients(struct reader *r, int api_object) {
    int v[CONF_KEYS_MAX];
    for (int i = 0; i < CONF_KEYS_MAX; i++)
        v[i] = -1;
    if (api_object >= 0) /* conf_read_api() has reported what is wrong with its keys */
        for (int i = 0; i < API_KEYS; i++) {
            int t = json_get(&r->j, api_object, keys_name(OBJ_API, i));
            v[i] = json_type(&r->j, t) == JSON_NULL ? -1 : t;
        }
    if (v[API_CLIENTS] < 0) {
        guests_of_vms(r, v[API_ALLOWED_CIDS]);
        if (api_object >= 0)
            nobody_on_vsock(r, api_object, v);
        anybody_on_tcp(r, v[API_TRANSPORTS]);
        return;
    }
    read_list(r, v[API_CLIENTS]);
    if (v[API_ALLOWED_CIDS] >= 0)
        rd_warn(r, v[API_ALLOWED_CIDS], "does not count: 'clients' alone says who may come in");
}

/* ---- limits ---- */

void conf_read_limits(struct reader *r, int object) {
    struct api_conf *api = &r->c->api;
    int v[CONF_KEYS_MAX];
    uint64_t clients = api->peer_clients, rate = api->peer_rate, line = api->line_seconds;
    if (!rd_object(r, object, OBJ_LIMITS, v))
        return;
    if (rd_uint(r, v[LIM_CLIENTS], 1, VH_MAX_CLIENTS, "connections, from 1 to 64 (VH_MAX_CLIENTS)", &clients))
        api->peer_clients = (uint16_t)clients;
    if (rd_uint(r, v[LIM_RATE], 1, 100000, "requests per second, from 1 to 100000", &rate))
        api->peer_rate = (uint32_t)rate;
    if (rd_uint(r, v[LIM_LINE], 1, 3600, "seconds from 1 to 3600", &line))
        api->line_seconds = (uint16_t)line;
}
