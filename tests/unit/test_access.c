/* access.c: principals from kernel facts, and every role against every kind of request. */
#include "config/access.h"
#include "test.h"

#define NO_VM ((vm_set)0)
#define ALL_VMS (~(vm_set)0)

static struct api_conf api;
static struct principal p;

static struct peer_facts of_unix(uint32_t uid, uint32_t gid) {
    return (struct peer_facts){.transport = TRANSPORT_UNIX, .uid = uid, .gid = gid, .pid = 12};
}

static struct peer_facts of_vsock(uint32_t cid) {
    return (struct peer_facts){.transport = TRANSPORT_VSOCK, .cid = cid};
}

static struct peer_facts of_tcp(const char *text, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    struct peer_facts f = {.transport = TRANSPORT_TCP, .address = {[10] = 0xff, [11] = 0xff, a, b, c, d}};
    snprintf(f.text, sizeof f.text, "%s", text);
    return f;
}

static enum role judge(struct peer_facts f, vm_set alive) {
    memset(&p, 0xaa, sizeof p);
    access_judge(&api, &f, alive, &p);
    return p.role;
}

/* ---- without general.api.clients ---- */

static void unix_is_admin(void) {
    api = (struct api_conf){0};
    CHECK_INT(judge(of_unix(0, 0), NO_VM), ROLE_ADMIN);
    CHECK_INT(p.vm, -1);
    CHECK_STR(p.name, "unix uid=0 gid=0 pid=12");
    struct peer_facts f = of_unix(UINT32_MAX, UINT32_MAX);
    f.pid = INT32_MIN;
    CHECK_INT(judge(f, NO_VM), ROLE_ADMIN); /* the longest name fits */
    CHECK_STR(p.name, "unix uid=4294967295 gid=4294967295 pid=-2147483648");
}

static void tcp_is_operator(void) {
    api = (struct api_conf){0};
    CHECK_INT(judge(of_tcp("127.0.0.1", 127, 0, 0, 1), NO_VM), ROLE_OPERATOR);
    CHECK_INT(p.vm, -1);
    CHECK_STR(p.name, "tcp 127.0.0.1");
}

static enum role vsock(enum cid_policy policy, uint16_t n, uint32_t a, uint32_t b, uint32_t cid) {
    api = (struct api_conf){.cid_policy = policy, .ncids = n, .cids = {a, b}};
    judge(of_vsock(cid), NO_VM);
    CHECK_INT(p.vm, -1);
    return p.role;
}

static void vsock_by_cid(void) {
    CHECK_INT(vsock(CIDS_NOBODY, 0, 0, 0, 3), ROLE_NONE);
    CHECK_INT(vsock(CIDS_NOBODY, 1, 3, 0, 3), ROLE_NONE); /* the policy decides, not a leftover list */
    CHECK_INT(vsock(CIDS_LISTED, 2, 3, 4, 3), ROLE_OPERATOR);
    CHECK_INT(vsock(CIDS_LISTED, 2, 3, 4, 4), ROLE_OPERATOR);
    CHECK_STR(p.name, "vsock cid=4");
    CHECK_INT(vsock(CIDS_LISTED, 2, 3, 4, 5), ROLE_NONE);
    CHECK_INT(vsock(CIDS_LISTED, 1, 3, 4, 4), ROLE_NONE); /* beyond the list's end */
    CHECK_INT(vsock(CIDS_ANY, 0, 0, 0, 3), ROLE_OPERATOR);
    CHECK_INT(vsock(CIDS_ANY, 0, 0, 0, UINT32_MAX), ROLE_OPERATOR);
}

static void host_cids_only_if_listed(void) {
    for (uint32_t cid = 0; cid <= 2; cid++) {
        CHECK_INT(vsock(CIDS_ANY, 0, 0, 0, cid), ROLE_NONE);
        CHECK_INT(vsock(CIDS_NOBODY, 1, cid, 0, cid), ROLE_NONE);
        CHECK_INT(vsock(CIDS_LISTED, 1, 3, 0, cid), ROLE_NONE);
        CHECK_INT(vsock(CIDS_LISTED, 1, cid, 0, cid), ROLE_OPERATOR);
        CHECK_INT(vsock(CIDS_ANY, 1, cid, 0, cid), ROLE_OPERATOR);
    }
}

/* ---- guests ---- */

static void a_vm_with_a_cid_makes_a_guest_of_it(void) {
    api = (struct api_conf){.cid_policy = CIDS_LISTED,
                            .ncids = 2,
                            .cids = {3, 4},
                            .naccess = 1,
                            .access = {{.kind = ACCESS_CID, .role = ROLE_GUEST, .vm = 5, .id = 3}}};
    CHECK_INT(judge(of_vsock(3), (vm_set)1 << 5), ROLE_GUEST); /* although allowedCids would make it an operator */
    CHECK_INT(p.vm, 5);
    CHECK_INT(judge(of_vsock(4), NO_VM), ROLE_OPERATOR);
    CHECK_INT(p.vm, -1);
    CHECK_INT(judge(of_unix(3, 3), NO_VM), ROLE_ADMIN); /* another transport's numbers are other numbers */
}

static void a_guest_of_a_vm_that_is_down_is_nobody(void) {
    api.naccess = 1;
    CHECK_INT(judge(of_vsock(3), NO_VM), ROLE_NONE);
    CHECK_INT(p.vm, 5); /* the log can say why */
    CHECK_INT(judge(of_vsock(3), ~((vm_set)1 << 5)), ROLE_NONE);
    api.access[0].vm = -1;
    CHECK_INT(judge(of_vsock(3), ALL_VMS), ROLE_NONE);
}

/* ---- with general.api.clients ---- */

static void only(int n, const struct access_conf *list) {
    api = (struct api_conf){.only_clients = true, .cid_policy = CIDS_ANY, .naccess = (uint16_t)n};
    for (int i = 0; i < n; i++)
        api.access[i] = list[i];
}

static void clients_deny_by_default(void) {
    only(0, NULL);
    CHECK_INT(judge(of_unix(0, 0), ALL_VMS), ROLE_NONE);
    CHECK_INT(judge(of_vsock(3), ALL_VMS), ROLE_NONE);
    CHECK_INT(judge(of_tcp("127.0.0.1", 127, 0, 0, 1), ALL_VMS), ROLE_NONE);
}

static void the_first_match_decides(void) {
    const struct access_conf list[] = {{.kind = ACCESS_UID, .role = ROLE_OBSERVER, .vm = -1, .id = 1000},
                                       {.kind = ACCESS_GID, .role = ROLE_OPERATOR, .vm = -1, .id = 50},
                                       {.kind = ACCESS_UID, .role = ROLE_ADMIN, .vm = -1, .id = 0}};
    only(3, list);
    CHECK_INT(judge(of_unix(1000, 50), NO_VM), ROLE_OBSERVER);
    CHECK_INT(judge(of_unix(1001, 50), NO_VM), ROLE_OPERATOR);
    CHECK_INT(judge(of_unix(0, 50), NO_VM), ROLE_OPERATOR);
    CHECK_INT(judge(of_unix(0, 0), NO_VM), ROLE_ADMIN);
    CHECK_INT(judge(of_unix(1001, 51), NO_VM), ROLE_NONE);
}

static void supplementary_groups_count(void) {
    const struct access_conf list[] = {{.kind = ACCESS_GID, .role = ROLE_OPERATOR, .vm = -1, .id = 50}};
    struct peer_facts f = of_unix(1000, 100);
    only(1, list);
    CHECK_INT(judge(f, NO_VM), ROLE_NONE);
    f.groups[0] = 7;
    f.groups[1] = 50;
    f.ngroups = 1;
    CHECK_INT(judge(f, NO_VM), ROLE_NONE); /* beyond the list's end */
    f.ngroups = 2;
    CHECK_INT(judge(f, NO_VM), ROLE_OPERATOR);
    f.groups[0] = 50;
    f.ngroups = 1;
    CHECK_INT(judge(f, NO_VM), ROLE_OPERATOR); /* the first of them, too */
}

static struct access_conf net(uint8_t bits, const uint8_t address[16]) {
    struct access_conf a = {.kind = ACCESS_NET, .role = ROLE_OBSERVER, .vm = -1, .bits = bits};
    memcpy(a.net, address, 16);
    return a;
}

static void networks_of_ipv4_and_ipv6(void) {
    static const uint8_t ten[16] = {[10] = 0xff, [11] = 0xff, 10, 1, 2, 0}, local6[16] = {[15] = 1}, fd[16] = {0xfd};
    const struct access_conf list[] = {net(96 + 23, ten), net(128, local6), net(8, fd)};
    only(3, list);
    CHECK_INT(judge(of_tcp("10.1.2.255", 10, 1, 2, 255), NO_VM), ROLE_OBSERVER);
    CHECK_INT(judge(of_tcp("10.1.3.1", 10, 1, 3, 1), NO_VM), ROLE_OBSERVER);
    CHECK_INT(judge(of_tcp("10.1.4.1", 10, 1, 4, 1), NO_VM), ROLE_NONE);
    CHECK_INT(judge(of_tcp("127.0.0.1", 127, 0, 0, 1), NO_VM), ROLE_NONE);
    struct peer_facts f = {.transport = TRANSPORT_TCP, .address = {[15] = 1}, .text = "::1"};
    CHECK_INT(judge(f, NO_VM), ROLE_OBSERVER);
    f.address[0] = 0xfd;
    CHECK_INT(judge(f, NO_VM), ROLE_OBSERVER);
    f.address[0] = 0xfe;
    CHECK_INT(judge(f, NO_VM), ROLE_NONE);
    const struct access_conf everybody[] = {net(0, fd)};
    only(1, everybody);
    CHECK_INT(judge(f, NO_VM), ROLE_OBSERVER);
}

/* Of each length of a prefix: the bits before its end count, and no others. */
static void each_bit_of_a_prefix_counts(void) {
    uint8_t address[16];
    for (int i = 0; i < 16; i++)
        address[i] = (uint8_t)(0x35 * (i + 1));
    for (unsigned bits = 0; bits <= 128; bits++) {
        const struct access_conf list[] = {net((uint8_t)bits, address)};
        bool fits = true;
        only(1, list);
        for (unsigned other = 0; other < 128; other++) {
            struct peer_facts f = {.transport = TRANSPORT_TCP, .text = "an address"};
            memcpy(f.address, address, sizeof f.address);
            f.address[other / 8] ^= (uint8_t)(0x80 >> other % 8);
            fits = fits && (judge(f, NO_VM) == ROLE_OBSERVER) == (other >= bits);
        }
        CHECK(fits);
    }
}

/* What else the kernel may have told of a peer belongs to another transport. */
static void only_what_its_transport_tells_of_a_peer_counts(void) {
    for (int kind = ACCESS_CID; kind <= ACCESS_NET; kind++) {
        const struct access_conf list[] = {
            {.kind = (enum access_kind)kind, .role = ROLE_OPERATOR, .vm = -1, .id = 5, .bits = 0}};
        only(1, list);
        for (int transport = TRANSPORT_UNIX; transport <= TRANSPORT_VSOCK; transport++) {
            struct peer_facts f = {
                .transport = (enum transport)transport, .uid = 5, .gid = 5, .cid = 5, .text = "five"};
            bool its = kind == ACCESS_CID   ? transport == TRANSPORT_VSOCK
                       : kind == ACCESS_NET ? transport == TRANSPORT_TCP
                                            : transport == TRANSPORT_UNIX;
            CHECK_INT(judge(f, NO_VM), its ? ROLE_OPERATOR : ROLE_NONE);
        }
    }
}

static void the_first_vm_has_guests_and_others_have_no_vm(void) {
    const struct access_conf list[] = {{.kind = ACCESS_CID, .role = ROLE_GUEST, .vm = 0, .id = 3},
                                       {.kind = ACCESS_UID, .role = ROLE_OPERATOR, .vm = 5, .id = 7}};
    only(2, list);
    CHECK_INT(judge(of_vsock(3), (vm_set)1), ROLE_GUEST);
    CHECK_INT(p.vm, 0);
    CHECK_INT(judge(of_vsock(3), ~(vm_set)1), ROLE_NONE);
    CHECK_INT(judge(of_unix(7, 7), ALL_VMS), ROLE_OPERATOR);
    CHECK_INT(p.vm, -1);
}

static void each_kind_of_entry_is_of_one_transport(void) {
    for (int kind = ACCESS_CID; kind <= ACCESS_NET; kind++) {
        const struct access_conf list[] = {
            {.kind = (enum access_kind)kind, .role = ROLE_OPERATOR, .vm = -1, .id = 5, .net = {5}, .bits = 0}};
        only(1, list);
        CHECK_INT(judge(of_vsock(5), NO_VM), kind == ACCESS_CID ? ROLE_OPERATOR : ROLE_NONE);
        CHECK_INT(judge(of_unix(5, 6), NO_VM), kind == ACCESS_UID ? ROLE_OPERATOR : ROLE_NONE);
        CHECK_INT(judge(of_unix(6, 5), NO_VM), kind == ACCESS_GID ? ROLE_OPERATOR : ROLE_NONE);
        CHECK_INT(judge(of_tcp("0.0.0.5", 0, 0, 0, 5), NO_VM), kind == ACCESS_NET ? ROLE_OPERATOR : ROLE_NONE);
    }
}

static void tcp_is_never_above_operator(void) {
    const struct access_conf list[] = {{.kind = ACCESS_NET, .role = ROLE_ADMIN, .vm = -1}};
    only(1, list);
    CHECK_INT(judge(of_tcp("127.0.0.1", 127, 0, 0, 1), NO_VM), ROLE_OPERATOR);
}

static void who_cannot_be_named_stays_out(void) {
    struct peer_facts f = {.transport = (enum transport)9};
    api = (struct api_conf){0};
    CHECK_INT(judge(f, ALL_VMS), ROLE_NONE);
    api = (struct api_conf){.cid_policy = CIDS_ANY};
    f.cid = 3;
    CHECK_INT(judge(f, ALL_VMS), ROLE_NONE);
}

static void an_entry_of_no_kind_means_nobody(void) {
    const struct access_conf list[] = {{.kind = (enum access_kind)9, .role = ROLE_ADMIN, .vm = -1}};
    only(1, list);
    CHECK_INT(judge(of_unix(0, 0), ALL_VMS), ROLE_NONE);
    CHECK_INT(judge(of_vsock(0), ALL_VMS), ROLE_NONE);
    CHECK_INT(judge(of_tcp("127.0.0.1", 127, 0, 0, 1), ALL_VMS), ROLE_NONE);
}

/* ---- peers ---- */

static struct peer peer_of(struct peer_facts f) {
    judge(f, NO_VM);
    return p.peer;
}

static void users_and_guests_differ_in_any_bit(void) {
    static const struct peer plain = {.transport = TRANSPORT_UNIX, .id = {4, 3, 2, 1}};
    api = (struct api_conf){0};
    struct peer big = peer_of(of_unix(0x01020304, 0));
    CHECK(memcmp(big.id, plain.id, sizeof plain.id) == 0); /* what a number leaves of the room is zero */
    for (int i = 0; i < 32; i++) {
        struct peer a = peer_of(of_unix(0, 0)), b = peer_of(of_unix(UINT32_C(1) << i, 0));
        CHECK(!access_same_peer(&a, &b));
        a = peer_of(of_vsock(0));
        b = peer_of(of_vsock(UINT32_C(1) << i));
        CHECK(!access_same_peer(&a, &b));
    }
}

static void peers_are_told_apart(void) {
    api = (struct api_conf){0};
    struct peer a = peer_of(of_unix(5, 0)), b = peer_of(of_unix(5, 1)), c = peer_of(of_vsock(5));
    CHECK(access_same_peer(&a, &b)); /* one user, whatever its group and process */
    CHECK(!access_same_peer(&a, &c));
    a = peer_of(of_vsock(6));
    CHECK(!access_same_peer(&a, &c)); /* each guest has its own share */
    a = peer_of(of_tcp("10.0.0.1", 10, 0, 0, 1));
    b = peer_of(of_tcp("10.0.0.2", 10, 0, 0, 2));
    CHECK(!access_same_peer(&a, &b));
    struct peer_facts six = {.transport = TRANSPORT_TCP, .address = {0x20, 1, [15] = 1}, .text = "2001::1"};
    a = peer_of(six);
    six.address[8] = six.address[9] = 77;
    b = peer_of(six);
    CHECK(access_same_peer(&a, &b)); /* a host may take any address of its /64 */
    six.address[7] = 1;
    b = peer_of(six);
    CHECK(!access_same_peer(&a, &b));
}

/* A process of the host may take any of them. */
static void the_addresses_of_the_loopback_are_one_peer(void) {
    struct peer_facts six = {.transport = TRANSPORT_TCP, .address = {[15] = 1}, .text = "::1"};
    struct peer first = peer_of(of_tcp("127.0.0.1", 127, 0, 0, 1)),
                other = peer_of(of_tcp("127.255.3.4", 127, 255, 3, 4));
    CHECK_STR(p.name, "tcp 127.255.3.4"); /* logged as it is */
    struct peer v6 = peer_of(six), near = peer_of(of_tcp("126.255.255.255", 126, 255, 255, 255));
    six.address[15] = 2; /* ::2 is none of them */
    struct peer two = peer_of(six);
    six = (struct peer_facts){.transport = TRANSPORT_TCP, .address = {0x20, 1, [12] = 127}, .text = "2001::7f00:0"};
    struct peer far = peer_of(six); /* 127 means something in an address of IPv4 alone */
    CHECK(access_same_peer(&first, &other) && access_same_peer(&first, &v6));
    CHECK(!access_same_peer(&first, &near) && !access_same_peer(&first, &two) && !access_same_peer(&first, &far));
}

/* ---- kinds of requests ---- */

/* One letter a role: may (+) or may not (-), in the order none, observer, guest, operator, admin. */
static const struct {
    enum request_kind kind;
    const char *may;
} table[] = {
    {REQ_SUBSCRIBE, "-++++"},   {REQ_AUDIT, "----+"},  {REQ_UNSUBSCRIBE, "-++++"}, {REQ_LIST, "-++++"},
    {REQ_ATTACH, "--+++"},      {REQ_DETACH, "--+++"}, {REQ_SUSPEND, "--+++"},     {REQ_RESUME, "--+++"},
    {REQ_EXPLAIN, "---++"},     {REQ_STATS, "---++"},  {REQ_VERSION, "-++++"},     {REQ_VMM_ARGS, "---++"},
    {REQ_ACKNOWLEDGE, "----+"}, {REQ_RELOAD, "----+"}, {REQ_HISTORY, "-++++"},     {REQ_RULES, "---++"},
    {REQ_VMM_LIST, "-++++"},
};

static void every_role_and_request(void) {
    CHECK_INT(sizeof table / sizeof *table, REQ_VERSION + 1);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        for (int role = ROLE_NONE; role <= ROLE_ADMIN; role++) {
            const char *why = NULL;
            p = (struct principal){.role = (enum role)role, .vm = -1};
            CHECK_INT(access_may(&p, table[i].kind, &why), table[i].may[role] == '+');
            CHECK(why && why[0]);
        }
    }
}

static void the_reason_names_the_role(void) {
    static const char *const reasons[] = {
        [ROLE_NONE] = "not allowed: this client has no access",
        [ROLE_OBSERVER] = "not allowed: an observer may only list and listen",
        [ROLE_GUEST] = "not allowed: a guest may only list, listen and move its own devices",
        [ROLE_OPERATOR] = "not allowed for an operator",
    };
    const char *why = "";
    for (int role = ROLE_NONE; role <= ROLE_OPERATOR; role++) {
        p = (struct principal){.role = (enum role)role};
        CHECK(!access_may(&p, REQ_AUDIT, &why));
        CHECK_STR(why, reasons[role]);
    }
}

static void nonsense_is_refused(void) {
    const char *why = "";
    p = (struct principal){.role = ROLE_ADMIN};
    CHECK(!access_may(&p, (enum request_kind)(REQ_VERSION + 1), &why));
    CHECK(!access_may(&p, (enum request_kind)31, &why));
    CHECK(!access_may(&p, (enum request_kind)1000, &why));
    CHECK_STR(why, "not allowed for an admin");
    p.role = (enum role)(ROLE_ADMIN + 1);
    CHECK(!access_may(&p, REQ_LIST, &why));
}

static void who_sees_all(void) {
    for (int role = ROLE_NONE; role <= ROLE_ADMIN; role++) {
        p = (struct principal){.role = (enum role)role};
        CHECK_INT(access_sees_all(&p), role == ROLE_OPERATOR || role == ROLE_ADMIN);
    }
}

static void names(void) {
    CHECK_STR(role_name(ROLE_NONE), "none");
    CHECK_STR(role_name(ROLE_OBSERVER), "observer");
    CHECK_STR(role_name(ROLE_GUEST), "guest");
    CHECK_STR(role_name(ROLE_OPERATOR), "operator");
    CHECK_STR(role_name(ROLE_ADMIN), "admin");
    CHECK_STR(role_name((enum role)77), "none");
}

int main(void) {
    RUN(unix_is_admin);
    RUN(tcp_is_operator);
    RUN(vsock_by_cid);
    RUN(host_cids_only_if_listed);
    RUN(a_vm_with_a_cid_makes_a_guest_of_it);
    RUN(a_guest_of_a_vm_that_is_down_is_nobody);
    RUN(clients_deny_by_default);
    RUN(the_first_match_decides);
    RUN(supplementary_groups_count);
    RUN(networks_of_ipv4_and_ipv6);
    RUN(each_bit_of_a_prefix_counts);
    RUN(only_what_its_transport_tells_of_a_peer_counts);
    RUN(the_first_vm_has_guests_and_others_have_no_vm);
    RUN(each_kind_of_entry_is_of_one_transport);
    RUN(tcp_is_never_above_operator);
    RUN(who_cannot_be_named_stays_out);
    RUN(an_entry_of_no_kind_means_nobody);
    RUN(users_and_guests_differ_in_any_bit);
    RUN(peers_are_told_apart);
    RUN(the_addresses_of_the_loopback_are_one_peer);
    RUN(every_role_and_request);
    RUN(the_reason_names_the_role);
    RUN(nonsense_is_refused);
    RUN(who_sees_all);
    RUN(names);
    TEST_MAIN_END;
}
