/*
 * test_core_quarantine.c - core_quarantine.c: what is the host's is offered to its drivers once, what may be a VM's
 * never is, and nothing of it happens while quarantine is off.
 */
#include "core_story.h"
#include "devices.h"

static const char no_rules[] = "{\"vms\": [" VM("a") ", " VM("b") "]}";
static const char host_hid[] =
    "{\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": ["
                                       "{\"host\": true, \"allow\": [{\"interfaceClass\": 3}]},"
                                       "{\"targetVm\": \"a\", \"allow\": [{\"interfaceClass\": 8}]}]}";

static void begin_with(enum quarantine q) {
    begin(false);
    core.quarantine = q;
}

/* As the bus reports it: from a held port, or from one that is not. */
static void plug_in(const char *name, int devnum, uint8_t cls, uint8_t config) {
    static uint64_t incarnation = 1000;
    device_make(&dev, name, 1, (unsigned)devnum, cls);
    dev.incarnation = ++incarnation;
    dev.usb.nconfigs = 1;
    dev.usb.config_value[0] = dev.usb.bound_in[0] = 1;
    dev.usb.config = config;
    dev.driven = config != 0;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static void tell(void) {
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static bool offered(void) {
    const struct action *a = action(ACT_OFFER);
    return a != NULL && a->slot == 0 && a->token == core.slot[0].plug;
}

static void end(bool ok) {
    struct fact f = {.kind = FACT_OFFERED, .token = core.slot[0].plug, .ok = ok};
    step(&f);
}

static void drivers(void) {
    struct fact f = {.kind = FACT_DRIVERS};
    step(&f);
}

static void off_changes_nothing(void) {
    begin_with(QUARANTINE_OFF);
    plug_in("1-1", 5, 2, 0);
    CHECK(!offered() && !core.slot[0].shut && !core_quarantined(&core.slot[0]));
    drivers();
    CHECK(!offered());
}

static void a_device_without_a_rule_is_the_hosts(void) {
    begin_with(QUARANTINE_RULES);
    plug_in("1-1", 5, 2, 0);
    CHECK(offered() && core_quarantined(&core.slot[0]));
    wait_ms(60000);
    CHECK(!offered()); /* one at a time */
    end(true);
    CHECK(!offered() && !core_quarantined(&core.slot[0]));
    tell(); /* it reads as it did */
    wait_ms(60000);
    CHECK(!offered());
    end(true); /* nobody waits for that */
    unplug("1-1");
    plug_in("1-1", 6, 2, 1); /* from a port that is not held */
    CHECK(!offered());
}

/* It may have been configured while processes of a daemon that was killed still held its port. */
static void what_was_there_without_a_driver_is_offered(void) {
    for (int i = 0; i < 4; i++) {
        begin_with(i == 1 ? QUARANTINE_OFF : QUARANTINE_RULES);
        device_make(&dev, "1-1", 1, 5, 2);
        dev.usb.nconfigs = dev.usb.config_value[0] = dev.usb.bound_in[0] = dev.usb.config = 1;
        dev.driven = i == 2;
        dev.claimed = i == 3;
        struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = true};
        step(&f);
        bool any = offered();
        for (int v = 0; v < conf.nvms; v++) { /* no VM has it */
            vm_up(v);
            any = any || offered();
        }
        CHECK_INT(any, i == 0);
    }
}

static void a_vms_device_is_not(void) {
    begin_with(QUARANTINE_RULES);
    plug_in("1-1", 5, 3, 0);
    CHECK(!offered() && core_quarantined(&core.slot[0]));
    CHECK(!core_wants_device(&core, "1-1")); /* it is configured for a VM that is there */
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(!core_quarantined(&core.slot[0]));
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(action(ACT_RELEASE) != NULL && !offered());
    released();
    CHECK(!offered() && core_quarantined(&core.slot[0])); /* a decision keeps it with nobody */
    drivers();
    CHECK(!offered());
}

static void a_hub_is_the_hosts_with_all_too(void) {
    begin_with(QUARANTINE_ALL);
    plug_in("1-1", 5, 9, 0);
    CHECK(offered());
    end(true);
    drivers(); /* has a driver since the kernel has started */
    CHECK(!offered());
}

static void with_all_a_rule_says_what_is_the_hosts(void) {
    begin_with(QUARANTINE_ALL);
    plug_in("1-1", 5, 2, 0);
    CHECK(!offered());
    unplug("1-1");
    plug_in("1-1", 6, 3, 0);
    CHECK(!offered());
    reload(host_hid);
    CHECK(offered() && core.slot[0].rule == 0);
    end(true);
    CHECK(plan_target(&core, &core.slot[0]) < 0);
}

static void what_fails_is_tried_three_times(void) {
    begin_with(QUARANTINE_RULES);
    plug_in("1-1", 5, 2, 0);
    for (int i = 1; i <= 3; i++) {
        CHECK(offered());
        end(false);
        CHECK(!offered() && core_quarantined(&core.slot[0]));
        CHECK(i == 3 ? core_deadline(&core) == VH_NEVER : core_deadline(&core) != VH_NEVER);
        wait_ms(VH_T_RETRY_MAX);
    }
    CHECK(!offered());
    reload(no_rules);
    CHECK(offered());
    end(true);
    drivers(); /* and for each driver that comes */
    CHECK(offered());
}

static void what_cannot_be_used_waits(void) {
    begin_with(QUARANTINE_RULES);
    plug_as("1-1", 5, 2, false, false);
    dev.usb.nconfigs = dev.usb.config_value[0] = 1;
    tell();
    CHECK(!offered());
    dev.settled = dev.unauthorised = true;
    tell();
    CHECK(!offered());
    dev.unauthorised = false;
    dev.unresponsive = true;
    tell();
    CHECK(!offered());
    dev.unresponsive = false;
    tell();
    CHECK(offered());
    end(true);
}

static void a_rule_that_goes_makes_it_the_hosts_after_its_reset(void) {
    begin_with(QUARANTINE_RULES);
    vm_up(0);
    plug_in("1-1", 5, 3, 0);
    done(0, OP_OK);
    reload(no_rules);
    CHECK(op(OP_DETACH, 0) != NULL && !offered());
    done(0, OP_OK);
    CHECK(action(ACT_RELEASE) != NULL && !offered());
    released();
    CHECK(offered());
    reload(host_hid); /* it is being offered, and stays the host's */
    end(true);
    CHECK(!offered());
}

static void a_device_is_not_attached_while_it_is_offered(void) {
    begin_with(QUARANTINE_RULES);
    vm_up(0);
    reload(host_hid);
    plug_in("1-1", 5, 3, 0);
    CHECK(offered());
    struct fact f = {.kind = FACT_RELOAD, .conf = &conf};
    step(&f);
    CHECK(op(OP_ATTACH, 0) == NULL && plan_target(&core, &core.slot[0]) == 0);
    end(true);
    CHECK(op(OP_ATTACH, 0) != NULL); /* the host's drivers have it: as without quarantine, the VM takes it from them */
}

static void what_a_vm_may_have_is_not_offered(void) {
    static const struct vmm_found ours = {.id = "vhp-usb-1-5", .ours = true, .busnum = 1, .devnum = 5};
    begin_with(QUARANTINE_RULES);
    vm_fact_of(FACT_VM_SOCKET, 0);
    plug_as("1-1", 5, 2, true, true);
    CHECK(core.slot[0].doubt != 0);
    drivers();
    CHECK(!offered());
    done_with(0, OP_OK, "", &ours, 1);
    vm_up(1);
    CHECK(!offered());
}

/* It came configured, and no VM had it for certain; but it was revoked, and that has taken its configuration. */
static void what_was_revoked_and_is_the_hosts_is_offered(void) {
    begin_with(QUARANTINE_RULES);
    vm_up(0);
    conf.vms[0].revoke = true;
    plug_in("1-1", 5, 3, 1);
    CHECK(op(OP_ATTACH, 0) != NULL && !core.slot[0].shut);
    done(0, OP_UNKNOWN);
    reload(no_rules);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(op(OP_LIST, 0) != NULL);
    done(0, OP_OK);
    CHECK(action(ACT_REVOKE) != NULL && core.slot[0].vm == -1);
    struct fact f = {.kind = FACT_REVOKED, .token = core.slot[0].plug, .ok = true, .text = ""};
    step(&f);
    CHECK(action(ACT_RELEASE) != NULL && !offered());
    dev.usb.config = 0;
    dev.driven = false;
    tell();
    struct fact bound = {.kind = FACT_RELEASED, .token = core.slot[0].plug, .ok = true};
    step(&bound);
    CHECK(offered());
    conf.vms[0].revoke = false;
}

int main(void) {
    RUN(off_changes_nothing);
    RUN(a_device_without_a_rule_is_the_hosts);
    RUN(what_was_there_without_a_driver_is_offered);
    RUN(a_vms_device_is_not);
    RUN(a_hub_is_the_hosts_with_all_too);
    RUN(with_all_a_rule_says_what_is_the_hosts);
    RUN(what_fails_is_tried_three_times);
    RUN(what_cannot_be_used_waits);
    RUN(a_rule_that_goes_makes_it_the_hosts_after_its_reset);
    RUN(a_device_is_not_attached_while_it_is_offered);
    RUN(what_a_vm_may_have_is_not_offered);
    RUN(what_was_revoked_and_is_the_hosts_is_offered);
    TEST_MAIN_END;
}
