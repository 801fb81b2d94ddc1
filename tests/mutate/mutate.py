#!/usr/bin/env python3
"""mutate.py - changes the pure files at random, one change at a time, and asks whether a test fails.

usage: mutate.py [-s SEED] [-n COUNT] [-j JOBS] [--all] [FILE...]

Judges, in this order: does it compile; is the code at -O2 the same as before (then it is no change); do the unit
programs that link the file fail, under sanitizers; does the simulation (2 seeds of 50,000 facts). A program that fails
is asked twice, so that a busy machine kills nothing. What nobody sees has survived. tests/mutate/equivalent.json names
changes that make no difference, each with the reason: those do not count.

Ends with 1 if fewer than 97 % are seen, or one in a file of EXACT is not. The commands to build come from make (see
tests/tests.mk), by the environment.
"""
import argparse
import json
import multiprocessing
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import places

AIM = 97 # percent
EXACT = ("config/access.c", "config/policy.c", "codec/usb_desc.c", "bus/device_order.c", "daemon/disk_order.c",
         "os/opener_order.c", "vmm/connector_order.c")
WEIGHT = {"NEG": 20, "DROP": 20, "BOUND": 14, "REL": 6, "RET": 9, "DEL": 20, "SWAP": 4, "CONST": 17, "STR": 4}
SIM = ("sim", "world", "account")
SIM_ARGS = ["-s", "1", "-n", "2", "-f", "50000"]
SIM_LIMIT = 120
HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("MUTATE_BUILD", "build/test")
WORK = f"{BUILD}/mutate"


def flags(name):
    return shlex.split(os.environ[name])


def compile_with(cc, source, out):
    return subprocess.run(cc + ["-w", "-c", "-o", out, source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)


def run(argv, limit):
    """Its exit status (None: stopped at the limit of seconds) and output. Ends what it started, too."""
    with open(f"{WORK}/out.{os.getpid()}", "w+b") as out:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                             start_new_session=True)
        try:
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
        out.seek(0)
        return status, out.read(200000).decode("latin-1")


def failure(status, out):
    """Why a unit program failed, or None."""
    bad = re.search(r"^not ok.*", out, re.M)
    if bad:
        return bad.group()
    if status != 0:
        return f"status {status}"
    plan = re.search(r"^1\.\.(\d+)", out, re.M)
    if not plan or int(plan.group(1)) != len(re.findall(r"^ok", out, re.M)):
        return "planned and run differ"
    return None


# ---- once: objects of the programs, what each links, how long it takes ----

def members(program):
    """The objects that a program was linked with: link-members.sh has added them to its dependencies."""
    with open(f"{BUILD}/unit/{program}.d", encoding="utf-8") as f:
        return set(re.findall(rf"^{BUILD}/unit/{program}: {BUILD}/unit/obj/(\S+)\.o$", f.read(), re.M))


def prepare_one(program):
    obj = f"{WORK}/{program}.o"
    r = compile_with(flags("MUTATE_CC") + ["-iquote", "tests/unit"], f"tests/unit/{program}.c", obj)
    if r.returncode != 0:
        sys.exit(r.stdout.decode())
    begun = time.monotonic()
    why = failure(*run([f"{BUILD}/unit/{program}"], 300))
    return program, time.monotonic() - begun, why


def prepare(jobs, wanted, only_sim):
    """Of the programs that link one of the wanted members; of none if the simulation alone is asked."""
    programs = sorted(f[:-2] for f in os.listdir("tests/unit") if re.fullmatch(r"test_\w+\.c", f))
    programs = [p for p in programs if not only_sim and members(p) & wanted]
    shutil.rmtree(WORK, ignore_errors=True)
    os.makedirs(WORK)
    print(f"# {len(programs)} unit programs are built and run without a change", flush=True)
    base = {"seconds": {}, "members": {}, "sim": []}
    with multiprocessing.Pool(jobs) as pool:
        for program, seconds, why in pool.imap_unordered(prepare_one, programs):
            if why is not None:
                print(f"# {program} fails without a change ({why}): it judges nothing", flush=True)
                continue
            base["seconds"][program] = seconds
            base["members"][program] = sorted(members(program))
    for name in SIM:
        r = compile_with(flags("MUTATE_SIM_CC") + ["-iquote", "tests/unit"], f"tests/sim/{name}.c", f"{WORK}/{name}.o")
        if r.returncode != 0:
            sys.exit(r.stdout.decode())
    names = subprocess.run(["nm", f"{BUILD}/sim/sim"], stdout=subprocess.PIPE, check=True).stdout.decode()
    linked = set(re.findall(r" [TDBR] (\w+)", names))
    for root, _, files in os.walk(f"{BUILD}/sim/obj"):
        for f in files:
            if f.endswith(".o"):
                out = subprocess.run(["nm", "-g", "--defined-only", f"{root}/{f}"], stdout=subprocess.PIPE, check=True)
                if set(re.findall(r" [TDBR] (\w+)", out.stdout.decode())) & linked:
                    base["sim"].append(os.path.relpath(f"{root}/{f}", f"{BUILD}/sim/obj")[:-2])
    return base


# ---- one change ----

def judges_of(member, base):
    """Programs that link the file: its own first, then those of its family, the quick ones before the slow."""
    stem = member.split("/")[-1]
    family = stem.split("_")[0]

    def rank(program):
        near = 0 if program == f"test_{stem}" else 1 if program.startswith(f"test_{stem}") else \
            2 if program.startswith(f"test_{family}") else 3
        return near, base["seconds"][program]
    return sorted((p for p, m in base["members"].items() if member in m), key=rank)


def changed(m, where):
    with open(m["file"], encoding="latin-1") as f:
        text = f.read()
    assert text[m["a"]:m["b"]] == m["old"]
    path = f"{where}/{os.path.basename(m['file'])}"
    with open(path, "w", encoding="latin-1") as f:
        f.write(text[:m["a"]] + m["new"] + text[m["b"]:])
    return path


def same_code(m, source, where):
    original = changed(dict(m, new=m["old"]), f"{where}/original")
    plain = flags("MUTATE_SIM_CC") + ["-g0"]
    outs = []
    for path, out in ((original, f"{where}/original.o"), (source, f"{where}/changed.o")):
        compile_with(plain, path, out)
        with open(out, "rb") as f:
            outs.append(f.read())
    return outs[0] == outs[1]


def units(member, obj, where, base):
    cc, link = flags("MUTATE_CC"), flags("MUTATE_LINK")
    faulty = flags("MUTATE_FAULTY")
    for program in judges_of(member, base):
        exe = f"{where}/{program}"
        wrap = flags("MUTATE_WRAP") if program in faulty else []
        r = subprocess.run(cc + wrap + ["-o", exe, f"{WORK}/{program}.o", obj, f"{BUILD}/unit/libvhotplug.a"] + link,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if r.returncode != 0:
            return f"{program} cannot be linked: {r.stdout.decode()[:300]}"
        limit = 20 + 10 * base["seconds"][program]
        why = failure(*run([exe], limit))
        if why is not None and failure(*run([exe], limit)) is not None:
            return f"{program}: {why}"
        os.unlink(exe)
    return None


def simulation(source, where):
    cc, link = flags("MUTATE_SIM_CC"), flags("MUTATE_LINK")
    obj, exe = f"{where}/sim_changed.o", f"{where}/sim"
    compile_with(cc, source, obj)
    own = [f"{WORK}/{name}.o" for name in SIM]
    r = subprocess.run(cc + ["-o", exe] + own + [obj, f"{BUILD}/sim/libvhotplug.a"] + link,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if r.returncode != 0:
        return f"sim cannot be linked: {r.stdout.decode()[:300]}"
    status, out = run([exe] + SIM_ARGS, SIM_LIMIT)
    found = re.search(r"^seed \d+ event.*", out, re.M)
    if status == 0:
        return None
    return f"sim: {found.group() if found else f'status {status}'}"[:200]


def judge(work):
    """The change with its verdict: "stillborn", "same code", "units", "simulation" or "survived"."""
    m, base, only_sim = work
    where = f"{WORK}/{os.getpid()}"
    os.makedirs(f"{where}/original", exist_ok=True)
    member = m["file"][len("src/"):-len(".c")]
    m = dict(m, why="")
    source = changed(m, where)
    obj = f"{where}/changed_san.o"
    if compile_with(flags("MUTATE_CC"), source, obj).returncode != 0:
        return dict(m, verdict="stillborn")
    if same_code(m, source, where):
        return dict(m, verdict="same code")
    if not only_sim:
        why = units(member, obj, where, base)
        if why is not None:
            return dict(m, verdict="units", why=why)
    if member in base["sim"]:
        why = simulation(source, where)
        if why is not None:
            return dict(m, verdict="simulation", why=why)
    return dict(m, verdict="survived")


# ---- which, and what came of it ----

def choose(rng, every, count):
    """Kinds by weight, within a kind evenly."""
    by = {}
    for m in every:
        by.setdefault(m["op"], []).append(m)
    for v in by.values():
        rng.shuffle(v)
    out = []
    while by and len(out) < count:
        kinds = sorted(by)
        kind = rng.choices(kinds, [WEIGHT[k] for k in kinds])[0]
        out.append(by[kind].pop())
        if not by[kind]:
            del by[kind]
    return out


def chosen(args):
    every = {f: places.File(flags("MUTATE_CLANG"), f).mutants() for f in args.files}
    if args.all:
        return [m for f in args.files for m in every[f]]
    total = sum(len(v) for v in every.values())
    out = []
    for f in args.files:
        want = max(4, round(args.count * len(every[f]) / total))
        out += choose(random.Random(f"{args.seed}/{f}"), every[f], want)
    return out


def equivalents():
    with open(f"{HERE}/equivalent.json", encoding="utf-8") as f:
        return {(e["file"], e["line"], e["old"], e["new"]) for e in json.load(f)}


def source_line(m):
    with open(m["file"], encoding="latin-1") as f:
        return f.read().split("\n")[m["line"] - 1].strip()


def key(m):
    return m["file"], source_line(m), m["old"], m["new"].rstrip("\n")


def report(results):
    known = equivalents()
    rows, survivors = {}, []
    for m in results:
        row = rows.setdefault(m["file"], {"no change": 0, "units": 0, "simulation": 0, "survived": 0})
        v = m["verdict"]
        if v in ("stillborn", "same code") or (v == "survived" and key(m) in known):
            v = "no change"
        row[v] += 1
        if v == "survived":
            survivors.append(m)
    print(f"{'file':34} {'no change':>9} {'units':>6} {'sim':>4} {'survived':>8}")
    for f, row in sorted(rows.items()):
        print(f"{f:34} {row['no change']:9} {row['units']:6} {row['simulation']:4} {row['survived']:8}")
    for m in survivors:
        print(f"survived: {m['file']}:{m['line']} {m['op']} ({m['what']}): {m['old']!r} -> {m['new'].rstrip()!r}")
        print(f"    {source_line(m)}")
    seen = sum(r["units"] + r["simulation"] for r in rows.values())
    all_ = seen + len(survivors)
    percent = 100 * seen / all_ if all_ else 100
    print(f"{seen} of {all_} changes are seen: {percent:.1f} % (aim: {AIM} %)")
    exact = [m for m in survivors if m["file"][len("src/"):] in EXACT]
    if exact:
        print(f"{len(exact)} of them in files where each must be")
    return percent >= AIM and not exact


def main():
    parser = argparse.ArgumentParser(description="changes the pure files at random and asks whether a test fails")
    parser.add_argument("-s", "--seed", default="1", help="which sample (default: 1)")
    parser.add_argument("-n", "--count", type=int, default=150, help="how many changes, about (default: 150)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--all", action="store_true", help="every change of the files named")
    parser.add_argument("--sim", action="store_true", help="ask the simulation alone")
    parser.add_argument("files", nargs="+", metavar="FILE", help="such as src/config/access.c")
    args = parser.parse_args()
    os.nice(10)
    changes = chosen(args)
    base = prepare(args.jobs, {m["file"][len("src/"):-len(".c")] for m in changes}, args.sim)
    work = [(m, base, args.sim) for m in changes]
    print(f"# {len(work)} changes", flush=True)
    results = []
    with multiprocessing.Pool(args.jobs) as pool:
        for m in pool.imap_unordered(judge, work):
            results.append(m)
            print(f"# {len(results)}/{len(work)} {m['file']}:{m['line']} {m['op']} {m['verdict']} {m['why'][:90]}",
                  flush=True)
    results.sort(key=lambda m: (m["file"], m["a"], m["new"]))
    with open(f"{WORK}/results.json", "w", encoding="utf-8") as f:
        json.dump(results, f, indent=1)
    sys.exit(0 if report(results) else 1)


if __name__ == "__main__":
    main()
