/* quota.c: shares of the API per peer. */
#include "server/quota.h"
#include "test.h"

#define SEC ((int64_t)1000 * VH_NSEC_PER_MSEC)

static struct quota q;

static struct peer peer(int n) {
    struct peer p = {.transport = TRANSPORT_VSOCK, .id = {(uint8_t)n, (uint8_t)(n >> 8)}};
    return p;
}

static int enter(int n, unsigned most) {
    struct peer p = peer(n);
    return quota_enter(&q, &p, most);
}

static void a_peer_has_so_many_connections_and_no_more(void) {
    memset(&q, 0, sizeof q);
    int place = enter(3, 2);
    CHECK(place >= 0);
    CHECK_INT(enter(3, 2), place);
    CHECK_INT(enter(3, 2), -1);
    CHECK(enter(4, 2) >= 0); /* another one's share is its own */
    quota_leave(&q, place);
    CHECK_INT(enter(3, 2), place);
}

static void a_burst_is_free_then_the_rate_counts(void) {
    memset(&q, 0, sizeof q);
    int place = enter(3, 2);
    int64_t now = 100 * SEC;
    for (int i = 0; i < 2 * 100; i++) {
        CHECK(quota_ready(&q, place) <= now);
        quota_charge(&q, place, 1, 100, now);
    }
    CHECK(quota_ready(&q, place) <= now);
    quota_charge(&q, place, 1, 100, now);
    CHECK_INT(quota_ready(&q, place), now + SEC / 100);
    int64_t begun = now;
    for (int i = 0; i < 1000; i++) {
        if (quota_ready(&q, place) > now)
            now = quota_ready(&q, place);
        quota_charge(&q, place, 1, 100, now);
    }
    CHECK_INT((now - begun) / SEC, 10); /* a thousand at a hundred a second */
}

static void what_costs_more_counts_more(void) {
    memset(&q, 0, sizeof q);
    int place = enter(3, 2);
    quota_charge(&q, place, 10 * 20 + 10, 100, SEC);
    CHECK_INT(quota_ready(&q, place), SEC + SEC / 10);
}

static void connecting_again_resets_nothing(void) {
    memset(&q, 0, sizeof q);
    int place = enter(3, 2);
    quota_charge(&q, place, 1000, 100, SEC);
    int64_t ready = quota_ready(&q, place);
    CHECK(ready > SEC);
    quota_leave(&q, place);
    for (int n = 10; n < 10 + VH_MAX_PEERS - 1; n++)
        quota_leave(&q, enter(n, 1));
    place = enter(3, 2);
    CHECK_INT(quota_ready(&q, place), ready);
}

static void who_is_connected_keeps_its_place(void) {
    memset(&q, 0, sizeof q);
    int place = enter(3, 2);
    for (int n = 10; n < 1000; n++)
        quota_leave(&q, enter(n, 1));
    CHECK_INT(enter(3, 1), -1);
    CHECK_INT(enter(3, 2), place);
}

/* The peer whose bytes are all zero, uid 0, is one as any other is. */
static void connecting_again_resets_nothing_for_root(void) {
    struct peer root = {.transport = TRANSPORT_UNIX};
    memset(&q, 0, sizeof q);
    int place = quota_enter(&q, &root, 2);
    quota_charge(&q, place, 1000, 1, 1);
    int64_t ready = quota_ready(&q, place);
    CHECK(ready > SEC);
    quota_leave(&q, place);
    (void)enter(7, 2);
    place = quota_enter(&q, &root, 2);
    CHECK_INT(quota_ready(&q, place), ready);
}

static void the_quietest_is_forgotten_first(void) {
    int64_t ready = 0;
    memset(&q, 0, sizeof q);
    for (int n = 0; n < VH_MAX_PEERS; n++) {
        int place = enter(n, 2);
        quota_charge(&q, place, n == 0 ? 100000 : 1, 1, 1);
        if (n == 0)
            ready = quota_ready(&q, place);
        quota_leave(&q, place);
    }
    (void)enter(VH_MAX_PEERS, 2);
    CHECK_INT(quota_ready(&q, enter(0, 2)), ready);
}

int main(void) {
    RUN(a_peer_has_so_many_connections_and_no_more);
    RUN(a_burst_is_free_then_the_rate_counts);
    RUN(what_costs_more_counts_more);
    RUN(connecting_again_resets_nothing);
    RUN(who_is_connected_keeps_its_place);
    RUN(connecting_again_resets_nothing_for_root);
    RUN(the_quietest_is_forgotten_first);
    TEST_MAIN_END;
}
