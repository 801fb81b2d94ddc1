#!/usr/bin/env python3
"""prove.py - runs the proofs of proofs.py by cbmc, then each once more with every fault that is planted for it.

usage: prove.py [-j JOBS] [--proofs | --faults | --texts] [PROOF...]    PROOF: the beginning of a name: "access",
"access/may"

A proof passes if cbmc finds every claim true, and every loop unwound to its end, within the time. A planted fault passes
if cbmc then finds a claim false: a proof that passes all the same proves nothing about it. Prints TAP, with the seconds
of each. --texts proves nothing, and needs no cbmc: is each text that a proof replaces in the sources, once? Silent if so.
The programs come from PROVE_BIN (scripts/fetch-cbmc.sh), the flags of the compiler from PROVE_CPPFLAGS.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

from proofs import PROOFS

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = "build/prove"
LIMIT = 600 # seconds for one run of cbmc; the longest took 387 on a machine with a load of 30
# What cbmc checks beside the claims; bounds, pointers, signed overflow, division by zero and shifts are on by default.
CHECKS = ["--unwinding-assertions", "--pointer-overflow-check", "--drop-unused-functions", "--object-bits", "10"]


class Failed(Exception):
    """The run says nothing about the proof: a tool failed, or a text to be replaced is not there."""


def program(name):
    return [os.path.join(os.environ.get("PROVE_BIN", "build/download/cbmc/bin"), name)]


def run(command, log, limit=LIMIT):
    """Status and output, also in the log. What is still running after the limit is ended, with its children."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True) as p:
        try:
            out, _ = p.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.communicate()
            raise Failed(f"no result within {limit} s") from None
    text = out.decode(errors="replace")
    with open(log, "a", encoding="utf-8") as f:
        f.write(f"$ {shlex.join(command)}\n{text}\n")
    return p.returncode, text


def replaced(source, old, new):
    """The source with one text in the place of another one, which must be there exactly once."""
    if source.count(old) != 1:
        raise Failed(f"{old!r} is there {source.count(old)} times, not once")
    return source.replace(old, new)


def write_copies(edits, where):
    """Copies of the sources that differ in this run: smaller sizes, the fault, contracts of loops behind their heads."""
    texts = {}
    for path, old, new in edits:
        if path not in texts:
            with open(f"src/{path}", encoding="utf-8") as f:
                texts[path] = f.read()
        texts[path] = replaced(texts[path], old, new)
    for path, text in texts.items():
        os.makedirs(os.path.dirname(f"{where}/src/{path}"), exist_ok=True)
        with open(f"{where}/src/{path}", "w", encoding="utf-8") as f:
            f.write(text)


def check_texts(proofs):
    """Names each text that is not there once: a source has changed without its proof."""
    bad = 0
    for proof in proofs:
        for path, old, new in [*proof.get("loops", ()), *proof.get("smaller", ()), *proof["faults"]]:
            try:
                with open(f"src/{path}", encoding="utf-8") as f:
                    replaced(f.read(), old, new)
            except (OSError, Failed) as e:
                bad += 1
                print(f"tests/prove/proofs.py: {proof['name']}: src/{path}: {e}", file=sys.stderr)
    return bad


def build(proof, where, log):
    harness, function = proof["name"].split("/")
    goto = f"{where}/proof.gb"
    # Copies come first, before the flags' own src.
    command = program("goto-cc") + ["-D__CPROVER", "-iquote", f"{where}/src"]
    command += shlex.split(os.environ["PROVE_CPPFLAGS"]) + ["-iquote", HERE]
    if proof.get("small"):
        command += ["-include", f"{HERE}/small.h"]
    sources = [f"{HERE}/prove_{harness}.c", f"{HERE}/assert.c"] + [f"{HERE}/{f}" for f in proof.get("with", ())]
    status, text = run(command + ["--function", f"prove_{function}", "-o", goto] + sources, log)
    if status != 0:
        raise Failed("goto-cc: " + text.strip()[-300:])
    steps = [["--replace-calls", f"{old}:{new}"] for old, new in proof.get("replace", {}).items()]
    if "loops" in proof:
        steps.append(["--dfcc", f"prove_{function}", "--apply-loop-contracts"])
    for step in steps:
        status, text = run(program("goto-instrument") + step + [goto, goto], log)
        if status != 0:
            raise Failed("goto-instrument: " + text.strip()[-300:])
    return goto


def prove(proof, fault, where):
    """True: every claim holds. False: one does not; its name."""
    shutil.rmtree(where, ignore_errors=True)
    os.makedirs(where)
    log = f"{where}/log"
    edits = [(path, head, f"{head}\n{clauses}\n") for path, head, clauses in proof.get("loops", ())]
    edits += list(proof.get("smaller", ())) + ([] if fault is None else [fault])
    write_copies(edits, where)
    command = program("cbmc") + [build(proof, where, log)] + CHECKS + ["--unwind", str(proof.get("unwind", 2))]
    if "unwindset" in proof:
        command += ["--unwindset", ",".join(f"{k}:{v}" for k, v in proof["unwindset"].items())]
    if fault is not None:
        command.append("--stop-on-fail")
    status, text = run(command + list(proof.get("flags", ())), log)
    if status == 0 and "VERIFICATION SUCCESSFUL" in text and "no body for" not in text:
        return True, ""
    if status == 10 and "VERIFICATION FAILED" in text:
        broken = re.search(r"^\[.*(FAILURE)$", text, re.M) or re.search(r"^Violated property:\n.*\n(.*)$", text, re.M)
        if fault is None or "no body for callee" not in broken.group():
            return False, re.sub(r"\s+", " ", broken.group()) if broken else text[-200:]
    raise Failed("cbmc: " + text.strip()[-300:])


def one(work):
    """A proof (fault None), or a proof with a planted fault: passed, a line, the reason, seconds."""
    proof, number = work
    fault = None if number is None else proof["faults"][number]
    name = proof["name"] if fault is None else f"{proof['name']} with a planted fault: {fault[1].strip()!r} is {fault[2].strip()!r}"
    where = f"{WORK}/{proof['name']}/{'proof' if number is None else f'fault{number}'}"
    begun = time.monotonic()
    try:
        holds, why = prove(proof, fault, where)
        passed = holds if fault is None else not holds
        if fault is not None and not passed:
            why = "the proof holds with the fault as well"
    except Failed as e:
        passed, why = False, str(e)
    return passed, name, why, time.monotonic() - begun


def main():
    parser = argparse.ArgumentParser(description="runs the bounded proofs, and each with its planted faults")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--proofs", action="store_true", help="without planted faults")
    only.add_argument("--faults", action="store_true", help="planted faults alone")
    only.add_argument("--texts", action="store_true", help="whether the texts that proofs replace are there")
    parser.add_argument("names", nargs="*", metavar="PROOF", help="the beginning of a name, such as access")
    args = parser.parse_args()
    chosen = [p for p in PROOFS if not args.names or any(p["name"].startswith(n) for n in args.names)]
    if not chosen:
        sys.exit(f"prove: no proof is called {' '.join(args.names)}")
    if args.texts:
        sys.exit(1 if check_texts(chosen) else 0)
    work = [] if args.faults else [(p, None) for p in chosen]
    work += [] if args.proofs else [(p, i) for p in chosen for i in range(len(p["faults"]))]
    os.nice(10)
    print(f"1..{len(work)}", flush=True)
    begun, bad = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for i, (passed, name, why, seconds) in enumerate(pool.map(one, work), 1):
            bad += not passed
            print(f"{'ok' if passed else 'not ok'} {i} - {name} # {seconds:.0f} s", flush=True)
            if why:
                print(f"# {why}", flush=True)
    print(f"# {len(work) - bad} passed, {bad} failed, {time.monotonic() - begun:.0f} s", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
