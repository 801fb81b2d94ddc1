/*
 * test_core_authorize.c - usbAuthorization in the core: who is authorised for the host, what loses its authorisation as
 * it comes back, and what deauthorizeUnmatched takes (core_authorize.c).
 */
#include "core_story.h"
#include "devices.h"

#define RULES                                                                                        \
    "\"vms\": [" VM("a") ", " VM("b") "], \"usbPassthrough\": ["                                     \
                                      "{\"targetVm\": \"a\", \"allow\": [{\"interfaceClass\": 3}]}," \
                                      "{\"host\": true, \"allow\": [{\"interfaceClass\": 7}]}]"

static const char host_audio[] = "{" RULES ", \"usbAuthorization\": {\"enable\": true, \"deauthorizeUnmatched\": true,"
                                 " \"hostAllow\": [{\"interfaceClass\": 1}, {\"interfaceClass\": 3}]}}";
static const char host_nothing[] = "{" RULES ", \"usbAuthorization\": {\"enable\": true}}";

static void begin_authorising(bool attach_connected, const char *text) {
    begin(attach_connected);
    core.authorises = true;
    reload(text);
}

static void plug_in(const char *name, uint8_t cls, bool coldplug, bool unauthorised) {
    static uint64_t incarnation = 1000;
    device_make(&dev, name, 1, 5, cls);
    dev.incarnation = ++incarnation;
    dev.usb.nconfigs = 1;
    dev.usb.config_value[0] = dev.usb.bound_in[0] = 1;
    dev.usb.config = unauthorised ? 0 : 1;
    dev.unauthorised = unauthorised;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
    step(&f);
}

static void seen(bool unauthorised) {
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    dev.unauthorised = unauthorised;
    step(&f);
}

static bool offered(void) {
    return action(ACT_OFFER) != NULL;
}

static void end_offer(bool ok) {
    struct fact f = {.kind = FACT_OFFERED, .token = core.slot[0].plug, .ok = ok};
    step(&f);
}

static void end_release(bool ok) {
    struct fact f = {.kind = FACT_RELEASED, .token = core.slot[0].plug, .ok = ok};
    step(&f);
}

static bool ended(void) {
    const struct action *a = action(ACT_RELEASE);
    return a != NULL && a->deauthorise;
}

static void what_the_configuration_names_is_authorised_for_the_host(void) {
    begin_authorising(false, host_audio);
    plug_in("1-1", 1, false, true);
    CHECK(offered());
    end_offer(true);
    seen(false);
    CHECK(!offered() && !ended());
    unplug("1-1");
    plug_in("1-1", 7, false, true); /* a rule with "host" */
    CHECK(offered());
    end_offer(true);
    unplug("1-1");
    plug_in("1-1", 9, false, true); /* a hub */
    CHECK(offered());
    end_offer(true);
    unplug("1-1");
    plug_in("1-1", 8, false, true);
    CHECK(!offered());
    CHECK_STR(reason_of(&core.slot[0]), "no rule applies, and hostAllow does not name it: not authorised");
    plug_in("1-2", 3, false, true); /* hostAllow names it, and a rule gives it to a VM */
    CHECK(!offered());
}

static void a_reload_names_it(void) {
    begin_authorising(false, host_nothing);
    plug_in("1-1", 1, false, true);
    CHECK(!offered());
    reload(host_audio);
    CHECK(offered());
}

static void without_it_an_unauthorised_device_is_nobodys(void) {
    begin(false);
    reload(host_audio); /* enabled by a reload: it counts at the next start */
    plug_in("1-1", 1, false, true);
    CHECK(!offered() && !core.slot[0].shut);
    plug_in("1-2", 3, false, true);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) == NULL);
}

static void a_vms_device_goes_there_unauthorised_and_comes_back_so(void) {
    begin_authorising(false, host_audio);
    plug_in("1-1", 3, false, true);
    CHECK_STR(reason_of(&core.slot[0]), "VM 'a' is not running");
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL && !core_wants_device(&core, "1-1"));
    done(0, OP_OK);
    seen(false);
    ask(REQ_SUSPEND, 0, "");
    CHECK(op(OP_DETACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(ended());
    end_release(true);
    seen(true);
    CHECK(!offered() && !ended());
    ask(REQ_RESUME, 0, "");
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_failed_attach_ends_it_too(void) {
    begin_authorising(false, host_audio);
    plug_in("1-1", 3, false, true);
    vm_up(0);
    done(0, OP_FAILED);
    CHECK(ended());
    end_release(true);
    done(0, OP_OK); /* listed again */
    wait_ms(VH_T_RETRY_MAX);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    CHECK(!ended());
}

static void what_cannot_be_ended_is_tried_again(void) {
    begin_authorising(false, host_audio);
    plug_in("1-1", 3, false, true);
    vm_up(0);
    done(0, OP_OK);
    vm_fact_of(FACT_VM_DOWN, 0);
    CHECK(ended());
    end_release(false);
    CHECK(!ended() && core_deadline(&core) != VH_NEVER);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(ended());
    end_release(true);
    wait_ms(VH_T_RETRY_MAX);
    CHECK(!ended());
}

static void what_was_there_and_goes_nowhere_loses_it(void) {
    begin_authorising(false, host_audio);
    core.earlier = EARLIER_NONE;
    plug_in("1-1", 8, true, false);
    CHECK(ended());
    end_release(true);
    seen(true);
    CHECK(!offered() && !ended());
    reload("{" RULES ", \"usbAuthorization\": {\"enable\": true, \"hostAllow\": [{\"interfaceClass\": 8}]}}");
    CHECK(offered());
}

static void what_was_there_and_is_the_hosts_keeps_it(void) {
    begin_authorising(false, host_audio);
    core.earlier = EARLIER_NONE;
    plug_in("1-1", 1, true, false);
    CHECK(!ended() && !core.slot[0].unmatched);
    plug_in("1-2", 9, true, false);
    CHECK(!ended());
    plug_in("1-3", 7, true, false);
    CHECK(!ended());
}

static void what_was_there_and_is_in_use_keeps_it(void) {
    begin_authorising(false, host_audio);
    core.earlier = EARLIER_NONE;
    device_make(&dev, "1-1", 1, 5, 8);
    dev.incarnation = 77;
    dev.protect = "is mounted at /mnt";
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = true};
    step(&f);
    CHECK(!ended() && !core.slot[0].unmatched);
    device_make(&dev, "1-2", 1, 6, 8);
    dev.incarnation = 78;
    dev.claimed = true;
    step(&f);
    CHECK(!ended());
}

static void what_goes_to_a_vm_is_waited_for(void) {
    begin_authorising(true, host_audio);
    core.earlier = EARLIER_NONE;
    plug_in("1-1", 3, true, false);
    CHECK(!ended() && core.slot[0].unmatched); /* nothing is known of the VM yet */
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL && !ended());
    done(0, OP_OK);
    CHECK(!ended() && !core.slot[0].unmatched);
}

static void what_would_go_to_a_vm_that_does_not_run_loses_it(void) {
    begin_authorising(true, host_audio);
    core.earlier = EARLIER_NONE;
    vm_fact_of(FACT_VM_DOWN, 0);
    plug_in("1-1", 3, true, false);
    CHECK(ended());
    end_release(true);
    vm_up(0);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void with_quarantine_what_outlives_the_daemon_is_as_ever(void) {
    begin_authorising(false, host_audio);
    core.quarantine = QUARANTINE_RULES;
    plug_in("1-1", 8, false, true);
    CHECK(!offered() && core_keeps_from_host(&core, &core.slot[0]) && !core_quarantines(&core, &core.slot[0]));
    unplug("1-1");
    plug_in("1-1", 3, false, true);
    CHECK(core_keeps_from_host(&core, &core.slot[0]) && core_quarantines(&core, &core.slot[0]));
    core.quarantine = QUARANTINE_ALL;
    unplug("1-1");
    plug_in("1-1", 1, false, true); /* named by hostAllow */
    CHECK(offered() && !core_quarantines(&core, &core.slot[0]));
}

int main(void) {
    RUN(what_the_configuration_names_is_authorised_for_the_host);
    RUN(a_reload_names_it);
    RUN(without_it_an_unauthorised_device_is_nobodys);
    RUN(a_vms_device_goes_there_unauthorised_and_comes_back_so);
    RUN(a_failed_attach_ends_it_too);
    RUN(what_cannot_be_ended_is_tried_again);
    RUN(what_was_there_and_goes_nowhere_loses_it);
    RUN(what_was_there_and_is_the_hosts_keeps_it);
    RUN(what_was_there_and_is_in_use_keeps_it);
    RUN(what_goes_to_a_vm_is_waited_for);
    RUN(what_would_go_to_a_vm_that_does_not_run_loses_it);
    RUN(with_quarantine_what_outlives_the_daemon_is_as_ever);
    TEST_MAIN_END;
}
