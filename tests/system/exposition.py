"""A strict reader of Prometheus' text format 0.0.4, with the rules on names that `promtool check metrics` holds."""
import re

TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{NAME}="(?:[^"\\\n]|\\[\\"n])*",?)*)\}})? (\+Inf|-Inf|NaN|-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)')
LABEL = re.compile(rf'({NAME})="((?:[^"\\\n]|\\[\\"n])*)",?')
PARTS = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("", "_sum", "_count")}
OTHER_UNITS = ("milliseconds", "ms", "us", "ns", "minutes", "hours", "percent", "kilobytes", "kb", "kib", "mb", "mib")


class Wrong(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Wrong(text)


class Metric:
    def __init__(self, name):
        self.name, self.help, self.type, self.samples = name, None, None, {}


def unescape(value):
    return re.sub(r'\\([\\"n])', lambda m: "\n" if m[1] == "n" else m[1], value)


def read(text):
    """The metrics by name; samples by name and labels."""
    metrics, current = {}, None
    demand(text.endswith("\n"), "the last line has no end")
    for line in text.split("\n")[:-1]:
        head = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if head:
            kind, name, rest = head.groups()
            if current is None or current.name != name:
                demand(name not in metrics, f"{name} is declared twice, or its lines do not stand together")
                current = metrics[name] = Metric(name)
            demand(not current.samples, f"{name}: samples before {kind}")
            demand(getattr(current, kind.lower()) is None, f"{name}: {kind} twice")
            demand(kind == "HELP" or rest in TYPES, f"{name}: no such type: {rest}")
            setattr(current, kind.lower(), rest)
            continue
        sample = SAMPLE.fullmatch(line)
        demand(sample, f"no sample: {line!r}")
        demand(current is not None and sample[1] in [current.name + part for part in PARTS.get(current.type, ("",))],
               f"{sample[1]} is not of the metric that is declared above it")
        labels = {name: unescape(value) for name, value in LABEL.findall(sample[2] or "")}
        key = (sample[1], tuple(sorted(labels.items())))
        demand(key not in current.samples, f"twice: {line}")
        current.samples[key] = float(sample[3])
    for metric in metrics.values():
        judge(metric)
    return metrics


def judge(m):
    demand(m.help and m.type and m.samples, f"{m.name}: HELP {m.help!r}, TYPE {m.type!r}, {len(m.samples)} samples")
    demand((m.type == "counter") == m.name.endswith("_total"), f"{m.name}: counters alone, and all of them, end with _total")
    demand(m.type == "histogram" or not m.name.endswith(("_bucket", "_count", "_sum")), f"{m.name}: an end that histograms have")
    demand(m.name == m.name.lower(), f"{m.name}: not in snake_case")
    words = m.name.split("_")
    demand(not set(words) & set(OTHER_UNITS), f"{m.name}: units are seconds and bytes")
    demand(not set(words) & {"counter", "gauge", "histogram"}, f"{m.name}: its type in its name")
    demand(m.type not in ("counter", "histogram") or min(m.samples.values()) >= 0, f"{m.name}: below 0")
    if m.type == "histogram":
        judge_histogram(m)


def judge_histogram(m):
    buckets = [(dict(labels)["le"], value) for (name, labels), value in m.samples.items() if name.endswith("_bucket")]
    bounds = [float(le) for le, _ in buckets]
    demand(bounds == sorted(set(bounds)) and bounds[-1] == float("inf"), f"{m.name}: bounds {bounds}")
    demand([v for _, v in buckets] == sorted(v for _, v in buckets), f"{m.name}: buckets that shrink")
    demand(buckets[-1][1] == m.samples[(m.name + "_count", ())], f"{m.name}: its count is not that of its last bucket")
    demand((m.name + "_sum", ()) in m.samples, f"{m.name}: no sum")
