#!/usr/bin/env python3
"""Footprint of a built binary: code and data of each module, the deepest stack, and the memory that it can come to need.

Sections come from the linker's map, so what the linker left out does not count. The stack bound walks the call graph of the
linked program, as disassembled: frames of our own functions as the compiler tells them (-fstack-usage), of libusb and libc by
what their code takes. A call through a pointer goes, for the bound, to every function of the program whose address is taken
anywhere and that the caller's file can name by its family's table (POINTERS); where no such list is known the function with
the deepest frame below it would make the bound meaningless, so the call is counted and named instead. Calls in circles are
named, too. So the figure is a bound under these readings, no proof; what was really used is beside it in docs/boards.md.

usage: size.py [--nm NM] [--objdump OBJDUMP] BUILD_DIR
"""
import argparse
import glob
import os
import re
import subprocess
import sys
from collections import defaultdict

sys.setrecursionlimit(10000)
# Which functions a call through a pointer may reach, by regular expressions over the caller's name and the callees'.
POINTERS = [
    (r"^conf_", r"^(print_diag|log_diag)$"),
    (r"^(server|client|accept|read_client|listener)", r"^on_(request|line|client|close|open)"),
    (r"^link_|^(advance|finish|receive|begin_op)", r"^(qemu_|on_op|link_)"),
    (r"^(usb_|look|bus_)", r"^(on_fact|emit|usb_)"),
    (r"^loop_", r"^(usb_|qemu_|conf_load_again|scratch_give_back)"),
    (r"^(qsort|sift|smoothsort|trinkle)", r"(compare|^by_|_order$)"),
    (r"^(vsnprintf|vfprintf|printf_core|fmt_fp|out|pad|__fwritex|fflush|fputs|fputc|__overflow|__stdio|__towrite)",
     r"^(sn_write|__stdio_write|__stdout_write|__stdio_close|__stdio_seek)$"),
    (r"^(libusb_|usbi_|op_|do_|linux_|handle_|wrap_)", r"^(op_|linux_)"),
]


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


# ---- sections ----


def module_of(path):
    member = re.search(r"([\w.+-]+)\.a\((\S+)\)$", path)
    if member:
        return {"libusb-1.0": "libusb", "libc": "musl", "libgcc": "libgcc"}.get(member.group(1), member.group(1))
    name = os.path.basename(path)[:-2] if path.endswith(".o") else os.path.basename(path)
    return "start files" if re.match(r"r?crt|S?crt", name) else name


def sections(path):
    """module -> {text, data, bss} in bytes."""
    sizes = defaultdict(lambda: defaultdict(int))
    kind = {"text": "text", "rodata": "text", "init": "text", "fini": "text", "eh_frame": "text", "data": "data", "data.rel.ro": "data",
            "init_array": "data", "fini_array": "data", "bss": "bss", "COMMON": "bss", "tbss": "bss", "tdata": "data"}
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read().split("Linker script and memory map", 1)[-1]
    for name, address, size, where in re.findall(r"^ (\.?[\w.$-]+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+) (\S+)$", text, re.M):
        name = name.lstrip(".")
        sort = next((kind[k] for k in sorted(kind, key=len, reverse=True) if name == k or name.startswith(k + ".")), None)
        if sort and int(address, 16) and int(size, 16):
            sizes[module_of(where)][sort] += int(size, 16)
    return sizes


# ---- the stack ----


def told_frames(directory):
    """name -> bytes, by the compiler; of functions with one name the largest."""
    frames = {}
    for path in glob.glob(os.path.join(directory, "obj/**/*.su"), recursive=True):
        with open(path, encoding="utf-8") as f:
            for line in f:
                where, size, _ = line.rstrip("\n").split("\t")
                name = where.rsplit(":", 1)[1]
                frames[name] = max(frames.get(name, 0), int(size))
    return frames


class Function:
    def __init__(self, name):
        self.name, self.frame, self.calls, self.pointers = name, 0, set(), 0


def hexa(text):
    return int(text, 16)


def frame_x86(line, f):
    if re.search(r"\tpush\b", line):
        f.frame += 8
    taken = re.search(r"\tsub +\$0x([0-9a-f]+),%rsp", line)
    probe = re.search(r"\tlea +-0x([0-9a-f]+)\(%rsp\),%r11", line)  # the loop of -fstack-clash-protection
    if probe:
        f.frame += hexa(probe.group(1))
        f.probed = True
    elif taken and not (getattr(f, "probed", False) and taken.group(1) == "1000"):
        f.frame += hexa(taken.group(1))


def frame_arm(line, f):
    store = re.search(r"\tst[pr]\t.*\[sp, #-(\d+)\]!", line)
    taken = re.search(r"\tsub\t(?:sp, sp|x1[0-9], sp), #0x([0-9a-f]+)(, lsl #12)?", line)
    if store:
        f.frame += int(store.group(1))
    elif taken:
        f.frame += hexa(taken.group(1)) << (12 if taken.group(2) else 0)


def call_graph(objdump, binary):
    functions, at = {}, None
    for line in run(objdump, "-d", "--no-show-raw-insn", binary).splitlines():
        head = re.match(r"^([0-9a-f]+) <(.+)>:$", line)
        if head:
            at = functions.setdefault(hexa(head.group(1)), Function(head.group(2)))
            continue
        if at is None or "\t" not in line:
            continue
        target = re.search(r"\t(?:call|jmp|bl|b)\s+([0-9a-f]+) <([^+>]+)>", line)
        if target:
            at.calls.add(hexa(target.group(1)))
        elif re.search(r"\t(?:call +\*|blr\t|br\tx)", line):
            at.pointers += 1
        frame_x86(line, at)
        frame_arm(line, at)
    for address, f in functions.items():
        f.calls.discard(address)
        f.calls &= functions.keys()
    return functions


def deepest(functions, frames, machine):
    unresolved, circles, memo = set(), set(), {}
    word = 8 if machine == "x86" else 0  # the return address; on Arm it is part of the frame
    names = defaultdict(list)
    for address, f in functions.items():
        names[f.name].append(address)
        base = re.sub(r"\.(constprop|isra|part|cold)(\.\d+)*$", "", f.name)
        f.frame = max(frames.get(base, 0), frames.get(f.name, 0)) or f.frame

    def reached(f):
        if not f.pointers:
            return set()
        for caller, callees in POINTERS:
            if re.search(caller, f.name):
                found = {a for a, g in functions.items() if re.search(callees, g.name)}
                if found:
                    return found
        unresolved.add(f.name)
        return set()

    def walk(address, path):
        if address in memo:
            return memo[address]
        if address in path:
            circles.add(functions[address].name)
            return 0, ()
        f = functions[address]
        below, chain = 0, ()
        for callee in f.calls | reached(f):
            depth, names_below = walk(callee, path | {address})
            if depth > below:
                below, chain = depth, names_below
        result = (f.frame + word + below, (f.name,) + chain)
        memo[address] = result
        return result

    depth, chain = walk(names["main"][0], frozenset())
    # What is reached by pointers that were not resolved may be deeper than what main reaches otherwise.
    rest = max((walk(a, frozenset()) for a in list(functions)), key=lambda r: r[0])
    return depth, chain, rest, unresolved, circles


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--objdump", default="objdump")
    parser.add_argument("directory")
    a = parser.parse_args()
    full = os.path.join(a.directory, "vhotplug.full")
    sizes = sections(full + ".map")
    print(f"{'module':20} {'text':>9} {'data':>9} {'bss':>9}")
    total = defaultdict(int)
    for name in sorted(sizes, key=lambda n: -sum(sizes[n].values())):
        print(f"{name:20} " + " ".join(f"{sizes[name][k]:9}" for k in ("text", "data", "bss")))
        for k, v in sizes[name].items():
            total[k] += v
    print(f"{'all':20} " + " ".join(f"{total[k]:9}" for k in ("text", "data", "bss")))
    print(f"file, stripped: {os.path.getsize(os.path.join(a.directory, 'vhotplug'))} bytes")
    static = total["data"] + total["bss"]

    frames = told_frames(a.directory)
    functions = call_graph(a.objdump, full)
    machine = "x86" if "x86-64" in run(a.objdump, "-f", full) else "arm"
    depth, chain, rest, unresolved, circles = deepest(functions, frames, machine)
    print(f"\nstack: {max(depth, rest[0])} bytes at most, under the readings in scripts/size.py")
    print(f"  from main by known calls: {depth}: {' > '.join(chain)}")
    if rest[0] > depth:
        print(f"  the deepest that a pointer could reach: {rest[0]}: {' > '.join(rest[1])}")
    print(f"  frames: {len(frames)} told by the compiler, {len(functions) - len(frames)} read from the code")
    print(f"  calls through pointers without a list of targets, in: {', '.join(sorted(unresolved)) or 'none'}")
    print(f"  calls in circles, counted once: {', '.join(sorted(circles)) or 'none'}")
    print(f"\nmemory: {static} bytes of static data at most, whatever happens; with the stack bound {static + max(depth, rest[0])}.")
    print("  Pages never touched are never resident: make bench prints what is.")


main()
