/*
 * cli_kind.c - the kinds of USB devices, after the USB-IF's table of classes. Pure. The words are those that people
 * use; names of classes that say nothing ("Miscellaneous") are not among them.
 */
#include "cli/cli_kind.h"

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ANY = -1 };

/* The first row that fits an interface counts. Weak: left out where another kind is known, since it says little. */
static const struct {
    int16_t class, subclass, protocol;
    bool weak;
    char name[12];
} kinds[] = {
    {0x01, 0x03, ANY, false, "midi"},       {0x01, ANY, ANY, false, "audio"},
    {0x02, 0x02, 0xff, false, "network"},   {0x02, 0x02, ANY, false, "serial"},
    {0x02, 0x06, ANY, false, "network"},    {0x02, 0x0c, ANY, false, "network"},
    {0x02, 0x0d, ANY, false, "network"},    {0x02, 0x0e, ANY, false, "modem"},
    {0x02, ANY, ANY, true, "modem"},        {0x03, ANY, 0x01, false, "keyboard"},
    {0x03, ANY, 0x02, false, "mouse"},      {0x03, ANY, ANY, true, "input"},
    {0x05, ANY, ANY, true, "input"},        {0x06, ANY, ANY, false, "camera"},
    {0x07, ANY, ANY, false, "printer"},     {0x08, ANY, ANY, false, "storage"},
    {0x09, ANY, ANY, false, "hub"},         {0x0b, ANY, ANY, false, "smart card"},
    {0x0d, ANY, ANY, true, "security"},     {0x0e, ANY, ANY, false, "camera"},
    {0x0f, ANY, ANY, false, "health"},      {0x10, ANY, ANY, false, "audio"},
    {0x11, ANY, ANY, true, "billboard"},    {0xdc, ANY, ANY, true, "diagnostic"},
    {0xe0, 0x01, 0x01, false, "bluetooth"}, {0xe0, 0x01, 0x03, false, "network"},
    {0xe0, ANY, ANY, true, "wireless"},     {0xef, 0x04, 0x01, false, "network"},
    {0xfe, 0x01, ANY, true, "firmware"},    {0xfe, 0x03, ANY, false, "instrument"},
    {0xff, ANY, ANY, true, "vendor"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static bool fits(int16_t wanted, uint32_t value) {
    return wanted == ANY || (uint32_t)wanted == value;
}

/* The row of one interface, -1 if there is none. */
static int row_of(uint32_t triple) {
    for (int i = 0; i < KINDS; i++) {
        if (fits(kinds[i].class, triple >> 16) && fits(kinds[i].subclass, triple >> 8 & 0xff) &&
            fits(kinds[i].protocol, triple & 0xff))
            return i;
    }
    return -1;
}

/* The next interface of ":030101:080650:". False at the end. */
static bool next_triple(const char **s, uint32_t *triple) {
    if ((*s)[0] != ':' || strnlen(*s + 1, 6) != 6 || !str_hex(*s + 1, 6, triple))
        return false;
    *s += 7;
    return true;
}

/* Its row, -1 if it has none. */
static bool next_row(const char **s, int *row) {
    uint32_t triple = 0;
    bool more = next_triple(s, &triple);
    *row = more ? row_of(triple) : -1;
    return more;
}

const char *kind_of(const char *interfaces, char *dst, size_t cap) {
    bool strong = false;
    int row = -1;
    struct sbuf sb;
    sb_init(&sb, dst, cap);
    for (const char *s = interfaces; next_row(&s, &row);)
        strong = strong || (row >= 0 && !kinds[row].weak);
    for (const char *s = interfaces; next_row(&s, &row);) {
        if (row < 0 || (strong && kinds[row].weak) || strstr(dst, kinds[row].name) != NULL ||
            sb.len + strlen(kinds[row].name) + 3 > cap)
            continue;
        sb_str(&sb, sb.len > 0 ? ", " : "");
        sb_str(&sb, kinds[row].name);
    }
    return dst;
}

bool kind_class(const char *interfaces, int triple[3]) {
    int row = -1, best = -1;
    for (const char *s = interfaces; next_row(&s, &row);) {
        if (row >= 0 && (best < 0 || (kinds[best].weak && !kinds[row].weak)))
            best = row;
    }
    if (best < 0)
        return false;
    triple[0] = kinds[best].class;
    triple[1] = kinds[best].subclass;
    triple[2] = kinds[best].protocol;
    return true;
}

bool kind_has(const char *interfaces, const int triple[3]) {
    uint32_t t = 0;
    for (const char *s = interfaces; next_triple(&s, &t);) {
        if (fits((int16_t)triple[0], t >> 16) && fits((int16_t)triple[1], t >> 8 & 0xff) &&
            fits((int16_t)triple[2], t & 0xff))
            return true;
    }
    return false;
}

/* ---- PCI ---- */

/* As the PCI-SIG has the classes. The first row that fits counts. */
static const struct {
    int16_t class, subclass;
    char name[12];
} pci_kinds[] = {
    {0x01, ANY, "storage"},   {0x02, ANY, "network"},    {0x03, ANY, "display"},  {0x04, 0x00, "video"},
    {0x04, ANY, "audio"},     {0x05, ANY, "memory"},     {0x06, ANY, "bridge"},   {0x07, 0x00, "serial"},
    {0x07, 0x03, "modem"},    {0x08, 0x05, "card slot"}, {0x09, ANY, "input"},    {0x0c, 0x03, "usb"},
    {0x0c, 0x05, "smbus"},    {0x0d, 0x11, "bluetooth"}, {0x0d, ANY, "wireless"}, {0x10, ANY, "crypto"},
    {0x12, ANY, "processor"},
};

const char *kind_of_pci(int class, int subclass) {
    for (size_t i = 0; i < sizeof pci_kinds / sizeof *pci_kinds; i++) {
        if (pci_kinds[i].class == class && (pci_kinds[i].subclass == ANY || pci_kinds[i].subclass == subclass))
            return pci_kinds[i].name;
    }
    return "-";
}
