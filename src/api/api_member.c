/*
 * api_member.c - writes single members of a reply, and the identity of a device. Decides nothing about who may read
 * what.
 */
#include "api/api_internal.h"
#include "codec/usb_desc.h"
#include "config/connectors.h"

#include <string.h>

void reply_end(struct sbuf *sb, const char *id) {
    if (id[0] != '\0') {
        sb_str(sb, ", \"id\": ");
        sb_ascii(sb, id);
    }
    sb_str(sb, "}\n");
}

void json_cut(struct sbuf *sb, const char *s) {
    char text[128];
    size_t n = 0, step = 0;
    while (s[n] != '\0' && (step = utf8_len(s + n, strlen(s + n), NULL)) > 0 && n + step < sizeof text - 4)
        n += step;
    (void)str_copyn(text, sizeof text, s, n);
    if (s[n] != '\0')
        memcpy(text + n, "...", 4);
    sb_json(sb, text);
}

void member(struct sbuf *sb, const char *name) {
    sb_str(sb, ", \"");
    sb_str(sb, name);
    sb_str(sb, "\": ");
}

void member_text(struct sbuf *sb, const char *name, const char *value) {
    member(sb, name);
    sb_json(sb, value);
}

void member_text_or_null(struct sbuf *sb, const char *name, const char *value) {
    if (value[0] != '\0') {
        member_text(sb, name, value);
        return;
    }
    member(sb, name);
    sb_str(sb, "null");
}

void member_uint(struct sbuf *sb, const char *name, uint64_t value) {
    member(sb, name);
    sb_uint(sb, value);
}

void member_time(struct sbuf *sb, const char *name, int64_t ms) {
    member(sb, name);
    if (ms == 0)
        sb_str(sb, "null");
    else
        sb_fmt(sb, "%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

void member_bool(struct sbuf *sb, const char *name, bool value) {
    member(sb, name);
    sb_str(sb, value ? "true" : "false");
}

static void member_hex4(struct sbuf *sb, const char *name, uint16_t value) {
    member(sb, name);
    sb_char(sb, '"');
    sb_hex(sb, value, 4);
    sb_char(sb, '"');
}

static void member_interfaces(struct sbuf *sb, const struct device *d) {
    member(sb, "interfaces");
    if (d->usb.nifaces == 0) {
        sb_str(sb, "null");
        return;
    }
    sb_char(sb, '"');
    usb_desc_interfaces(sb, d);
    sb_char(sb, '"');
}

void device_identity(struct sbuf *sb, const struct conf *c, const struct device *d, bool serial) {
    char connector[VH_STABLE_PATH_MAX];
    static const char removable[][10] = {"unknown", "fixed", "removable"};
    sb_str(sb, "{\"device_node\": ");
    if (d->node[0] != '\0')
        sb_json(sb, d->node);
    else
        sb_str(sb, "null"); /* described by hand */
    member_hex4(sb, "vid", d->vid);
    member_hex4(sb, "pid", d->pid);
    member_text(sb, "vendor_name", d->vendor_name);
    member_text(sb, "product_name", d->product_name);
    member_text_or_null(sb, "serial", serial ? d->serial : "");
    member_interfaces(sb, d);
    member_uint(sb, "device_class", d->cls);
    member_uint(sb, "device_subclass", d->sub);
    member_uint(sb, "device_protocol", d->proto);
    member_uint(sb, "busnum", d->usb.busnum);
    member_uint(sb, "devnum", d->usb.devnum);
    member_uint(sb, "portnum", d->usb.root_port);
    member_text_or_null(sb, "port_path", d->usb.port_path);
    member_text_or_null(sb, "speed", d->usb.speed);
    member_text_or_null(sb, "sys_name", d->sys_name);
    connector_name(c, d, connector);
    member_text_or_null(sb, "connector", connector);
    member_text_or_null(sb, "stable_path", d->stable_path);
    member_text(sb, "removable", removable[d->usb.removable]);
}
