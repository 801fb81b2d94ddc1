/*
 * conf_api.c - general.api: transports, addresses and permissions. Warns if the API is open to nobody or to everybody.
 * Reads values only: the server opens sockets and resolves user names; conf_clients.c reads `clients`.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf_read.h"

#include <arpa/inet.h>
#include <string.h>

static void read_transports(struct reader *r, int array) {
    static const char *const names[] = {"unix", "tcp", "vsock"};
    struct api_conf *api = &r->c->api;
    bool *const flags[] = {&api->unix_on, &api->tcp_on, &api->vsock_on};
    if (array < 0) /* not given: the default stays, a unix socket for root */
        return;
    api->unix_on = false;
    if (!rd_array(r, array, "an array of \"unix\", \"tcp\" and \"vsock\""))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        int which = -1;
        if (rd_choice(r, t, names, 3, "\"unix\", \"tcp\" or \"vsock\"", &which))
            *flags[which] = true;
    }
    if (json_size(&r->j, array) == 0)
        rd_warn(r, array, "no transport: nobody can reach the API");
}

static bool is_loopback(const char *host) {
    struct in_addr v4;
    return str_eq(host, "localhost") || str_eq(host, "::1") ||
           (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127);
}

static void read_host(struct reader *r, int tok) {
    struct api_conf *api = &r->c->api;
    char host[sizeof api->host];
    unsigned char address[16];
    if (tok < 0)
        return;
    if (json_string_is(&r->j, tok, "")) { /* the older daemons bind() it to every address */
        VH_ASSERT(str_copy(host, sizeof host, "0.0.0.0"));
    } else if (!rd_copy(r, tok, host, sizeof host, "a numeric address such as \"127.0.0.1\"")) {
        return;
    }
    if (inet_pton(AF_INET, host, address) != 1 && inet_pton(AF_INET6, host, address) != 1 &&
        !str_eq(host, "localhost")) {
        if (api->tcp_on)
            rd_expected(r, tok, "a numeric IPv4 or IPv6 address (names are not resolved)");
        else
            rd_warn(r, tok, "not a numeric address, which TCP would need; \"tcp\" is not among the transports");
        return;
    }
    VH_ASSERT(str_copy(api->host, sizeof api->host, host));
    if (api->tcp_on && !is_loopback(host))
        rd_warn(r, tok, "TCP knows no users: whoever reaches %s may move devices within the rules", host);
}

/* `port` is for both transports; a transport's own key overrides it. */
static void read_ports(struct reader *r, const int *v) {
    struct api_conf *api = &r->c->api;
    uint64_t both = 2000, tcp = 0, vsock = 0;
    bool sound = rd_uint(r, v[API_PORT], 1, UINT32_MAX - 1, "a port number from 1", &both);
    if (sound && both > 65535 && api->tcp_on && v[API_TCP_PORT] < 0) {
        rd_expected(r, v[API_PORT], "a TCP port from 1 to 65535");
        return;
    }
    if (rd_uint(r, v[API_TCP_PORT], 1, 65535, "a TCP port from 1 to 65535", &tcp))
        api->tcp_port = (uint16_t)(tcp ? tcp : both > 65535 ? 2000 : both);
    if (rd_uint(r, v[API_VSOCK_PORT], 1, UINT32_MAX - 1, "a VSOCK port from 1 to 4294967294", &vsock))
        api->vsock_port = (uint32_t)(vsock ? vsock : both);
}

static void read_cid(struct reader *r, int tok) {
    struct api_conf *api = &r->c->api;
    uint64_t cid = 0;
    if (!rd_uint(r, tok, 0, UINT32_MAX - 1, "a CID from 0 to 4294967294", &cid))
        return;
    for (int i = 0; i < api->ncids; i++) {
        if (api->cids[i] == cid) {
            rd_warn(r, tok, "CID %u is listed twice", (unsigned)cid);
            return;
        }
    }
    if (api->ncids == VH_MAX_CIDS) {
        rd_error(r, tok, "more than %d CIDs (VH_MAX_CIDS); \"allowedCids\": \"any\" opens VSOCK to all", VH_MAX_CIDS);
        return;
    }
    if (cid < 3)
        rd_note(r, tok, "CID %u is no guest: it lets %s in", (unsigned)cid,
                cid == 0   ? "the hypervisor"
                : cid == 1 ? "every process of this host, over VSOCK loopback"
                           : "every process of the host");
    api->cids[api->ncids++] = (uint32_t)cid;
}

static void read_cids(struct reader *r, int tok) {
    struct api_conf *api = &r->c->api;
    if (tok >= 0 && json_type(&r->j, tok) == JSON_STRING && json_string_is(&r->j, tok, "any")) {
        api->cid_policy = CIDS_ANY;
        if (api->vsock_on)
            rd_warn(r, tok, "every guest with a VSOCK device may move devices within the rules");
        return;
    }
    if (tok >= 0) {
        if (!rd_array(r, tok, "an array of CIDs, or \"any\""))
            return;
        for (int t = json_first(&r->j, tok); t >= 0; t = json_next(&r->j, t))
            read_cid(r, t);
    }
    if (api->ncids > 0)
        api->cid_policy = CIDS_LISTED;
}

/* A user or group: a name, or a number. */
static void read_owner(struct reader *r, int tok, char *dst, size_t cap, const char *what) {
    uint64_t id = 0;
    if (tok >= 0 && json_type(&r->j, tok) == JSON_NUMBER) {
        if (rd_uint(r, tok, 0, UINT32_MAX - 1, what, &id))
            VH_ASSERT(str_fmt(dst, cap, "%u", (unsigned)id));
        return;
    }
    (void)rd_copy(r, tok, dst, cap, what);
}

/* "0660", "660", "0o660", or the number 660: the digits are octal in each form, as chmod reads them. */
static void read_mode(struct reader *r, int tok) {
    static const char what[] = "octal file permissions such as \"0660\"";
    enum json_type type = json_type(&r->j, tok);
    unsigned mode = 0;
    if (tok < 0)
        return;
    const char *s = r->j.text + r->j.tok[tok].start;
    size_t n = (size_t)(r->j.tok[tok].end - r->j.tok[tok].start);
    if (type == JSON_STRING && n > 2 && s[0] == '0' && (s[1] | 0x20) == 'o') {
        s += 2;
        n -= 2;
    }
    bool sound = (type == JSON_STRING || type == JSON_NUMBER) && n >= 1 && n <= 4;
    for (size_t i = 0; sound && i < n; i++) {
        sound = s[i] >= '0' && s[i] <= '7';
        mode = mode << 3 | (unsigned)(s[i] & 7);
    }
    if (!sound || mode > 0777) {
        rd_expected(r, tok, what);
        return;
    }
    if (type == JSON_NUMBER && (mode & 0600) != 0600) {
        rd_error(r, tok,
                 "a number is read by its digits, so this is mode 0%03o, which shuts out the socket's owner; "
                 "write octal permissions as a string such as \"0660\"",
                 mode);
        return;
    }
    r->c->api.unix_mode = (uint16_t)mode;
    if (r->c->api.unix_on && (mode & 0002))
        rd_warn(r, tok, "every user of this host may connect, and is admin");
}

void conf_read_api(struct reader *r, int object) {
    struct api_conf *api = &r->c->api;
    int v[CONF_KEYS_MAX];
    if (!rd_object(r, object, OBJ_API, v))
        return;
    api->enable = rd_enabled(r, v[API_ENABLE], v[API_DISABLE]);
    read_transports(r, v[API_TRANSPORTS]);
    if (!api->enable)
        api->unix_on = api->tcp_on = api->vsock_on = false;
    read_host(r, v[API_HOST]);
    read_ports(r, v);
    read_cids(r, v[API_ALLOWED_CIDS]);
    (void)rd_path(r, v[API_UNIX_SOCKET], api->unix_path, sizeof api->unix_path);
    read_owner(r, v[API_UNIX_USER], api->unix_user, sizeof api->unix_user, "the name of a user");
    read_owner(r, v[API_UNIX_GROUP], api->unix_group, sizeof api->unix_group, "the name of a group");
    read_mode(r, v[API_UNIX_MODE]);
    if (v[API_LIMITS] >= 0)
        conf_read_limits(r, v[API_LIMITS]);
    r->api_object = object; /* the clients are read when the VMs are known */
}
