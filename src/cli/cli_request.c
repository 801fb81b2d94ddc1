/*
 * cli_request.c - a call as one line of the API.
 */
#include "cli/cli_call.h"

static void key(struct sbuf *sb, const char *name) {
    sb_fmt(sb, "%s\"%s\": ", sb->p[sb->len - 1] == '{' ? "" : ", ", name);
}

static void add_classes(const struct call *c, struct sbuf *sb) {
    static const char keys[][16] = {"device_class", "device_subclass", "device_protocol"};
    for (int i = 0; i < 3 && (c->given & BIT(F_DEVICE_CLASS)) != 0; i++) {
        key(sb, keys[i]);
        sb_uint(sb, c->device_class[i]);
    }
    if (c->given & BIT(F_CLASS)) {
        key(sb, "interfaces");
        sb_json(sb, c->interfaces);
    }
}

void request_build(const struct call *c, struct sbuf *sb) {
    static const char keys[][21] = {"device_node",
                                    "bus",
                                    "port",
                                    "vid",
                                    "pid",
                                    "tag",
                                    "connector",
                                    "vm",
                                    "serial",
                                    "vendor_name",
                                    "product_name",
                                    "removable",
                                    "driver_path",
                                    "address",
                                    "did",
                                    "qemu_bus_prefix",
                                    "qemu_bus_start_index"};
    bool tagged = c->command->output == OUT_STATUS && (c->given & BIT(F_TAG)) != 0;
    bool described = c->command->output == OUT_EXPLAIN && (c->given & DESCRIPTION) != 0;
    sb_fmt(sb, "{\"action\": \"%s\"", tagged ? "usb_list" : c->command->action);
    if (described)
        sb_str(sb, ", \"device\": {");
    bool filter = c->command->output == OUT_LIST; /* the client's own: the API lists for all VMs */
    for (unsigned f = F_DEVNODE; f <= F_BUS_INDEX; f++) {
        if (!(c->given & BIT(f)) || (filter && f == F_VM))
            continue;
        key(sb, keys[f]);
        sb_json(sb, c->value[f]);
    }
    add_classes(c, sb);
    if (described)
        sb_char(sb, '}');
    if (c->given & BIT(F_DISCONNECTED))
        sb_str(sb, ", \"disconnected\": true");
    if (c->given & BIT(F_CONNECTED))
        sb_str(sb, ", \"disconnected\": false");
    if (c->given & BIT(F_REQUIRE_PCI))
        sb_str(sb, ", \"require_pci\": true");
    if ((c->given & (BIT(F_ALL) | BIT(F_TREE))) || tagged)
        sb_str(sb, ", \"all\": true");
    if (tagged)
        sb_str(sb, ", \"verify\": true");
    sb_str(sb, "}\n");
}

void request_list(const struct call *c, struct sbuf *sb) {
    sb_str(sb, "{\"action\": \"usb_list\", \"all\": true");
    if (c->given & BIT(F_CONNECTOR)) {
        key(sb, "connector");
        sb_json(sb, c->value[F_CONNECTOR]);
    }
    sb_str(sb, "}\n");
}
