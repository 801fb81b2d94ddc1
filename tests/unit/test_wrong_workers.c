/*
 * test_wrong_workers.c - each order of each worker process, and each way in which its process fails the loop: it never
 * answers, answers late, twice or garbage, or dies. Each order ends once, no descriptor is left, the worker is counted
 * for what it is, and the next order is done by whoever is left, or ends as well.
 *
 * The test plays the processes: none is forked, and the other ends of their sockets are here.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "bus/device_pool.h"
#include "bus/vfio_order.h"
#include "config/policy_pci.h"
#include "daemon/disk_order.h"
#include "daemon/disk_worker.h"
#include "daemon/pci_list.h"
#include "daemon/state_file.h"
#include "daemon/vfio_pool.h"
#include "fault.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/opener_order.h"
#include "os/sock.h"
#include "vmm/connector.h"
#include "vmm/link.h"

#include <signal.h>
#include <stdio.h>

enum { MAX_HANDS = VH_DEVICE_WORKERS, NOBODY = -1 };

#define LONGEST VH_T_VFIO /* of an order */
_Static_assert((int)LONGEST >= (int)VH_T_RELEASE, "no order has longer");

static int ends;     /* orders that have ended */
static bool success; /* of the last one */

static void note_end(bool ok, int fd) {
    ends++;
    success = ok;
    CHECK(fd < 0 || close(fd) == 0);
}

/* ---- the processes' ends ---- */

static int hand[MAX_HANDS]; /* NOBODY: it has died */
static union {
    struct worker_head head;
    struct device_order device;
    struct opener_order opener;
    struct connector_order connector;
    struct disk_order disk;
    struct vfio_order vfio;
    char bytes[sizeof(struct connector_order) + sizeof(struct device_order)];
} order;
static union {
    struct worker_head head;
    union device_answer device;
    struct opener_reply opener;
    struct connector_answer connector;
    struct disk_answer disk;
    struct vfio_answer vfio;
    char bytes[sizeof(union device_answer) + 64];
} answer;
static size_t size; /* of the answer */
static int nfds;    /* descriptors that come with it: standard input, again and again */

/* ---- the loop's sides ---- */

static void on_device(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    (void)o, (void)token;
    note_end(a != NULL, fd);
}
static bool start_devices(void) {
    static struct device_order o;
    static union device_answer a;
    static const struct worker_job job = {
        .name = "device", .order_size = sizeof o, .answer_max = sizeof a, .order = &o, .answer = &a};
    return device_pool_start(VH_DEVICE_WORKERS, &job, on_device);
}
static void ask_device(uint32_t kind) {
    struct device_order o = {.head = {.kind = kind}};
    (void)snprintf(o.sys_name, sizeof o.sys_name, "%s", kind >= DEVICE_READ ? "1-1" : "");
    CHECK(device_pool_order(&o, 0, -1));
}
static void answer_device(uint32_t kind) {
    union device_answer *a = &answer.device;
    if (kind == DEVICE_LIST)
        a->list.whole = 1;
    else if (kind == DEVICE_READ)
        a->read.result = DEVICE_GONE;
    else if (kind != DEVICE_USES)
        a->done.result = DEVICE_SAME;
    size = device_answer_size(kind, a);
    nfds = kind == DEVICE_OPEN;
}
static void count_devices(struct worker_counts *n) {
    struct device_pool_stats s;
    device_pool_stats(&s);
    *n = (struct worker_counts){(unsigned)s.workers, (unsigned)s.late, (unsigned)s.ended};
}
static void ready_devices(const struct pollset *ps, int64_t now) {
    (void)now;
    device_pool_ready(ps);
}

static void on_opened(enum opener_what what, int fd, int error) {
    (void)what;
    note_end(error == 0, fd);
}
static bool start_opener(void) {
    static const struct opener_places places = {
        .conf_dir = "", .conf_target = "", .sockets = "", .uevents = "", .uevents_dir = ""};
    static const struct opener_listeners off;
    return opener_start(&places, &off);
}
static void ask_opener(uint32_t kind) {
    opener_ask((enum opener_what)kind, on_opened);
}
static void answer_opener(uint32_t kind) {
    size = sizeof answer.opener;
    nfds = kind != OPEN_UNLINK && kind != OPEN_MADE && kind != OPEN_END;
}
static void ready_opener(const struct pollset *ps, int64_t now) {
    (void)now;
    opener_ready(ps);
}

static void on_connected(int vm, const struct connector_answer *a, int fd, int pidfd) {
    (void)vm;
    CHECK(pidfd < 0 || close(pidfd) == 0);
    note_end(a->status == CONNECTOR_OK, fd);
}
static void on_told(int vm, const struct connector_answer *a) {
    (void)vm;
    note_end(a->status == CONNECTOR_OK, -1);
}
static struct conf conf;
static bool start_connectors(void) {
    static const struct connector_setup setup = {.conf = &conf, .inotify = -1};
    static const struct connector_calls calls = {on_connected, on_told, on_told};
    conf.nvms = 1;
    return connector_start(&setup, &calls);
}
static void ask_connector(uint32_t kind) {
    if (kind == CONNECTOR_CONNECT)
        connector_connect(0);
    else if (kind == CONNECTOR_LISTENING)
        connector_listening(0);
    else if (kind == CONNECTOR_LOOK)
        connector_look(0);
    else
        connector_reload(&conf, 0);
}
static void answer_connector(uint32_t kind) {
    size = sizeof answer.connector;
    nfds = kind == CONNECTOR_CONNECT ? WORKER_FDS : 0;
}

static void on_saved(bool ok, const char *why) {
    CHECK(ok == (why[0] == '\0'));
    note_end(ok, -1);
}
static void on_disk_answers(void) {
}
static bool start_disk(void) {
    static const struct disk_worker_calls calls = {on_saved, on_disk_answers};
    return disk_worker_start(&calls);
}
static void ask_disk(uint32_t kind) {
    static struct remembered_set none;
    CHECK_INT(kind, DISK_SAVE);
    disk_worker_save(&none, clock_now());
}
static void answer_disk(uint32_t kind) {
    (void)kind;
    size = sizeof answer.disk;
    nfds = 0;
}
static void ready_disk(const struct pollset *ps, int64_t now) {
    (void)now;
    disk_worker_ready(ps);
}
const char *state_file_directory(void) {
    return "/state";
}
size_t state_file_print(const struct remembered_set *ms, char *text, size_t cap) {
    (void)ms, (void)cap;
    text[0] = 'x';
    return 1;
}
const char *state_file_why(enum state_file_place place, int error) {
    (void)place;
    return strerror(error);
}
int state_file_write(const char *text, size_t len, enum state_file_place *place) {
    (void)text, (void)len, (void)place;
    return 0;
}

static struct core core; /* with one PCI device */
static void on_vfio(const struct fact *f) {
    CHECK(f->token == core.slot[0].plug && f->ok == (f->text[0] == '\0'));
    note_end(f->ok, -1);
}
static bool start_vfio(void) {
    struct slot *s = &core.slot[0];
    core.conf = &conf;
    core.used = 1;
    s->state = SLOT_PRESENT;
    s->plug = 7;
    s->dev.kind = KIND_PCI;
    s->dev.pci = (struct pci_part){.rule = -1, .grouped = true, .group = 3};
    (void)snprintf(s->dev.sys_name, sizeof s->dev.sys_name, "0000:01:00.0");
    return vfio_pool_start(&core, on_vfio);
}
static void ask_vfio(uint32_t kind) {
    const struct action a = {.kind = kind == VFIO_PREPARE ? ACT_PREPARE : ACT_RESTORE, .token = core.slot[0].plug};
    vfio_pool_order(&a);
    vfio_pool_tick(clock_now());
}
static void answer_vfio(uint32_t kind) {
    (void)kind;
    answer.vfio.result = VFIO_DONE;
    size = sizeof answer.vfio;
    nfds = 0;
}
static void ready_vfio(const struct pollset *ps, int64_t at) {
    (void)at;
    vfio_pool_ready(ps);
}
void pci_list_last(struct pci_host *h, bool *whole) {
    static const struct pci_device row = {.address = {.bus = 1}, .vendor = 0x8086, .incarnation = 5};
    static const struct pci_fate fate = {.way = PCI_NO_RULE, .rule = -1, .entry = -1, .with = -1};
    *h = (struct pci_host){.row = &row, .fate = &fate, .n = 1};
    *whole = true;
}
uint32_t link_peer(int vm) {
    (void)vm;
    return VFIO_ROOT;
}

/* ---- the table: workers by orders by ways ---- */

static const struct subject {
    const char *name;
    int workers;
    bool (*start)(void);
    void (*stop)(void);
    void (*ask)(uint32_t kind);
    void (*answer)(uint32_t kind); /* makes the right one in `answer`, which is all zero bytes */
    void (*count)(struct worker_counts *n);
    void (*fill)(struct pollset *ps);
    void (*ready)(const struct pollset *ps, int64_t now);
    int64_t (*deadline)(void);
    void (*tick)(int64_t now);
} devices = {"device workers", VH_DEVICE_WORKERS, start_devices, device_pool_stop,     ask_device,      answer_device,
             count_devices,    device_pool_fill,  ready_devices, device_pool_deadline, device_pool_tick},
  opener = {"opener",     1,           start_opener, opener_stop,     ask_opener, answer_opener,
            opener_count, opener_fill, ready_opener, opener_deadline, opener_tick},
  connectors = {"connectors",    VH_MAX_CONNECTORS,  start_connectors, connector_stop,
                ask_connector,   answer_connector,   connector_count,  connector_fill,
                connector_ready, connector_deadline, connector_tick},
  disk = {"disk worker",     1,
          start_disk,        disk_worker_stop,
          ask_disk,          answer_disk,
          disk_worker_count, disk_worker_fill,
          ready_disk,        disk_worker_deadline,
          disk_worker_tick},
  vfio = {"VFIO workers",  VH_VFIO_WORKERS, start_vfio, vfio_pool_stop,     ask_vfio,      answer_vfio,
          vfio_pool_count, vfio_pool_fill,  ready_vfio, vfio_pool_deadline, vfio_pool_tick};

static const struct row {
    const struct subject *of;
    const char *order;
    uint32_t kind;
} rows[] = {{&devices, "list", DEVICE_LIST},
            {&devices, "uses", DEVICE_USES},
            {&devices, "read", DEVICE_READ},
            {&devices, "open", DEVICE_OPEN},
            {&devices, "release", DEVICE_RELEASE},
            {&opener, "configuration", OPEN_CONF},
            {&opener, "unlink", OPEN_UNLINK},
            {&opener, "uevents", OPEN_UEVENTS},
            {&opener, "unix", OPEN_UNIX},
            {&opener, "tcp", OPEN_TCP},
            {&opener, "vsock", OPEN_VSOCK},
            {&connectors, "connect", CONNECTOR_CONNECT},
            {&connectors, "listening", CONNECTOR_LISTENING},
            {&connectors, "look", CONNECTOR_LOOK},
            {&disk, "save", DISK_SAVE},
            {&vfio, "prepare", VFIO_PREPARE},
            {&vfio, "restore", VFIO_RESTORE}};
/* Not here: OPEN_MADE, OPEN_END and CONNECTOR_RELOAD, whose ends are told to nobody. They have tests of their own. */

static const struct subject *now; /* that is tested */

/* ---- steps ---- */

static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    now->fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    now->ready(&ps, clock_now());
}

static void counted(unsigned running, unsigned late, unsigned ended) {
    struct worker_counts n;
    now->count(&n);
    CHECK_INT(n.running, running);
    CHECK_INT(n.late, late);
    CHECK_INT(n.ended, ended);
}

static void send_answer(int i) {
    const int fds[WORKER_FDS] = {nfds > 0 ? 0 : -1, nfds > 1 ? 0 : -1};
    CHECK_INT(sock_send_fds(hand[i], &answer, size, fds, WORKER_FDS), (long)size);
}

static void make_answer(void) {
    memset(&answer, 0, sizeof answer);
    now->answer(order.head.kind);
    answer.head = order.head;
}

static void answer_right(int i) {
    make_answer();
    send_answer(i);
}

/* The process that has an order, which is then in `order`; NOBODY. A byte is no order: it tells one that it is
 * dismissed. */
static int taker(void) {
    int fds[WORKER_FDS];
    for (int i = 0; i < now->workers; i++) {
        if (hand[i] != NOBODY && sock_recv_fds(hand[i], &order, sizeof order, fds, WORKER_FDS) > 1) {
            CHECK(fds[0] < 0 && fds[1] < 0);
            return i;
        }
    }
    return NOBODY;
}

static int ask(uint32_t kind) {
    now->ask(kind);
    int i = taker();
    CHECK(i == NOBODY || order.head.kind == kind);
    return i;
}

static void die(int i) {
    CHECK(close(hand[i]) == 0);
    hand[i] = NOBODY;
}

static void begin(const struct subject *s) {
    static struct pollset ps;
    int pair[2];
    now = s;
    heal();
    ends = 0;
    give_call("fork", 0, 1);
    CHECK(s->start());
    heal();
    ps.n = 0;
    s->fill(&ps);
    CHECK_INT(ps.n, s->workers);
    for (int i = 0; i < s->workers; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        CHECK(dup3(pair[0], ps.fd[i].fd, O_CLOEXEC) >= 0 && close(pair[0]) == 0);
        hand[i] = pair[1];
    }
    counted((unsigned)s->workers, 0, 0);
}

/* The opener's first order, which is answered before it is given: opener_seal() waits. */
static void seal(void) {
    order.head = (struct worker_head){.serial = 1, .kind = OPEN_MADE};
    answer_right(0);
    opener_seal();
    CHECK_INT(taker(), 0);
}

static void finish(void) {
    for (int i = 0; i < now->workers; i++) {
        if (hand[i] != NOBODY)
            die(i);
    }
    pass();
    now->stop();
    heal();
}

/* ---- ways to fail ---- */

/* Whoever is left does the next order; with nobody left it ends all the same. */
static void next_one_ends(uint32_t kind, bool done) {
    int before = ends, i = ask(kind);
    if (i != NOBODY) {
        answer_right(i);
        pass();
    }
    CHECK_INT(ends, before + 1);
    CHECK(success == done);
}

static void written_off(void) {
    int64_t at = now->deadline();
    CHECK(at != VH_NEVER && at <= clock_now() + ms_to_ns(LONGEST));
    now->tick(at - 1);
    CHECK_INT(ends, 0);
    counted((unsigned)now->workers, 0, 0);
    now->tick(at);
    CHECK(ends == 1 && !success);
    counted((unsigned)now->workers, 1, 0);
    CHECK_INT(now->deadline(), VH_NEVER);
}

/* The same order waits for that worker, and no longer than its own time. */
static void never(const struct row *r, int i) {
    (void)i;
    written_off();
    CHECK_INT(ask(r->kind), NOBODY);
    if (ends == 1)
        now->tick(now->deadline());
    CHECK(ends == 2 && !success);
    pass();
    now->tick(clock_now() + ms_to_ns(2 * LONGEST));
    CHECK_INT(ends, 2);
    counted((unsigned)now->workers, 1, 0);
}

static void late(const struct row *r, int i) {
    written_off();
    int files = open_files();
    answer_right(i);
    pass();
    CHECK_INT(ends, 1); /* nobody hears of it */
    CHECK_INT(open_files(), files);
    counted((unsigned)now->workers, 0, 0);
    next_one_ends(r->kind, true);
}

static void is_ended(const struct row *r, int files) {
    counted((unsigned)now->workers - 1, 0, 1);
    CHECK(was_said("worker ended") || was_said("has not the form of one"));
    CHECK_INT(open_files(), files - 1); /* its socket */
    next_one_ends(r->kind, now->workers > 1);
}

static void twice(const struct row *r, int i) {
    int files = open_files();
    answer_right(i);
    send_answer(i);
    pass();
    pass();
    CHECK(ends == 1 && success);
    is_ended(r, files);
}

static void dies(const struct row *r, int i) {
    int files = open_files() - 1;
    die(i);
    pass();
    CHECK(ends == 1 && !success);
    is_ended(r, files);
}

/* ---- garbage ---- */

static void shorter(void) {
    size--;
}
static void longer(void) {
    size++;
}
static void head_alone(void) {
    size = sizeof answer.head;
}
static void less_than_a_head(void) {
    size = sizeof answer.head - 1;
}
static void too_long(void) {
    size = sizeof answer;
}
static void fill(int byte) {
    memset(answer.bytes + sizeof answer.head, byte, size - sizeof answer.head);
}
static void ones(void) {
    fill(0xff);
}
static void other_bits(void) {
    fill(0xa5);
}
static void another_serial(void) {
    answer.head.serial++;
}
static void another_kind(void) {
    answer.head.kind ^= 1;
}
static void nothing_but_zeros(void) {
    memset(&answer, 0, sizeof answer);
}
static void descriptors_the_other_way(void) {
    nfds = nfds > 0 ? 0 : 1;
}
static void two_descriptors(void) {
    nfds = nfds == WORKER_FDS ? 0 : WORKER_FDS;
}

static const struct {
    const char *what;
    void (*spoil)(void);
} garbage[] = {{"shorter", shorter},
               {"longer", longer},
               {"the head alone", head_alone},
               {"less than a head", less_than_a_head},
               {"too long", too_long},
               {"ones", ones},
               {"other bits", other_bits},
               {"another serial number", another_serial},
               {"another kind", another_kind},
               {"zeros", nothing_but_zeros},
               {"a descriptor too many, or none", descriptors_the_other_way},
               {"two descriptors", two_descriptors}};

/* The failed checks of one case are followed by its name. */
static void name_case(const char *of, const char *about, const char *way, bool before) {
    if (!test_ok)
        printf("# %s: %s: %s\n", of, about, way);
    test_ok = test_ok && before;
}

static void each_order_ends_once(const char *way, void (*wrong)(const struct row *r, int i)) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const struct row *r = &rows[k];
        bool before = test_ok;
        test_ok = true;
        int files = open_files();
        begin(r->of);
        if (r->of == &opener)
            seal();
        int i = ask(r->kind);
        CHECK(i != NOBODY);
        if (i != NOBODY)
            wrong(r, i);
        finish();
        CHECK_INT(open_files(), files);
        name_case(r->of->name, r->order, way, before);
    }
}

static size_t variant;

static void spoiled(const struct row *r, int i) {
    int files = open_files();
    make_answer();
    garbage[variant].spoil();
    send_answer(i);
    pass();
    CHECK(ends == 1 && !success);
    is_ended(r, files);
}

static void never_answering_ends_an_order_once(void) {
    each_order_ends_once("never", never);
}
static void answering_late_ends_an_order_once(void) {
    each_order_ends_once("late", late);
}
static void answering_twice_ends_an_order_once(void) {
    each_order_ends_once("twice", twice);
}
static void dying_ends_an_order_once(void) {
    each_order_ends_once("dies", dies);
}
static void garbage_ends_an_order_once(void) {
    for (variant = 0; variant < sizeof garbage / sizeof *garbage; variant++)
        each_order_ends_once(garbage[variant].what, spoiled);
}

/* ---- orders whose end is told to nobody ---- */

enum way { NEVER, LATE, TWICE, GARBAGE, DIES, WAYS };

/* One of two is to read the configuration again, and does it like that. The other one serves. */
static void a_connector_that_reloads_in_any_way_delays_nobody(void) {
    static const struct worker_counts then[WAYS] = {
        [NEVER] = {2, 1, 0}, [LATE] = {2, 0, 0}, [TWICE] = {1, 0, 1}, [GARBAGE] = {1, 0, 1}, [DIES] = {1, 0, 1}};
    int files = open_files();
    for (int way = 0; way < WAYS; way++) {
        begin(&connectors);
        connector_reload(&conf, 0);
        CHECK_INT(taker(), 0);
        make_answer();
        if (way == NEVER || way == LATE)
            connector_tick(connector_deadline());
        else if (way == GARBAGE)
            answer.connector.status = CONNECTOR_ANSWERS;
        if (way == DIES)
            die(0);
        else if (way != NEVER)
            send_answer(0);
        if (way == TWICE)
            send_answer(0);
        CHECK_INT(taker(), 1);
        if (way == NEVER || way == LATE) { /* that time was the other one's, too: it reads once more */
            answer_right(1);
            pass();
            CHECK_INT(taker(), way == LATE ? 0 : 1);
            if (way == LATE) {
                answer_right(0);
                CHECK_INT(taker(), 1);
            }
        }
        answer_right(1);
        pass();
        pass();
        CHECK_INT(ends, 0);
        counted(then[way].running, then[way].late, then[way].ended);
        next_one_ends(CONNECTOR_CONNECT, true);
        finish();
        CHECK_INT(open_files(), files);
    }
}

/* What the opener does with its first order; the loop waits for it, but not for long. */
static void misbehave(enum way way, uint32_t serial, uint32_t kind) {
    order.head = (struct worker_head){.serial = serial, .kind = kind};
    make_answer();
    if (way == GARBAGE)
        answer.opener.error = -1;
    if (way == DIES)
        die(0);
    else if (way == TWICE || way == GARBAGE)
        send_answer(0);
    if (way == TWICE)
        send_answer(0);
}

static void an_opener_that_begins_in_any_way_keeps_no_daemon_from_starting(void) {
    int files = open_files();
    for (int way = 0; way < WAYS; way++) {
        int64_t began = clock_now();
        begin(&opener);
        misbehave((enum way)way, 1, OPEN_MADE);
        opener_seal();
        CHECK(opener_sealed() && clock_now() - began < 2 * ms_to_ns(VH_T_OPEN));
        if (way == TWICE)
            pass();
        counted(way == NEVER || way == LATE, way == NEVER || way == LATE,
                way == TWICE || way == GARBAGE || way == DIES);
        CHECK(way == DIES || taker() == 0);
        if (way == LATE) {
            answer_right(0);
            pass();
            counted(1, 0, 0);
        }
        if (way != NEVER)
            next_one_ends(OPEN_TCP, way == LATE);
        finish();
        CHECK_INT(open_files(), files);
    }
}

static void an_opener_that_ends_in_any_way_keeps_no_daemon_from_ending(void) {
    int files = open_files();
    for (int way = 0; way < WAYS; way++) {
        if (way == LATE)
            continue; /* it is not listened to any more: as if it never did */
        begin(&opener);
        seal();
        misbehave((enum way)way, 2, OPEN_END);
        int64_t began = clock_now();
        opener_stop();
        CHECK(!opener_sealed() && clock_now() - began < 2 * ms_to_ns(VH_T_OPEN));
        if (way != DIES)
            die(0);
        CHECK_INT(open_files(), files);
    }
}

int main(void) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(240);
    RUN(never_answering_ends_an_order_once);
    RUN(answering_late_ends_an_order_once);
    RUN(answering_twice_ends_an_order_once);
    RUN(dying_ends_an_order_once);
    RUN(garbage_ends_an_order_once);
    RUN(a_connector_that_reloads_in_any_way_delays_nobody);
    RUN(an_opener_that_begins_in_any_way_keeps_no_daemon_from_starting);
    RUN(an_opener_that_ends_in_any_way_keeps_no_daemon_from_ending);
    TEST_MAIN_END;
}
