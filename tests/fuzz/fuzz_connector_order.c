/*
 * fuzz_connector_order.c - any bytes as an order to a connector, and as its answer. The connector does what is an order
 * and nothing else, opens no path but the one that its own configuration has for the VM that is named, and its answer
 * is one that the loop takes. What the loop takes as an answer is walked as link_connection.c and vm_watch.c do it: its
 * text ends and is printed, its numbers are in range, its flags are 0 or 1, and a connection comes only with success.
 *
 * Input: a byte (bits 0 and 1: descriptors come with the answer; 2: a reload succeeds; 3: a socket's path can be
 * opened; 6: a descriptor comes with the order), an order, then the bytes of its answer, as this machine lays them out.
 * The committed inputs are valid ones, or have an order that names what it must not.
 */
#include "base/str.h"
#include "exchange.h"
#include "must.h"
#include "vmm/connector_order.h"
#include "vmm/connector_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

int __real_openat(int dir, const char *path, int how, ...);
int __wrap_openat(int dir, const char *path, int how, ...);

static struct conf conf;
static struct connector_order order;
static struct connector_answer answer;
static unsigned flags;
static int nopened;

static const struct conf *reload(const struct conf *old) {
    MUST(old == &conf);
    return (flags & 4) != 0 ? old : NULL;
}

static const struct vm_conf *meant(void) {
    for (int v = 0; v < conf.nvms; v++) {
        if (str_eq(conf.vms[v].name, order.vm) && str_eq(conf.vms[v].socket, order.socket))
            return &conf.vms[v];
    }
    return NULL;
}

int __wrap_openat(int dir, const char *path, int how, ...) {
    const struct vm_conf *vm = meant();
    MUST(vm != NULL && str_eq(path, vm->socket) && (how & O_PATH) != 0);
    nopened++;
    errno = ENOENT;
    return (flags & 8) != 0 ? __real_openat(dir, "/dev/null", O_PATH | O_CLOEXEC) : -1;
}

static const struct worker_job *start(void) {
    static const struct connector_setup setup = {.conf = &conf, .inotify = -1, .reload = reload};
    static const char *const vms[][2] = {{"vm", "/vhotplug-none/vm"}, {"other", "/vhotplug-none/other"}, {"a", "/a"}};
    static const struct worker_job *job;
    if (job != NULL)
        return job;
    for (; conf.nvms < 3; conf.nvms++) {
        struct vm_conf *vm = &conf.vms[conf.nvms];
        MUST(str_copy(vm->name, sizeof vm->name, vms[conf.nvms][0]));
        MUST(str_copy(vm->socket, sizeof vm->socket, vms[conf.nvms][1]));
    }
    return job = connector_work(&setup);
}

static void check_connector(const struct worker_job *job) {
    int out[WORKER_FDS] = {-1, -1};
    bool with_fd = (flags & 64) != 0, valid = connector_order_valid(&order, with_fd);
    uint32_t kind = order.head.kind;
    struct connector_answer a;
    nopened = 0;
    memset(&a, 0xff, sizeof a);
    size_t n = job->handle(&order, with_fd ? 0 : -1, &a, out);
    MUST(n == (valid ? sizeof a : 0));
    if (!valid) {
        MUST(out[0] < 0 && out[1] < 0 && nopened == 0);
        return;
    }
    MUST(!with_fd && kind >= CONNECTOR_CONNECT && kind <= CONNECTOR_RELOAD);
    MUST(kind != CONNECTOR_RELOAD || (order.vm[0] == '\0' && order.socket[0] == '\0'));
    MUST(connector_answer_valid(kind, &a, n, out));
    if (kind != CONNECTOR_RELOAD)
        MUST((meant() == NULL) == (a.status == CONNECTOR_UNKNOWN));
    MUST(nopened == (meant() != NULL && kind < CONNECTOR_LOOK));
    MUST(out[0] < 0 && out[1] < 0); /* nobody listens at these paths */
}

/* A caller may print it. */
static void print(const char *s, size_t cap) {
    static char text[8 * VH_TEXT_MAX];
    struct sbuf sb;
    MUST(memchr(s, '\0', cap) != NULL);
    sb_init(&sb, text, sizeof text);
    sb_json(&sb, s);
    MUST(sb_ok(&sb) && sb.len >= 2 && text[0] == '"' && text[sb.len - 1] == '"');
}

static void check_loop(size_t n) {
    uint32_t kind = CONNECTOR_CONNECT + (order.head.kind - CONNECTOR_CONNECT) % CONNECTOR_RELOAD;
    const int fds[WORKER_FDS] = {(flags & 1) != 0 ? 0 : -1, (flags & 2) != 0 ? 1 : -1};
    if (!connector_answer_valid(kind, &answer, n, fds))
        return;
    bool connected = kind == CONNECTOR_CONNECT && answer.status == CONNECTOR_OK;
    MUST(n == sizeof answer && answer.status < CONNECTOR_LATE);
    MUST(answer.there <= 1 && answer.watched <= 1);
    MUST((fds[0] >= 0) == connected && (connected || fds[1] < 0));
    MUST(strerror(answer.error) != NULL && answer.error >= 0);
    print(answer.text, sizeof answer.text);
    (void)connector_accepts(&conf.vms[0], answer.uid, answer.owner);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const struct exchange parts = {&order, &answer, sizeof order, sizeof answer};
    size_t n = 0;
    const struct worker_job *job = start();
    if (size == 0)
        return 0;
    flags = exchange_of(&parts, data, size, &n);
    check_connector(job);
    if (n <= sizeof answer)
        check_loop(n);
    return 0;
}
