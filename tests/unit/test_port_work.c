/*
 * test_port_work.c - port_work.c with a kernel of the test's own: what is claimed, what is released, and that a hub's
 * node is open from the order to keep it until it is dropped.
 */
#include "bus/usb/port_work.h"
#include "fault.h"
#include "os/sysfs.h"

#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>

enum { ALLOW_SUSPEND = 34 };

static struct port_order order;
static struct port_answer answer;
static char asked[512];   /* "C1 C2 R2 ", in their order */
static int refuse, error; /* that port, and why */
static int refusals;      /* so often; 0: each time */

static bool kernel(long nr, const long *a, long *result) {
    size_t n = strlen(asked);
    if (nr != SYS_ioctl)
        return false;
    unsigned long what = (unsigned long)a[1];
    unsigned port = *(const unsigned *)a[2];
    const char *name = what == USBDEVFS_CLAIM_PORT ? "C" : what == USBDEVFS_RELEASE_PORT ? "R" : "S";
    CHECK(what == USBDEVFS_CLAIM_PORT || what == USBDEVFS_RELEASE_PORT || what == _IO('U', ALLOW_SUSPEND));
    (void)snprintf(asked + n, sizeof asked - n, "%s%u ", name, port);
    *result = (int)port == refuse ? -1 : 0;
    if (*result != 0 && refusals > 0 && --refusals == 0)
        refuse = -1;
    errno = error;
    return true;
}

static const char *was_asked(void) {
    static char text[sizeof asked];
    memcpy(text, asked, sizeof text);
    asked[0] = '\0';
    return text;
}

static void make(uint32_t kind, const char *hub, uint8_t n) {
    memset(&order, 0, sizeof order);
    order.head = (struct worker_head){.serial = 1, .kind = kind};
    (void)snprintf(order.hub, sizeof order.hub, "%s", hub);
    order.ports = kind == PORT_KEEP || kind == PORT_HOLD ? n : 0;
    order.port = kind == PORT_CLAIM || kind == PORT_RELEASE ? n : 0;
}

static void carry_out(void) {
    int out[WORKER_FDS] = {-1, -1};
    memset(&answer, 0xff, sizeof answer);
    size_t size = port_work(&order, order.head.kind == PORT_KEEP ? 0 : -1, &answer, out);
    CHECK(port_answer_valid(&order, &answer, size) && out[0] < 0 && out[1] < 0);
}

static void work(uint32_t kind, const char *hub, uint8_t n) {
    make(kind, hub, n);
    carry_out();
}

static void a_hub_is_held_until_it_is_gone(void) {
    int files = open_files();
    work(PORT_KEEP, "usb1", 3);
    CHECK(answer.error == 0 && asked[0] == '\0');
    work(PORT_HOLD, "usb1", 3);
    CHECK_STR(was_asked(), "C1 C2 C3 S0 ");
    CHECK(answer.error == 0 && port_is_set(answer.held, 1) && port_is_set(answer.held, 3));
    CHECK_INT(open_files(), files + 1);
    work(PORT_RELEASE, "usb1", 2);
    work(PORT_CLAIM, "usb1", 2);
    CHECK_STR(was_asked(), "R2 C2 ");
    CHECK_INT(answer.error, 0);
    work(PORT_KEEP, "usb1", 1); /* another plug of that name */
    CHECK_INT(open_files(), files + 1);
    work(PORT_DROP, "usb1", 0);
    CHECK_INT(open_files(), files);
    work(PORT_DROP, "usb1", 0);
    CHECK_INT(answer.error, 0);
    work(PORT_CLAIM, "usb1", 1);
    CHECK_INT(answer.error, ENOENT);
    (void)was_asked();
}

static void a_port_that_another_program_has_is_told(void) {
    work(PORT_KEEP, "1-2", 3);
    refuse = 2;
    error = EBUSY;
    work(PORT_HOLD, "1-2", 3);
    CHECK(answer.error == EBUSY && port_is_set(answer.held, 1) && !port_is_set(answer.held, 2) &&
          port_is_set(answer.held, 3));
    work(PORT_CLAIM, "1-2", 2);
    CHECK_INT(answer.error, EBUSY);
    refuse = -1;
    work(PORT_DROP, "1-2", 0);
    (void)was_asked();
}

/* What a worker that has ended may have claimed is claimed anew, and what is held is left alone. */
static void what_is_done_again_knows_a_claim_of_its_own(void) {
    work(PORT_KEEP, "1-2", 3);
    make(PORT_HOLD, "1-2", 3);
    order.again = 1;
    port_set(order.held, 1, true);
    refuse = 2;
    error = EBUSY;
    refusals = 1;
    carry_out();
    CHECK_STR(was_asked(), "C2 R2 C2 C3 S0 ");
    CHECK(answer.error == 0 && port_is_set(answer.held, 1) && port_is_set(answer.held, 2));
    make(PORT_CLAIM, "1-2", 2);
    order.again = 1;
    refuse = 2;
    refusals = 3; /* another program's: it cannot be released */
    carry_out();
    CHECK_STR(was_asked(), "C2 R2 ");
    CHECK_INT(answer.error, EBUSY);
    refuse = -1;
    refusals = 0;
    work(PORT_DROP, "1-2", 0);
}

static void without_a_descriptor_or_a_row_nothing_is_held(void) {
    char hub[VH_SYSNAME_MAX];
    int files = open_files();
    fail_nr(SYS_fcntl, 1, EMFILE);
    work(PORT_KEEP, "usb1", 2);
    CHECK(answer.error == EMFILE && all_failed());
    heal();
    CHECK_STR(was_asked(), "");
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        (void)snprintf(hub, sizeof hub, "usb%d", i + 1);
        work(PORT_KEEP, hub, 1);
        CHECK_INT(answer.error, 0);
    }
    work(PORT_KEEP, "1-1", 1);
    CHECK_INT(answer.error, ENOSPC);
    work(PORT_HOLD, "1-1", 1);
    CHECK(answer.error == ENOENT && !port_is_set(answer.held, 1));
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        (void)snprintf(hub, sizeof hub, "usb%d", i + 1);
        work(PORT_DROP, hub, 0);
    }
    CHECK_INT(open_files(), files);
}

static void whoever_leaves_releases_all_ports(void) {
    work(PORT_KEEP, "usb1", 2);
    work(PORT_KEEP, "1-2", 1);
    work(PORT_DROP, "usb1", 0);
    work(PORT_KEEP, "usb2", 2);
    (void)was_asked();
    port_work_leave();
    CHECK_STR(was_asked(), "R1 R2 R1 "); /* in the rows of usb2 and 1-2 */
    work(PORT_DROP, "usb2", 0);
    work(PORT_DROP, "1-2", 0);
}

static void what_is_no_order_is_not_done(void) {
    int out[WORKER_FDS] = {-1, -1};
    memset(&order, 0, sizeof order);
    CHECK_INT(port_work(&order, -1, &answer, out), 0);
    order.head.kind = PORT_CLAIM;
    order.port = 1;
    memcpy(order.hub, "usb1", 5);
    CHECK_INT(port_work(&order, 0, &answer, out), 0); /* a node that nobody asked for */
    CHECK_STR(was_asked(), "");
}

int main(void) {
    CHECK(sysfs_root("/"));
    refuse = -1;
    on_syscall = kernel;
    RUN(a_hub_is_held_until_it_is_gone);
    RUN(a_port_that_another_program_has_is_told);
    RUN(what_is_done_again_knows_a_claim_of_its_own);
    RUN(without_a_descriptor_or_a_row_nothing_is_held);
    RUN(whoever_leaves_releases_all_ports);
    RUN(what_is_no_order_is_not_done);
    TEST_MAIN_END;
}
