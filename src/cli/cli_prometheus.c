/*
 * cli_prometheus.c - what was counted, in the text format that Prometheus collects.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

static bool is_gauge(const char *group, const char *name) {
    if (str_eq(group, "device_workers"))
        return !str_eq(name, "orders") && !str_eq(name, "orders_late");
    static const char *const groups[] = {"devices", "arena", "connectors", "opener", "disk_worker"};
    static const char *const names[] = {"connected", "subscribers", "unsaved", "failing", "corrupt", "closed"};
    bool gauge = false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        gauge = gauge || str_eq(group, groups[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        gauge = gauge || str_eq(name, names[i]);
    return gauge;
}

static void prometheus_group(const struct json *j, int key) {
    char group[VH_NAME_MAX], name[VH_NAME_MAX], value[32];
    (void)text_of(j, key, group, sizeof group);
    for (int m = json_first(j, json_value(j, key)); m >= 0; m = json_next(j, m)) {
        bool gauge = is_gauge(group, text_of(j, m, name, sizeof name));
        const char *tail = gauge ? "" : "_total";
        printf("# TYPE vhotplug_%s_%s%s %s\n", group, name, tail, gauge ? "gauge" : "counter");
        printf("vhotplug_%s_%s%s %s\n", group, name, tail, text_of(j, json_value(j, m), value, sizeof value));
    }
}

/* Milliseconds as seconds, without floating point. */
static void print_seconds(int64_t ms) {
    printf("%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

static void prometheus_latency(const struct json *j, int group) {
    int below = json_first(j, json_get(j, group, "below_ms")), count = json_first(j, json_get(j, group, "count"));
    int64_t sum = 0, n = 0, bound = 0;
    puts("# TYPE vhotplug_plug_to_attached_seconds histogram");
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

static void print_label(const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s == '\n' ? ' ' : *s);
    }
}

static void prometheus_vms(const struct json *j, const char *name) {
    char text[VH_NAME_MAX];
    printf("# TYPE vhotplug_vm_%s gauge\n", name);
    for (int v = json_first(j, json_get(j, 0, "vms")); v >= 0; v = json_next(j, v)) {
        printf("vhotplug_vm_%s{vm=\"", name);
        print_label(text_get(j, v, "name", text, sizeof text));
        const char *value = text_get(j, v, str_eq(name, "up") ? "state" : name, text, sizeof text);
        printf("\"} %s\n", str_eq(value, "up") || str_eq(value, "true") ? "1"
                           : text[0] >= '0' && text[0] <= '9'           ? value
                                                                        : "0");
    }
}

void show_prometheus(const struct json *j) {
    static const char of_vms[][10] = {"up", "connected", "busy", "devices", "failures"};
    int64_t ms = 0;
    (void)json_int(j, json_get(j, 0, "uptime_ms"), 0, INT64_MAX, &ms);
    fputs("# TYPE vhotplug_uptime_seconds gauge\nvhotplug_uptime_seconds ", stdout);
    print_seconds(ms);
    putchar('\n');
    for (int k = json_first(j, 0); k >= 0; k = json_next(j, k)) {
        if (json_type(j, json_value(j, k)) != JSON_OBJECT)
            continue;
        if (json_string_is(j, k, "plug_to_attached"))
            prometheus_latency(j, json_value(j, k));
        else
            prometheus_group(j, k);
    }
    for (size_t i = 0; i < sizeof of_vms / sizeof *of_vms; i++)
        prometheus_vms(j, of_vms[i]);
}
