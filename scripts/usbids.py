#!/usr/bin/env python3
"""Turns usb.ids into C: sorted vendors, their products, one text with every distinct name once.

usage: usbids.py USB_IDS OUTPUT.c
"""
import re
import sys


def read(path):
    vendors, date, vendor = {}, "unknown", None
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            found = re.match(r"# Date:\s*(\S+)", line)
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
    vendors, date = read(sys.argv[1])
    if not vendors:
        sys.exit(f"{sys.argv[1]}: no vendors found")
    text, rows, pids, names = Text(), [], [], []
    for vid in sorted(vendors):
        name, products = vendors[vid]
        rows.append((vid, len(products), len(pids), text.add(name)))
        for pid in sorted(products):
            pids.append(pid)
            names.append(text.add(products[pid]))
    with open(sys.argv[2], "w", encoding="ascii") as f:
        f.write('/* Made from usb.ids by scripts/usbids.py. */\n#include "codec/usb_names_table.h"\n\n')
        f.write(f"const uint32_t usb_names_nvendors = {len(rows)};\n")
        f.write("const struct usb_names_vendor usb_names_vendors[] = {\n")
        f.writelines(f"    {{{v}, {n}, {first}, {at}}},\n" for v, n, first, at in rows)
        f.write("};\nconst uint16_t usb_names_pids[] = {\n")
        numbers(f, pids or [0])
        f.write("};\nconst uint32_t usb_names_products[] = {\n")
        numbers(f, names or [0])
        f.write("};\nconst char usb_names_text[] = {\n")
        # A character constant is right whether char is signed (x86) or not (Arm).
        numbers(f, [b if b < 128 else f"'\\x{b:02x}'" for b in b"".join(text.parts)])
        f.write(f'}};\nconst char usb_names_date[] = "{date}";\n')
        f.write("const size_t usb_names_sizes[] = {sizeof usb_names_vendors, sizeof usb_names_pids, sizeof usb_names_products, sizeof usb_names_text};\n")


if __name__ == "__main__":
    main()
