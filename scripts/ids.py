#!/usr/bin/env python3
"""Turns usb.ids or pci.ids into C: sorted vendors, their devices, one text with every distinct name once.

usage: ids.py usb|pci FILE OUTPUT.c
"""
import re
import sys


def read(path):
    vendors, date, vendor = {}, "unknown", None
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = re.match(r"#\s*Date:\s*(\S+)", line)
            if found:
                date = found.group(1)
            if not line.strip() or line.startswith("#"):
                continue
            found = re.match(r"([0-9a-fA-F]{4})\s+(.+)$", line)
            if found:
                vendor = vendors.setdefault(int(found.group(1), 16), [found.group(2).strip(), {}])
                continue
            found = re.match(r"\t([0-9a-fA-F]{4})\s+(.+)$", line)
            if found and vendor is not None:
                vendor[1][int(found.group(1), 16)] = found.group(2).strip()
                continue
            if not line.startswith("\t"):
                vendor = None  # the lists of classes and languages that follow
    return vendors, date


class Text:
    def __init__(self):
        self.at, self.parts, self.size = {}, [], 0

    def add(self, name):
        if name not in self.at:
            data = name.encode("utf-8")[:155].decode("utf-8", "ignore").encode("utf-8") + b"\0"
            self.at[name] = self.size
            self.parts.append(data)
            self.size += len(data)
        return self.at[name]


def numbers(f, values):
    for i in range(0, len(values), 16):
        f.write("    " + " ".join(f"{v}," for v in values[i : i + 16]) + "\n")


def main():
    bus, source, output = sys.argv[1:]
    vendors, date = read(source)
    if not vendors:
        sys.exit(f"{source}: no vendors found")
    text, rows, ids, names = Text(), [], [], []
    for vendor in sorted(vendors):
        name, devices = vendors[vendor]
        rows.append((vendor, len(devices), len(ids), text.add(name)))
        for device in sorted(devices):
            ids.append(device)
            names.append(text.add(devices[device]))
    with open(output, "w", encoding="ascii") as f:
        f.write(f'/* Made from {bus}.ids by scripts/ids.py. */\n#include "codec/id_table.h"\n\n')
        f.write("static const struct id_vendor vendors[] = {\n")
        f.writelines(f"    {{{v}, {n}, {first}, {at}}},\n" for v, n, first, at in rows)
        f.write("};\nstatic const uint16_t ids[] = {\n")
        numbers(f, ids or [0])
        f.write("};\nstatic const uint32_t names[] = {\n")
        numbers(f, names or [0])
        f.write("};\nstatic const char text[] = {\n")
        # A character constant is right whether char is signed (x86) or not (Arm).
        numbers(f, [b if b < 128 else f"'\\x{b:02x}'" for b in b"".join(text.parts)])
        f.write(f'}};\nconst struct id_table {bus}_ids_table = {{{len(rows)}, vendors, ids, names, text, "{date}",\n')
        f.write("    {sizeof vendors, sizeof ids, sizeof names, sizeof text}};\n")


if __name__ == "__main__":
    main()
