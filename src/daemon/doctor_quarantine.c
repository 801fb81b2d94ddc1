/*
 * doctor_quarantine.c - which hubs' ports would be claimed, which devices would be kept from the host's drivers, and by
 * which rule. Reads sysfs and the configuration alone: claims nothing, opens no node.
 */
#include "daemon/doctor_quarantine.h"

#include "base/limits.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/usb_sysfs.h"
#include "config/policy.h"
#include "daemon/device_worker.h"
#include "daemon/doctor_say.h"
#include "os/clock.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct {
    const struct conf *conf;
    enum quarantine mode;
    unsigned hubs, ports, kept;
} see;

/* A device chooses its name, and a name must not steer the terminal. */
static const char *printable(const char *s, char *dst, size_t cap) {
    size_t n = 0;
    for (size_t at = 0, len = strlen(s), step = 0; at < len && n + 5 < cap; at += step) {
        uint32_t c = 0;
        step = utf8_len(s + at, len - at, &c);
        if (step == 0 || utf8_steers(c)) {
            dst[n++] = '?';
            step += step == 0;
            continue;
        }
        for (size_t i = 0; i < step; i++)
            dst[n++] = s[at + i];
    }
    dst[n] = '\0';
    return dst;
}

static unsigned ports_of(const char *sys_name) {
    uint64_t n = 0;
    int dir = usb_sysfs_open(sys_name);
    if (dir >= 0 && !sysfs_uint(dir, "maxchild", 10, UINT8_MAX, &n))
        n = 0;
    if (dir >= 0)
        (void)close(dir);
    return (unsigned)n;
}

static void tell_hub(const struct device *d) {
    unsigned n = ports_of(d->sys_name);
    see.hubs++;
    see.ports += n;
    if (n > 0)
        doctor_say(FINE, "hub %s: a device worker would open %s, the port workers would claim its %u ports",
                   d->sys_name, d->node, n);
    else
        doctor_say(NOTE, "hub %s: it has no ports (the kernel does not drive it): nothing would be claimed",
                   d->sys_name);
}

static bool name_vms(const struct rule *r, char *dst, size_t cap) {
    struct sbuf sb;
    sb_init(&sb, dst, cap);
    for (int i = 0; i < r->nvms; i++)
        sb_fmt(&sb, "%s%s", i > 0 ? ", " : "", see.conf->vms[r->vms[i]].name);
    return sb_ok(&sb);
}

/* Why it would be kept from the host's drivers, or not. */
static bool is_kept(const struct device *d, int rule, char *why, size_t cap) {
    const struct rule *r = rule >= 0 ? &see.conf->rules[rule] : NULL;
    char vms[VH_TEXT_MAX] = "";
    bool kept = policy_keeps_from_host(see.conf, see.mode, r, d);
    if (r == NULL && kept)
        (void)str_copy(why, cap, "no rule leaves it to the host");
    else if (r == NULL)
        (void)str_copy(why, cap, policy_authorises(see.conf, r, d) ? "hostAllow names it" : "no rule gives it to a VM");
    else if (r->host)
        (void)str_fmt(why, cap, "usbPassthrough[%d] (line %u) leaves it to the host", rule, (unsigned)r->line);
    else if (r->nvms == 0)
        (void)str_fmt(why, cap, "usbPassthrough[%d] (line %u) names no VM", rule, (unsigned)r->line);
    else
        (void)str_fmt(why, cap, "usbPassthrough[%d] (line %u) gives it to %s", rule, (unsigned)r->line,
                      name_vms(r, vms, sizeof vms) ? vms : "several VMs");
    return kept;
}

static void tell_device(const struct device *d, const char *driver) {
    char why[VH_ERROR_MAX] = "", name[VH_STRING_MAX], now[VH_TEXT_MAX] = "";
    bool kept = is_kept(d, policy_rule(see.conf, d), why, sizeof why); /* an explanation may be cut */
    see.kept += kept;
    if (driver != NULL && driver[0] != '\0')
        (void)str_fmt(now, sizeof now, "%s has it until it is plugged in again; ", driver);
    doctor_say(FINE, "device %s %04x:%04x %s: %s%s: %s", d->sys_name, (unsigned)d->vid, (unsigned)d->pid,
               printable(d->product_name, name, sizeof name), now,
               kept ? "no driver of the host would see it" : "a device worker would configure it for the host", why);
}

static void tell(const struct fact *f) {
    if (f->kind != FACT_DEVICE)
        return;
    if (device_is_hub(f->device))
        tell_hub(f->device);
    else
        tell_device(f->device, f->driver);
}

static const struct device *none_reported(const char *sys_name) {
    (void)sys_name;
    return NULL;
}

static bool look_for_drivers(const char *sys_name) {
    (void)sys_name;
    return true;
}

bool doctor_quarantine(const struct conf *c, const struct bus *bus) {
    static const struct bus_calls calls = {.fact = tell, .reported = none_reported, .given = look_for_drivers};
    static const char *const modes[] = {
        [QUARANTINE_OFF] = "off", [QUARANTINE_RULES] = "rules", [QUARANTINE_ALL] = "all"};
    int fd = sysfs_open("/sys/bus/usb", O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        doctor_say(PROBLEM, "USB: no /sys/bus/usb");
        return false;
    }
    (void)close(fd);
    see.conf = c;
    see.mode = c->quarantine == QUARANTINE_OFF ? QUARANTINE_RULES : c->quarantine;
    doctor_say(FINE, "general.quarantine is \"%s\"; this is what \"%s\" means, and nothing of it is done now",
               modes[c->quarantine], modes[see.mode]);
    (void)bus->start(&calls);
    device_workers_none();
    bus->scan(true);
    device_pool_tick(clock_now());
    doctor_say(FINE, "in all: %u ports of %u hubs would be claimed; the host would be kept from %u devices", see.ports,
               see.hubs, see.kept);
    return true;
}
