"""What bench.py found, for people: a table, docs/performance.md and its plots, and a comparison with figures of before.

usage: report.py table|docs|board|compare|baseline|complete FILE.json

table: prints; docs: fills the marked parts of docs/performance.md and draws docs/performance.svg; board: fills those about the emulated
board; baseline: keeps the ratios in tests/bench/baseline.json; compare: names each ratio that has fallen by more than a fifth since, exit
1 if there is one; complete: is every figure there? exit 1 if not.
"""
import json
import math
import os
import sys
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT, PLOTS = os.path.join(TOP, "docs/performance.md"), os.path.join(TOP, "docs/performance.svg")
BASELINE, BEFORE = os.path.join(HERE, "baseline.json"), os.path.join(HERE, "before.json")
FALL = 0.8
COLOURS = ["#1f5fa8", "#c0392b", "#2e8b57"]


def read(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def measured(f):
    """The figure itself, in words."""
    if "times" in f:
        return f"{number(f['times'])} times: p50 {number(f['p50_us'])} us (bare {number(f['bare_p50_us'])}), p99 {number(f['p99_us'])} us (bare {number(f['bare_p99_us'])})"
    if "jsmn_ns_per_byte" in f:
        return f"{number(f['ns_per_byte'])} ns a byte; jsmn alone {number(f['jsmn_ns_per_byte'])}, memcpy {number(f['memcpy_ns_per_byte'])}"
    if "bare_ms" in f:
        return f"{number(1 / f['ratio'])} times: {number(f['ms'])} ms (bare {number(f['bare_ms'])} ms)"
    if "ratio" in f:
        return f"{number(f['ratio'])}" + (f"; of processor time {number(f['cpu_ratio'])}; {number(f['per_second'])} a second" if "per_second" in f else "")
    return f"{number(f['value'])} {f.get('unit', '')}".rstrip()


def verdict(f):
    return "" if not f["reach"] else "yes" if f.get("reached") else "no"


def old(figure):
    if figure is None:
        return ""
    if "times" in figure:
        return f"{number(figure['times'])} times"
    if "ms" in figure:
        return f"{number(1 / figure['ratio'])} times"
    if "ratio" in figure:
        return number(figure["ratio"]) + (f"; {number(figure['cpu_ratio'])}" if "cpu_ratio" in figure else "")
    return number(figure["value"]) if "value" in figure else ""


def table(result):
    print()
    for f in result["figures"].values():
        print(f"{f['title'][:72]:72}  {measured(f):60}  {f['reach'] + ': ' + verdict(f) if f['reach'] else ''}")
    print(f"{result['seconds']:.0f} s; load {result['load']:.1f} on {result['cores']} cores")


# ---- the document ----


def figures_of(result):
    before = read(BEFORE)["figures"] if os.path.exists(BEFORE) else {}
    lines = ["| figure | measured | reach | reached | before |", "| --- | --- | --- | --- | --- |"]
    for name, f in result["figures"].items():
        lines.append(f"| {f['title']} | {measured(f)} | {f['reach']} | {verdict(f)} | {old(before.get(name))} |")
    return lines


def account_of(result):
    lines = ["| call | of what | us, stopped by strace |", "| --- | --- | --- |"]
    return lines + [f"| {call} | `{text or '-'}` | {number(us)} |" for call, text, us in result["tables"]["account"]]


def tables_of(result):
    return ["| table | KiB |", "| --- | --- |"] + [f"| `{name}` | {number(size / 1024)} |" for name, size in result["tables"]["tables"]]


def run_of(result):
    text = (f"Made by `make bench bench-report` on {result['date']}: {len(result['figures'])} figures in {result['seconds']:.0f} s, "
            f"on {result['cores']} cores that others used as well (load {result['load']:.1f} at the end).")
    return textwrap.wrap(text, 120)


def fill(text, name, lines):
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    return before + begin + "\n" + "\n".join(lines) + "\n" + end + rest.split(end)[1]


# ---- plots ----


def panel(curve, left, top, width, height):
    """One plot: x by doublings, y from 0."""
    points = [p for series in curve["series"].values() for p in series]
    most = max(p[1] for p in points) * 1.05
    low, high = math.log2(min(p[0] for p in points)), math.log2(max(p[0] for p in points))

    def at(p):
        return left + 50 + (math.log2(p[0]) - low) / max(high - low, 1e-9) * (width - 70), top + height - 36 - p[1] / most * (height - 74)

    out = [f'<text x="{left + 4}" y="{top + 14}" font-weight="bold">{curve["title"]}</text>',
           f'<path d="M{left + 50} {top + 38}V{top + height - 36}H{left + width - 20}" fill="none" stroke="#888"/>',
           f'<text x="{left + width - 20}" y="{top + height - 4}" text-anchor="end">{curve["x"]}</text>']
    for part in (0.5, 1):
        x, y = left + 46, at([min(p[0] for p in points), most * part])[1]
        out.append(f'<text x="{x}" y="{y + 4:.0f}" text-anchor="end">{number(most * part)}</text>')
    out.append(f'<text x="{left + 50}" y="{top + 32}">{curve["unit"]}</text>')
    for x in sorted({p[0] for p in points}):
        out.append(f'<text x="{at([x, 0])[0]:.0f}" y="{top + height - 20}" text-anchor="middle">{x}</text>')
    for k, (name, series) in enumerate(curve["series"].items()):
        colour, ordered = COLOURS[k % len(COLOURS)], sorted(series)
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, ordered)) + '"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in map(at, ordered)]
        out.append(f'<text x="{left + width - 24}" y="{top + 32 + 13 * k}" text-anchor="end" fill="{colour}">{name}</text>')
    return out


def draw(result):
    width, height, columns = 420, 230, 2
    curves = list(result["curves"].values())
    rows = (len(curves) + columns - 1) // columns
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * columns}" height="{height * rows}" font-family="sans-serif" font-size="11">',
           '<rect width="100%" height="100%" fill="#fff"/>']
    for k, curve in enumerate(curves):
        out += panel(curve, k % columns * width, k // columns * height, width, height)
    return "\n".join(out) + "\n</svg>\n"


def docs(result):
    if result["quick"]:
        raise SystemExit("a quick run has no figures worth printing")
    with open(DOCUMENT, encoding="utf-8") as f:
        text = f.read()
    for name, lines in (("run", run_of(result)), ("figures", figures_of(result)), ("account", account_of(result)), ("tables", tables_of(result))):
        text = fill(text, name, lines)
    with open(DOCUMENT, "w", encoding="utf-8") as f:
        f.write(text)
    with open(PLOTS, "w", encoding="utf-8") as f:
        f.write(draw(result))


# ---- the emulated board ----


def span_of(middle, least, most):
    return f"{number(middle)} ({number(least)} to {number(most)})"


def handover_of(rows):
    lines = ["| | vhotplug, ms | bare program, ms | times | of each |", "| --- | --- | --- | --- | --- |"]
    for name, f in rows:
        lines.append(f"| {name} | {span_of(f['ms'], f['least'], f['most'])} | {span_of(f['bare_ms'], f['bare_least'], f['bare_most'])} | "
                     f"{number(f['ratio'])} | {f['plugs']} |")
    return lines


def board(result):
    h = result["handover"]
    with open(DOCUMENT, encoding="utf-8") as f:
        text = f.read()
    run = (f"Made by `make bench-board ONLY=handover` and `make bench-board-report` on {h['date']}: Linux {h['linux']}, QEMU {h['qemu']}, "
           f"emulated (TCG) on {h['cores']} cores with a load of {h['load'][0]:.0f} at the begin and {h['load'][1]:.0f} at the end.")
    text = fill(text, "board run", textwrap.wrap(run, 120))
    text = fill(text, "handover", handover_of(h["plugs"].items()))
    text = fill(text, "at once", handover_of((f"{n} at once", f) for n, f in h["curve"].items()))
    with open(DOCUMENT, "w", encoding="utf-8") as f:
        f.write(text)


# ---- then and now ----


def ratios(result):
    return {name: f["ratio"] for name, f in result["figures"].items() if "ratio" in f}


def baseline(result):
    with open(BASELINE, "w", encoding="utf-8") as f:
        json.dump({"date": result["date"], "ratios": {k: round(v, 4) for k, v in ratios(result).items()}}, f, indent=1)
        f.write("\n")


def compare(result):
    then, now = read(BASELINE)["ratios"], ratios(result)
    fallen = 0
    for name, value in then.items():
        if name not in now:
            print(f"{name}: not measured")
            continue
        low = now[name] < FALL * value
        fallen += low
        print(f"{name:24} {value:8.3f} -> {now[name]:8.3f}  {'FALLEN' if low else ''}")
    print(f"{fallen} of {len(then)} ratios have fallen by more than a fifth")
    sys.exit(1 if fallen else 0)


def complete(result):
    expected = read(BASELINE)["ratios"]
    missing = [n for n in expected if n not in result["figures"]]
    missing += [n for n in ("regex_growth", "core_look", "wakeups", "resident", "proportional", "binary", "calls") if n not in result["figures"]]
    missing += [n for n in ("plug_devices", "core_rules", "lists_clients", "moves_vms") if not result["curves"].get(n)]
    words = "not ok 1 - missing: " + ", ".join(missing) if missing else f"ok 1 - all {len(result['figures'])} figures are there"
    print(words)
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    {"table": table, "docs": docs, "board": board, "compare": compare, "baseline": baseline, "complete": complete}[sys.argv[1]](read(sys.argv[2]))
