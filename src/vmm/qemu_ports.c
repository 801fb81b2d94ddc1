/*
 * qemu_ports.c - asks a QEMU for its USB controllers and what is on their buses, by QOM, and then for `info usb`, which
 * qemu_info_usb.c joins with the answers. Owns nothing but scratch space.
 *
 * Nothing here decides an operation: what cannot be found out, or does not agree, leaves the ports unknown.
 */
#include "vmm/qemu_ports.h"

#include "base/assert.h"
#include "base/str.h"
#include "vmm/qemu_info_usb.h"

#include <string.h>

enum question { ASK_MACHINE, ASK_SELF, ASK_HUB, ASK_BUS, ASK_LINK, ASK_TEXT };

enum {
    HUB_PORTS = 8,      /* of a hub that QEMU adds by itself */
    SELF_QUESTIONS = 3, /* about a controller: what it is made of, and two properties */
};
_Static_assert(VH_VM_BUSES *SELF_QUESTIONS <= UINT8_MAX, "a question about a controller is a byte");

static const char *const homes[QEMU_HOMES] = {"/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached"};

/* What is asked about a controller, beside what it is made of. */
static const char *const properties[VM_CONTROLLERS][2] = {
    [VM_UHCI] = {"firstport", "masterbus"},
    [VM_OHCI] = {"num-ports", NULL},
    [VM_EHCI] = {NULL, NULL},
    [VM_XHCI] = {"p2", "p3"},
};

void qemu_ports_begin(struct qemu_ports *p) {
    memset(p, 0, sizeof *p);
    p->hub_ports = HUB_PORTS;
}

bool qemu_ports_name_is_safe(const char *name) {
    for (const char *s = name; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\' || *s == '/' || (unsigned char)*s < 0x20)
            return false;
    }
    return name[0] != '\0';
}

/* ---- what there is ---- */

enum { NO_CONTROLLER = -1, OTHER_CONTROLLER = -2 };

/* By the names of QEMU's devices. Those of systems on a chip have ports that no property tells. */
static int controller_type(const char *type) {
    if (strstr(type, "xhci") != NULL)
        return VM_XHCI;
    if (strstr(type, "usb-uhci") != NULL)
        return VM_UHCI;
    if (strstr(type, "usb-ehci") != NULL)
        return VM_EHCI;
    if (strstr(type, "ohci") != NULL)
        return VM_OHCI;
    if (strstr(type, "ehci-usb") != NULL || strstr(type, "dwc2-usb") != NULL || strstr(type, "musb") != NULL)
        return OTHER_CONTROLLER;
    return NO_CONTROLLER;
}

static void found_hub(struct qemu_ports *p, enum qemu_home home, const char *name) {
    if (home == QEMU_UNATTACHED)
        return; /* QEMU made it by itself */
    struct qemu_hub *h = &p->hub[p->nhubs];
    if (p->nhubs == VH_VM_HUBS || !str_copy(h->name, sizeof h->name, name)) {
        p->unknown = true;
        return;
    }
    h->home = (uint8_t)home;
    p->nhubs++;
}

void qemu_ports_entry(struct qemu_ports *p, enum qemu_home home, const char *name, const char *type) {
    int kind = controller_type(type);
    bool hub = str_eq(type, "child<usb-hub>");
    if (kind == NO_CONTROLLER && !hub)
        return;
    if (kind == OTHER_CONTROLLER || !qemu_ports_name_is_safe(name)) {
        p->unknown = true;
        return;
    }
    if (hub) {
        found_hub(p, home, name);
        return;
    }
    struct qemu_controller *c = &p->controller[p->ncontrollers];
    if (p->ncontrollers == VH_VM_BUSES || !str_copy(c->name, sizeof c->name, name)) {
        p->unknown = true;
        return;
    }
    c->home = (uint8_t)home;
    c->type = (uint8_t)kind;
    c->busnr = -1;
    p->ncontrollers++;
}

/* ---- questions ---- */

static void asking(struct qemu_ports *p, enum question what, int about) {
    p->asked[p->nasked].what = (uint8_t)what;
    p->asked[p->nasked].about = (uint8_t)about;
    p->nasked++;
}

static void put_path(struct sbuf *sb, enum qemu_home home, const char *name, const char *below) {
    sb_fmt(sb, "\"path\": \"%s%s%s%s%s\"", homes[home], name[0] != '\0' ? "/" : "", name, below[0] != '\0' ? "/" : "",
           below);
}

static void put_property(struct sbuf *sb, const char *property) {
    sb_fmt(sb, ", \"property\": \"%s\"", property);
}

static const char *ask_machine(struct qemu_ports *p, struct sbuf *sb) {
    p->phase = QEMU_SELVES;
    asking(p, ASK_MACHINE, 0);
    put_path(sb, QEMU_UNATTACHED, "", "");
    return "qom-list";
}

static const char *ask_self(struct qemu_ports *p, struct sbuf *sb, int i) {
    struct qemu_controller *c = &p->controller[i];
    const char *property = c->asked > 0 ? properties[c->type][c->asked - 1] : NULL;
    asking(p, ASK_SELF, i * SELF_QUESTIONS + c->asked++);
    put_path(sb, (enum qemu_home)c->home, c->name, "");
    if (property == NULL)
        return "qom-list";
    put_property(sb, property);
    return "qom-get";
}

static bool more_about(const struct qemu_controller *c) {
    return c->asked == 0 || (c->asked < SELF_QUESTIONS && properties[c->type][c->asked - 1] != NULL);
}

static const char *ask_selves(struct qemu_ports *p, struct sbuf *sb) {
    for (int i = 0; i < p->ncontrollers; i++) {
        if (more_about(&p->controller[i]))
            return ask_self(p, sb, i);
    }
    if (p->hubs_asked == p->nhubs)
        return NULL;
    const struct qemu_hub *h = &p->hub[p->hubs_asked];
    asking(p, ASK_HUB, p->hubs_asked++);
    put_path(sb, (enum qemu_home)h->home, h->name, "");
    put_property(sb, "ports");
    return "qom-get";
}

static const char *ask_buses(struct qemu_ports *p, struct sbuf *sb) {
    for (int i = 0; i < p->ncontrollers; i++) {
        struct qemu_controller *c = &p->controller[i];
        if (c->bus[0] == '\0' || c->bus_asked)
            continue;
        c->bus_asked = true;
        asking(p, ASK_BUS, i);
        put_path(sb, (enum qemu_home)c->home, c->name, c->bus);
        return "qom-list";
    }
    return NULL;
}

static int count_buses(const struct qemu_ports *p, bool in_use) {
    int n = 0;
    for (int i = 0; i < p->ncontrollers; i++)
        n += p->controller[i].bus[0] != '\0' && (!in_use || p->controller[i].devices > 0);
    return n;
}

/* `info usb` numbers the buses, and no property has these numbers. A device that both tell of says which bus is which.
 */
static const char *ask_links(struct qemu_ports *p, struct sbuf *sb) {
    for (int i = 0; i < p->ncontrollers && count_buses(p, true) > 1; i++) {
        struct qemu_controller *c = &p->controller[i];
        if (c->devices == 0 || c->child_asked)
            continue;
        c->child_asked = true;
        asking(p, ASK_LINK, i);
        put_path(sb, (enum qemu_home)c->home, c->name, c->bus);
        put_property(sb, c->child);
        return "qom-get";
    }
    return NULL;
}

static const char *ask_text(struct qemu_ports *p, struct sbuf *sb) {
    p->phase = QEMU_END;
    asking(p, ASK_TEXT, 0);
    sb_str(sb, "\"command-line\": \"info usb\""); /* x-query-usb has the same text, but only since 6.2 */
    return "human-monitor-command";
}

/* The answers of a phase come before the next one, but for those that do not depend on them. */
static const char *ask(struct qemu_ports *p, struct sbuf *sb) {
    const char *command = NULL;
    if (p->phase == QEMU_MACHINE)
        return ask_machine(p, sb);
    if (p->phase == QEMU_SELVES) {
        command = ask_selves(p, sb);
        if (command != NULL || p->nasked > 0)
            return command;
        p->phase = count_buses(p, false) > 0 ? QEMU_BUSES : QEMU_END;
    }
    if (p->phase == QEMU_BUSES) {
        command = ask_buses(p, sb);
        if (command != NULL || (p->nasked > 0 && count_buses(p, false) > 1))
            return command;
        p->phase = QEMU_LINKS;
    }
    if (p->phase == QEMU_LINKS) {
        command = ask_links(p, sb);
        if (command != NULL)
            return command;
        p->phase = QEMU_TEXT;
    }
    return p->phase == QEMU_TEXT ? ask_text(p, sb) : NULL;
}

bool qemu_ports_ask(struct qemu_ports *p, const char **command, char arguments[QEMU_QUESTION_MAX]) {
    struct sbuf sb;
    sb_init(&sb, arguments, QEMU_QUESTION_MAX);
    if (p->unknown || p->nasked == QEMU_ASKED)
        return false;
    *command = ask(p, &sb);
    VH_ASSERT(sb_ok(&sb));
    return *command != NULL;
}

void qemu_ports_batch_done(struct qemu_ports *p) {
    p->nasked = 0;
}

/* ---- answers ---- */

static bool entry_of(const struct json *j, int t, char name[VH_NAME_MAX], char type[VH_NAME_MAX]) {
    return json_string(j, json_get(j, t, "name"), name, VH_NAME_MAX) &&
           json_string(j, json_get(j, t, "type"), type, VH_NAME_MAX);
}

static void take_machine(struct qemu_ports *p, const struct json *j, int array) {
    char name[VH_NAME_MAX], type[VH_NAME_MAX];
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (entry_of(j, t, name, type))
            qemu_ports_entry(p, QEMU_UNATTACHED, name, type);
    }
}

/* A controller without a bus is a companion. */
static void take_parts(struct qemu_controller *c, const struct json *j, int array) {
    char name[VH_NAME_MAX], type[VH_NAME_MAX];
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (entry_of(j, t, name, type) && str_eq(type, "child<usb-bus>") && qemu_ports_name_is_safe(name))
            (void)str_copy(c->bus, sizeof c->bus, name); /* same bound */
    }
}

static void take_self(struct qemu_ports *p, const struct json *j, int value, int about) {
    struct qemu_controller *c = &p->controller[about / SELF_QUESTIONS];
    int64_t n = 0;
    if (about % SELF_QUESTIONS == 0)
        take_parts(c, j, value);
    else if (c->type == VM_UHCI && about % SELF_QUESTIONS == 2)
        (void)(value >= 0 && json_string(j, value, c->master, sizeof c->master)); /* "" if it does not fit */
    else if (json_int(j, value, 0, UINT8_MAX, &n))
        c->number[about % SELF_QUESTIONS - 1] = (uint8_t)n;
}

static void take_hub(struct qemu_ports *p, const struct json *j, int value) {
    int64_t n = 0;
    if (json_int(j, value, 0, UINT8_MAX, &n) && n < p->hub_ports)
        p->hub_ports = (uint8_t)n;
}

static void take_bus(struct qemu_ports *p, const struct json *j, int array, struct qemu_controller *c) {
    char name[VH_NAME_MAX], type[VH_NAME_MAX];
    for (int t = json_first(j, array); t >= 0; t = json_next(j, t)) {
        if (!entry_of(j, t, name, type) || !str_starts(name, "child[") || !str_starts(type, "link<"))
            continue;
        if (c->devices == VH_VM_PORTS) {
            p->unknown = true;
            return;
        }
        c->devices++;
        c->hubs = (uint8_t)(c->hubs + str_eq(type, "link<usb-hub>"));
        bool best = c->child[0] == '\0' || str_eq(type, "link<usb-host>");
        if (best && qemu_ports_name_is_safe(name))
            (void)str_copy(c->child, sizeof c->child, name); /* same bound */
    }
}

static void take_link(const struct json *j, int value, struct qemu_controller *c) {
    static const char home[] = "/machine/peripheral/";
    char path[VH_PATH_MAX];
    const char *s = path + sizeof home - 1;
    if (!json_string(j, value, path, sizeof path) || !str_starts(path, home) || strchr(s, '/') != NULL ||
        !str_copy(c->device, sizeof c->device, s))
        c->device[0] = '\0';
}

static void take_text(struct qemu_ports *p, const struct json *j, int value) {
    static char text[VH_VM_USB_TEXT];
    p->ports.known = json_string(j, value, text, sizeof text) && !p->unknown && qemu_info_usb_join(p, text);
}

void qemu_ports_answer(struct qemu_ports *p, unsigned number, const struct json *j, int value) {
    VH_ASSERT(number < p->nasked);
    int about = p->asked[number].about;
    enum question what = (enum question)p->asked[number].what;
    if (value < 0 && what != ASK_SELF && what != ASK_HUB)
        p->unknown = true;
    switch (what) {
    case ASK_MACHINE:
        take_machine(p, j, value);
        break;
    case ASK_SELF:
        take_self(p, j, value, about);
        break;
    case ASK_HUB:
        take_hub(p, j, value);
        break;
    case ASK_BUS:
        take_bus(p, j, value, &p->controller[about]);
        break;
    case ASK_LINK:
        take_link(j, value, &p->controller[about]);
        break;
    case ASK_TEXT:
        take_text(p, j, value);
        break;
    }
}
