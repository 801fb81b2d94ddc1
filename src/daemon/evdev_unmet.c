/*
 * evdev_unmet.c - see evdev_unmet.h. Owns the list of devices; says nothing.
 */
#include "daemon/evdev_unmet.h"

#include "bus/evdev_sysfs.h"
#include "config/policy_evdev.h"

static struct device_evdev host;

void evdev_unmet_read(void) {
    evdev_sysfs_list(&host);
}

bool evdev_unmet(const struct conf *c, int rule) {
    const struct evdev_rule *r = &c->evdev_rules[rule];
    bool met = !r->enabled || r->vm < 0 || host.whole == 0;
    int entry = -1;
    for (uint32_t i = 0; i < host.n && !met; i++)
        met = policy_evdev_rule(c, &host.row[i], &entry) == rule;
    return !met;
}
