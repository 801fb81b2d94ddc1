"""The actions of the API, as the table in the source has them."""
import os
import re

from world import TOP

VERBS = {"LISTS": ("list",), "MOVES": ("attach", "detach", "suspend", "resume")}  # the macros that make them of a kind


def actions():
    """In the order of the table."""
    with open(os.path.join(TOP, "src/api/api_request.c"), encoding="utf-8") as f:
        text = f.read()
    for macro, verbs in VERBS.items():
        made = re.search(rf"#define {macro}\(.*?(?<!\\)\n", text, re.S)[0]
        if tuple(re.findall(r'name "_(\w+)"', made)) != verbs:
            raise ValueError(f"{macro} makes other actions than {verbs}: {made}")
    table = re.search(r"\} requests\[\] = \{\n(.*?)\n\};", text, re.S)[1]
    found = []
    for name, macro, kind in re.findall(r'^    (?:\{"(\w+)", REQ_\w+, KIND_\w+\}|([A-Z]+)\(KIND_\w+, "(\w+)"\)),$', table, re.M):
        found += [name] if name else [f"{kind}_{verb}" for verb in VERBS[macro]]
    if len(re.findall(r"^    \S", table, re.M)) != len(re.findall(r"^    [{A-Z].*,$", table, re.M)):
        raise ValueError("a row of the table has another form")
    return found
