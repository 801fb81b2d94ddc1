/*
 * test_conf_other.c - rules for what is not on USB: for which VMs they are, and what the core says to requests about
 * it.
 */
#include "config/conf.h"
#include "core_story.h"

#include <stdlib.h>

static struct conf old;

#define VMS "\"vms\": [" VM("a") ", " VM("b") ", " VM("c") "]"

static void configure(struct conf *c, const char *json) {
    if (!conf_parse(c, json, strlen(json), NULL, NULL))
        exit(1);
}

static const char *said(const char *name, int vm) {
    static const char *const none = "none";
    char json[1024];
    (void)snprintf(json, sizeof json, "{" VMS "%s}", name);
    configure(&conf, json);
    unsigned rules = conf_other_rules(&conf, vm);
    return rules == OTHER_PCI     ? "pciPassthrough"
           : rules == OTHER_EVDEV ? "evdevPassthrough"
           : rules == OTHER_ACPI  ? "acpiPassthrough"
           : rules != 0           ? "several"
                                  : none;
}

#define PCI(x) ", \"pciPassthrough\": [{\"allow\": []}, {" x "}]"

static void enabled_rules_are_for_their_vm(void) {
    CHECK_STR(said("", 0), "none");
    CHECK_STR(said(PCI("\"targetVm\": \"b\""), 1), "pciPassthrough");
    CHECK_STR(said(PCI("\"targetVm\": \"b\""), 0), "none");
    CHECK_STR(said(PCI("\"targetVm\": \"b\", \"enable\": false"), 1), "none");
    CHECK_STR(said(PCI("\"targetVm\": \"b\", \"enable\": false, \"disable\": false"), 1), "pciPassthrough");
    CHECK_STR(said(PCI("\"targetVm\": \"b\", \"disable\": true"), 1), "none");
    CHECK_STR(said(PCI("\"targetVm\": \"b\", \"disable\": null"), 1), "pciPassthrough");
    CHECK_STR(said(PCI("\"allowedVms\": [\"b\"]"), 1), "none"); /* there is no choice of VM */
    CHECK_STR(said(PCI("\"targetVm\": \"\""), 0), "none");
    CHECK_STR(said(PCI("\"targetVm\": \"elsewhere\""), 0), "none");
    CHECK_STR(said(", \"evdevPassthrough\": [{\"targetVm\": \"c\"}]", 2), "evdevPassthrough");
    CHECK_STR(said(", \"acpiPassthrough\": [{\"targetVm\": \"c\"}]", 2), "acpiPassthrough");
    CHECK_STR(said(PCI("\"targetVm\": \"c\"") ", \"acpiPassthrough\": [{\"targetVm\": \"c\"}]", 2), "several");
    CHECK_STR(said(", \"acpiPassthrough\": null, \"evdevPassthrough\": {}", 2), "none");
    CHECK_STR(said(", \"evdevPassthrough\": {\"targetVm\": \"c\", \"rules\": [{}]}", 2), "evdevPassthrough");
    CHECK_STR(said(", \"evdevPassthrough\": {\"targetVm\": \"c\", \"disable\": true, \"rules\": [{}]}", 2), "none");
}

static void rules_follow_their_vm_to_another_row(void) {
    configure(&old, "{\"vms\": [" VM("a") ", " VM("b") "]}");
    configure(&conf, "{\"vms\": [" VM("c") ", " VM("b") ", " VM("a") "], \"pciPassthrough\": [{\"targetVm\": \"a\"}], "
                                                                     "\"acpiPassthrough\": [{\"targetVm\": \"c\"}]}");
    CHECK(conf_align(&conf, &old, 0));
    CHECK_INT(conf_other_rules(&conf, conf_vm(&conf, "a")), OTHER_PCI);
    CHECK_INT(conf_other_rules(&conf, conf_vm(&conf, "c")), OTHER_ACPI);
    CHECK_INT(conf_other_rules(&conf, conf_vm(&conf, "b")), 0);
}

/* ---- requests ---- */

/* "" if the answer is ok */
static const char *answer(enum request_kind kind, const char *vm, bool require_pci) {
    struct request r = {
        .kind = kind, .about = KIND_PCI, .client = {.index = 1, .gen = 1}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    (void)snprintf(r.vm, sizeof r.vm, "%s", vm);
    r.require_pci = require_pci;
    step(&f);
    const struct action *a = action(ACT_REPLY);
    return a == NULL ? "no reply" : a->ok ? "" : out.texts[a->text];
}

static void nothing_to_do_is_success(void) {
    configure(&conf, "{" VMS PCI("\"targetVm\": \"b\"") "}");
    begin(false);
    CHECK_STR(answer(REQ_LIST, "", false), "no reply"); /* the devices are read first */
    CHECK(action(ACT_SERVE) != NULL && action(ACT_SERVE)->client.index == 1);
    CHECK_STR(answer(REQ_SUSPEND, "", false), "");
    CHECK_STR(answer(REQ_RESUME, "b", false), "");
    CHECK_STR(answer(REQ_RESUME, "unknown", false), "");
    CHECK_STR(answer(REQ_VMM_ARGS, "a", false), "");
    CHECK_STR(answer(REQ_VMM_ARGS, "b", true), "no reply"); /* its devices are read first */
    CHECK(action(ACT_SERVE) != NULL && action(ACT_SERVE)->client.index == 1);
}

static void what_cannot_be_done_says_so(void) {
    configure(&conf, "{" VMS PCI("\"targetVm\": \"b\"") "}");
    begin(false);
    CHECK_STR(answer(REQ_ATTACH, "", false),
              "no PCI device is given to VMs: no rule was about them when the daemon started");
    CHECK_STR(answer(REQ_DETACH, "", false),
              "no PCI device is given to VMs: no rule was about them when the daemon started");
    CHECK_STR(answer(REQ_VMM_ARGS, "a", true), "no rule of pciPassthrough is for VM 'a'");
    CHECK_STR(answer(REQ_VMM_ARGS, "nosuch", false), "unknown VM 'nosuch'");
}

int main(void) {
    RUN(enabled_rules_are_for_their_vm);
    RUN(rules_follow_their_vm_to_another_row);
    RUN(nothing_to_do_is_success);
    RUN(what_cannot_be_done_says_so);
    TEST_MAIN_END;
}
