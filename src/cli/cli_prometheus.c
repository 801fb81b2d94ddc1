/*
 * cli_prometheus.c - what was counted, in the text format that Prometheus collects. Owns the names, types and helps of
 * the metrics. A figure that has no row here, from a newer daemon, is printed as one of unknown type.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

enum kind { GAUGE, COUNTER, BYTES, LINES };

/* The end of a name says the unit, and that something only grows. */
static const struct {
    const char *type, *tail;
} kinds[] = {
    [GAUGE] = {"gauge", ""},
    [COUNTER] = {"counter", "_total"},
    [BYTES] = {"gauge", "_bytes"},
    [LINES] = {"counter", "_lines_total"},
};

struct metric {
    const char *group, *name; /* in the reply */
    enum kind kind;
    const char *help;
};

static const struct metric metrics[] = {
    {"uevents", "got", COUNTER, "Uevents of the kernel that were read."},
    {"uevents", "ignored", COUNTER, "Uevents that were ignored, because the kernel did not send them."},
    {"uevents", "lost", COUNTER, "Times that uevents were lost because the queue of the kernel was full."},
    {"uevents", "rescans", COUNTER, "Readings of all of sysfs after a loss of uevents."},
    {"devices", "present", GAUGE, "USB devices that are plugged in, without hubs."},
    {"devices", "disconnected", GAUGE, "Devices that somebody has taken away from the VMs."},
    {"devices", "idle", GAUGE, "Devices that are in no VM and are to be in none."},
    {"devices", "pending", GAUGE, "Devices that a VM is being given or is giving back."},
    {"devices", "attached", GAUGE, "Devices that are in a VM."},
    {"devices", "waiting", GAUGE, "Devices that wait for a VM, or for somebody's choice."},
    {"devices", "failed", GAUGE, "Devices that could not be given to their VM; this is tried again."},
    {"plugs", "plugged", COUNTER, "Devices that were plugged in, hubs too, and those that were there at the start."},
    {"plugs", "unplugged", COUNTER, "Devices that were unplugged, hubs too."},
    {"plugs", "attached", COUNTER, "Devices that were given to a VM."},
    {"plugs", "detached", COUNTER, "Devices that were taken out of a VM."},
    {"plugs", "flapping", COUNTER,
     "Times that a port was ignored for a while because its devices came and went too fast."},
    {"plugs", "table_full", COUNTER, "Times that a device was ignored or not remembered because a table was full."},
    {"operations", "begun", COUNTER, "Commands to VMs that were begun."},
    {"operations", "ok", COUNTER, "Commands that the VM has done."},
    {"operations", "refused_by_vm", COUNTER, "Commands that the VM refused."},
    {"operations", "vm_down", COUNTER, "Commands that failed because the VM was not running."},
    {"operations", "monitor_busy", COUNTER, "Commands that failed because somebody else had the VM's monitor."},
    {"operations", "no_answer", COUNTER, "Commands that the VM did not answer, or not in time."},
    {"operations", "refused_here", COUNTER, "Commands that failed on this host before they reached the VM."},
    {"operations", "asked_guest", COUNTER, "Detaches that wait for the guest to let go of the device."},
    {"claims", "listed", GAUGE, "Devices that a VM lists and did not get from vhotplug."},
    {"claims", "confirmed", GAUGE, "Devices that a VM has by somebody else's doing, confirmed by a reading."},
    {"claims", "refused", COUNTER, "Entries in lists of VMs that were not believed."},
    {"revocation", "revoked", COUNTER, "Devices that were taken from a VM so that nothing is left of its access."},
    {"revocation", "failed", COUNTER, "Attempts to do so that failed."},
    {"revocation", "uncertain", GAUGE, "Devices that a VM has given back and may still use."},
    {"clients", "connected", GAUGE, "API clients that are connected."},
    {"clients", "subscribers", GAUGE, "API clients that get events."},
    {"clients", "accepted", COUNTER, "Connections of API clients that were accepted."},
    {"clients", "refused", COUNTER, "Connections of API clients that were refused."},
    {"clients", "requests", COUNTER, "Requests of API clients."},
    {"clients", "events_sent", COUNTER, "Events that were sent to API clients."},
    {"clients", "events_dropped", COUNTER, "Events that were dropped because a client read too slowly."},
    {"state", "saves", COUNTER, "Attempts to save the state file."},
    {"state", "save_failed", COUNTER, "Attempts to save the state file that failed."},
    {"state", "unsaved", GAUGE, "1 if something is still to be saved."},
    {"state", "failing", GAUGE, "1 if the last attempt to save the state file failed; decisions are refused then."},
    {"state", "corrupt", GAUGE, "1 if the state file was corrupt and no admin has acknowledged that."},
    {"state", "closed", GAUGE, "1 if no VM is given a device because the state file was corrupt."},
    {"device_workers", "running", GAUGE, "Processes that read, open and reset devices."},
    {"device_workers", "idle", GAUGE, "Device workers that have nothing to do."},
    {"device_workers", "late", GAUGE, "Device workers that have not answered in time."},
    {"device_workers", "ended", GAUGE, "Device workers that have ended and do not come back."},
    {"device_workers", "orders_waiting", GAUGE, "Orders that wait for a free device worker."},
    {"device_workers", "orders", COUNTER, "Orders to device workers."},
    {"device_workers", "orders_late", COUNTER, "Orders to device workers that were not answered in time."},
    {"connectors", "running", GAUGE, "Processes that connect to the monitors of VMs."},
    {"connectors", "late", GAUGE, "Connectors that have not answered in time."},
    {"connectors", "ended", GAUGE, "Connectors that have ended and do not come back."},
    {"opener", "running", GAUGE, "1 if the process that opens the configuration and sockets runs."},
    {"opener", "late", GAUGE, "1 if the opener has not answered in time."},
    {"opener", "ended", GAUGE, "1 if the opener has ended; it does not come back."},
    {"disk_worker", "running", GAUGE, "1 if the process that saves the state file runs."},
    {"disk_worker", "late", GAUGE, "1 if the disk worker has not answered in time."},
    {"disk_worker", "ended", GAUGE, "1 if the disk worker has ended; it does not come back."},
    {"reload", "ok", COUNTER, "Readings of the configuration that came into force."},
    {"reload", "failed", COUNTER, "Readings of the configuration that failed; they changed nothing."},
    {"quarantine", "hubs", GAUGE, "Hubs whose ports are held, so that no driver of the host sees what is plugged in."},
    {"quarantine", "waiting", GAUGE, "Hubs whose ports are to be held, and are not yet."},
    {"quarantine", "late", GAUGE, "Hubs that the kernel is busy with for long; orders about their ports wait."},
    {"quarantine", "ports", GAUGE, "Ports that are held."},
    {"quarantine", "refused", GAUGE, "Ports that another program holds."},
    {"quarantine", "devices", GAUGE, "Devices that neither a driver of the host nor a VM has."},
    {"port_workers", "running", GAUGE, "Processes that hold ports."},
    {"port_workers", "late", GAUGE, "Port workers that have not answered in time."},
    {"port_workers", "ended", GAUGE, "Port workers that have ended; without any, quarantine is off."},
    {"vfio_workers", "running", GAUGE, "Processes that change drivers of PCI devices."},
    {"vfio_workers", "late", GAUGE, "VFIO workers that have not answered in time."},
    {"vfio_workers", "ended", GAUGE, "VFIO workers that have ended and do not come back."},
    {"usb_authorization", "buses", GAUGE, "Buses at which the kernel authorises no device by itself."},
    {"usb_authorization", "waiting", GAUGE, "Buses at which that is to be so, and is not yet."},
    {"usb_authorization", "open", GAUGE, "Buses at which that cannot be had; the log says why."},
    {"usb_authorization", "devices", GAUGE, "Devices that are not authorised now."},
    {"log", "dropped", LINES, "Lines of the log that were dropped because nobody read them in time."},
    {"arena", "used", BYTES, "Memory in use behind malloc, which is an array of fixed size."},
    {"arena", "peak", BYTES, "The most memory that was in use behind malloc since the start."},
    {"arena", "size", BYTES, "Memory behind malloc, used or not."},
    {"vm", "up", GAUGE, "1 if the VM runs."},
    {"vm", "connected", GAUGE, "1 if there is a connection to the monitor of the VM now; it is made on demand."},
    {"vm", "busy", GAUGE, "1 if the monitor of the VM does not greet; somebody else has it then."},
    {"vm", "devices", GAUGE, "Devices that the VM has."},
    {"vm", "failures", GAUGE, "Commands to the VM that failed in a row."},
};
enum { METRICS = sizeof metrics / sizeof *metrics };

static const struct metric *metric_of(const char *group, const char *name) {
    for (size_t i = 0; i < METRICS; i++) {
        if (str_eq(metrics[i].group, group) && str_eq(metrics[i].name, name))
            return &metrics[i];
    }
    return NULL;
}

static void head(const char *name, const char *type, const char *help) {
    printf("# HELP vhotplug_%s %s\n# TYPE vhotplug_%s %s\n", name, help, name, type);
}

/* Its name without "vhotplug_", after its head is printed. */
static void begin(const char *group, const char *key, char *name, size_t cap) {
    const struct metric *m = metric_of(group, key);
    char help[128];
    (void)str_fmt(name, cap, "%s_%s%s", group, key, m != NULL ? kinds[m->kind].tail : ""); /* cap is for all of them */
    (void)str_fmt(help, sizeof help, "%s in the group %s of the stats.", key, group);
    head(name, m != NULL ? kinds[m->kind].type : "untyped", m != NULL ? m->help : help);
}

/* Anything but a letter, a digit and _ would end the name. */
static bool is_name(const char *s) {
    return s[0] != '\0' && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && str_eq(s + n - m, end);
}

static void group_of(const struct json *j, int key) {
    char group[VH_NAME_MAX], key_name[VH_NAME_MAX], name[2 * VH_NAME_MAX + 16], value[32];
    if (!is_name(text_of(j, key, group, sizeof group)))
        return;
    for (int m = json_first(j, json_value(j, key)); m >= 0; m = json_next(j, m)) {
        if (!is_name(text_of(j, m, key_name, sizeof key_name)) || json_type(j, json_value(j, m)) != JSON_NUMBER)
            continue;
        if (ends_with(key_name, "_ms")) /* in seconds: one_time() */
            continue;
        begin(group, key_name, name, sizeof name);
        printf("vhotplug_%s %s\n", name, text_of(j, json_value(j, m), value, sizeof value));
    }
}

/* Milliseconds as seconds, without floating point. */
static void print_seconds(int64_t ms) {
    printf("%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

static void latency(const struct json *j, int group) {
    int below = json_first(j, json_get(j, group, "below_ms")), count = json_first(j, json_get(j, group, "count"));
    int64_t sum = 0, n = 0, bound = 0;
    head("plug_to_attached_seconds", "histogram", "Time from a plug until the VM has the device.");
    for (; count >= 0; count = json_next(j, count)) {
        (void)json_int(j, count, 0, INT64_MAX, &n);
        sum += n;
        fputs("vhotplug_plug_to_attached_seconds_bucket{le=\"", stdout);
        if (below >= 0 && json_int(j, below, 0, INT64_MAX, &bound))
            print_seconds(bound);
        else
            fputs("+Inf", stdout);
        printf("\"} %lld\n", (long long)sum);
        below = below >= 0 ? json_next(j, below) : -1;
    }
    (void)json_int(j, json_get(j, group, "sum_ms"), 0, INT64_MAX, &n);
    fputs("vhotplug_plug_to_attached_seconds_sum ", stdout);
    print_seconds(n);
    printf("\nvhotplug_plug_to_attached_seconds_count %lld\n", (long long)sum);
}

static void one_time(const struct json *j, int group, const char *key, const char *name, const char *type,
                     const char *help) {
    int64_t ms = 0;
    (void)json_int(j, json_get(j, group, key), 0, INT64_MAX, &ms);
    head(name, type, help);
    printf("vhotplug_%s ", name);
    print_seconds(ms);
    putchar('\n');
}

static void revocation(const struct json *j, int group) {
    one_time(j, group, "sum_ms", "revocation_sum_seconds_total", "counter", "Time that revocations took in all.");
    one_time(j, group, "max_ms", "revocation_max_seconds", "gauge", "Time that a revocation took at most.");
}

static void print_label(const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        if (*s == '\n')
            putchar('\\');
        putchar(*s == '\n' ? 'n' : *s);
    }
}

static void vms(const struct json *j, const char *key) {
    char text[VH_NAME_MAX], name[2 * VH_NAME_MAX];
    int v = json_first(j, json_get(j, 0, "vms"));
    if (v < 0)
        return;
    begin("vm", key, name, sizeof name);
    for (; v >= 0; v = json_next(j, v)) {
        printf("vhotplug_%s{vm=\"", name);
        print_label(text_get(j, v, "name", text, sizeof text));
        const char *value = text_get(j, v, str_eq(key, "up") ? "state" : key, text, sizeof text);
        printf("\"} %s\n", str_eq(value, "up") || str_eq(value, "true") ? "1"
                           : text[0] >= '0' && text[0] <= '9'           ? value
                                                                        : "0");
    }
}

/* As exporters do: always 1, and what is told stands in the labels. */
static void build_info(const struct json *j) {
    char version[VH_NAME_MAX];
    if (text_get(j, 0, "version", version, sizeof version)[0] == '\0')
        return; /* an older daemon does not say */
    head("build_info", "gauge", "Always 1; the version of the daemon is in the label.");
    fputs("vhotplug_build_info{version=\"", stdout);
    print_label(version);
    puts("\"} 1");
}

/* Until a reading succeeds the daemon tells when the last one failed. */
static void reload_failing(const struct json *j) {
    int at = json_get(j, 0, "reload_failed_at");
    if (at < 0)
        return; /* an older daemon does not say */
    head("reload_failing", "gauge", "1 if the last reading of the configuration failed; an earlier one is in force.");
    printf("vhotplug_reload_failing %d\n", json_type(j, at) == JSON_NUMBER);
}

void show_prometheus(const struct json *j) {
    int64_t ms = 0;
    build_info(j);
    (void)json_int(j, json_get(j, 0, "uptime_ms"), 0, INT64_MAX, &ms);
    head("uptime_seconds", "gauge", "Time since the daemon started.");
    fputs("vhotplug_uptime_seconds ", stdout);
    print_seconds(ms);
    putchar('\n');
    for (int k = json_first(j, 0); k >= 0; k = json_next(j, k)) {
        if (json_type(j, json_value(j, k)) != JSON_OBJECT)
            continue;
        if (json_string_is(j, k, "plug_to_attached"))
            latency(j, json_value(j, k));
        else
            group_of(j, k);
        if (json_string_is(j, k, "revocation"))
            revocation(j, json_value(j, k));
    }
    reload_failing(j);
    for (size_t i = 0; i < METRICS; i++) {
        if (str_eq(metrics[i].group, "vm"))
            vms(j, metrics[i].name);
    }
}
