/* access.c: principals from kernel facts, and every role against every kind of request. */
#include "access.h"
#include "test.h"

static struct api_conf api;
static struct principal p;

static void unix_is_admin(void) {
    api = (struct api_conf){0};
    access_unix(&api, 0, 0, 12, &p);
    CHECK_INT(p.role, ROLE_ADMIN);
    CHECK_INT(p.vm, -1);
    CHECK_STR(p.name, "unix uid=0 gid=0 pid=12");
    access_unix(&api, UINT32_MAX, UINT32_MAX, INT32_MIN, &p); /* the longest name fits */
    CHECK_STR(p.name, "unix uid=4294967295 gid=4294967295 pid=-2147483648");
}

static void tcp_is_operator(void) {
    api = (struct api_conf){0};
    access_tcp(&api, "127.0.0.1", &p);
    CHECK_INT(p.role, ROLE_OPERATOR);
    CHECK_INT(p.vm, -1);
    CHECK_STR(p.name, "tcp 127.0.0.1");
}

static void an_address_that_cannot_be_named_stays_out(void) {
    char address[200];
    memset(address, '1', sizeof address - 1);
    address[sizeof address - 1] = '\0';
    access_tcp(&api, address, &p);
    CHECK_INT(p.role, ROLE_NONE);
}

static enum role vsock(enum cid_policy policy, uint16_t n, uint32_t a, uint32_t b, uint32_t cid) {
    api = (struct api_conf){.cid_policy = policy, .ncids = n, .cids = {a, b}};
    access_vsock(&api, cid, &p);
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

/* One letter a role: may (+) or may not (-), in the order none, observer, guest, operator, admin. */
static const struct {
    enum request_kind kind;
    const char *may;
} table[] = {
    {REQ_SUBSCRIBE, "-++++"}, {REQ_UNSUBSCRIBE, "-++++"}, {REQ_LIST, "-++++"},   {REQ_ATTACH, "--+++"},
    {REQ_DETACH, "--+++"},    {REQ_SUSPEND, "--+++"},     {REQ_RESUME, "--+++"}, {REQ_VERSION, "-++++"},
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
    const char *why = "";
    p = (struct principal){.role = ROLE_OBSERVER};
    CHECK(!access_may(&p, REQ_ATTACH, &why));
    CHECK(strstr(why, "observer") != NULL);
    p.role = ROLE_NONE;
    CHECK(!access_may(&p, REQ_LIST, &why));
    CHECK(strstr(why, "no access") != NULL);
}

static void nonsense_is_refused(void) {
    const char *why = "";
    p = (struct principal){.role = ROLE_ADMIN};
    CHECK(!access_may(&p, (enum request_kind)(REQ_VERSION + 1), &why));
    CHECK(!access_may(&p, (enum request_kind)31, &why));
    CHECK(!access_may(&p, (enum request_kind)1000, &why));
    p.role = (enum role)(ROLE_ADMIN + 1);
    CHECK(!access_may(&p, REQ_LIST, &why));
}

static void names(void) {
    CHECK_STR(access_role_name(ROLE_NONE), "none");
    CHECK_STR(access_role_name(ROLE_OBSERVER), "observer");
    CHECK_STR(access_role_name(ROLE_GUEST), "guest");
    CHECK_STR(access_role_name(ROLE_OPERATOR), "operator");
    CHECK_STR(access_role_name(ROLE_ADMIN), "admin");
    CHECK_STR(access_role_name((enum role)77), "none");
}

int main(void) {
    RUN(unix_is_admin);
    RUN(tcp_is_operator);
    RUN(an_address_that_cannot_be_named_stays_out);
    RUN(vsock_by_cid);
    RUN(host_cids_only_if_listed);
    RUN(every_role_and_request);
    RUN(the_reason_names_the_role);
    RUN(nonsense_is_refused);
    RUN(names);
    TEST_MAIN_END;
}
