/*
 * cli_explain.c - an explanation as text: each rule and entry, what decides, and what is waited for.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

static void print_rule(const struct json *j, int rule) {
    char text[VH_TEXT_MAX];
    printf("\nrule %s", text_get(j, rule, "rule", text, sizeof text));
    printf(" (line %s", text_get(j, rule, "line", text, sizeof text));
    if (text_get(j, rule, "description", text, sizeof text)[0] != '\0') {
        fputs(", ", stdout);
        text_print(text);
    }
    fputs("): ", stdout);
    text_field(j, rule, "verdict");
    putchar('\n');
    int entries = json_get(j, rule, "entries");
    for (int e = json_first(j, entries); e >= 0; e = json_next(j, e)) {
        printf("  %s", text_get(j, e, "entry", text, sizeof text));
        printf(" (line %s) ", text_get(j, e, "line", text, sizeof text));
        if (text_true(j, e, "matches")) {
            puts("matches");
            continue;
        }
        bool disabled = json_get(j, e, "enabled") >= 0;
        text_line(j, e, disabled ? "is disabled; differs in " : "differs in ", "misses");
        text_line(j, e, "    an interface of none of these classes: ", "interface");
        if (json_size(j, json_get(j, e, "misses")) == 0)
            puts(disabled ? "is disabled" : "has no field");
    }
}

static void print_usb(const struct json *j, int device) {
    text_names(j, device);
    if (!text_true(j, 0, "present"))
        puts("  not plugged in: as described");
    text_line(j, device, "  node        ", "device_node");
    text_line(j, device, "  port        ", "sys_name");
    text_line(j, device, "  connector   ", "connector");
    text_line(j, device, "  stable path ", "stable_path");
    text_line(j, device, "  serial      ", "serial");
    text_line(j, device, "  interfaces  ", "interfaces");
    text_line(j, device, "  note        ", "note");
    text_line(j, device, "  removable   ", "removable");
    text_line(j, device, "  drivers     ", "drivers");
}

static void print_pci(const struct json *j, int device) {
    text_pci_names(j, device);
    text_line(j, device, "  driver      ", "driver");
    text_line(j, device, "  class       ", "pci_class");
    text_line(j, device, "  subclass    ", "pci_subclass");
    text_line(j, device, "  interface   ", "pci_prog_if");
    text_line(j, device, "  IOMMU group ", "iommu_group");
    if (json_size(j, json_get(j, 0, "iommu_group_members")) > 0)
        text_line(j, 0, "  with        ", "iommu_group_members");
}

void show_explanation(const struct json *j) {
    char text[VH_TEXT_MAX];
    int device = json_get(j, 0, "usb_device"), rules = json_get(j, 0, "rules"), decides = -1;
    if (device >= 0)
        print_usb(j, device);
    else
        print_pci(j, json_get(j, 0, "pci_device"));
    for (int r = json_first(j, rules); r >= 0; r = json_next(j, r)) {
        print_rule(j, r);
        if (str_eq(text_get(j, r, "verdict", text, sizeof text), "decides"))
            decides = r;
    }
    putchar('\n');
    text_line(j, 0, "decides:  rule ", "decides");
    if (decides < 0)
        puts("decides:  no rule");
    else
        text_line(j, decides, "allowed:  ", "vms");
    text_line(j, 0, "target:   ", "target");
    if (text_true(j, 0, "asks"))
        puts("target:   whichever of them is chosen");
    text_line(j, 0, "along:    with ", "goes_along_with");
    text_line(j, 0, "VM now:   ", "vm");
    text_line(j, 0, "state:    ", "state");
    text_line(j, 0, "because:  ", "reason");
    text_line(j, 0, "note:     ", "note");
}
