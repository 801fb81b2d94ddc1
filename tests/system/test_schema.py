"""What is written of keys in several places is the same: the tables of the program, docs/vhotplug.schema.json, docs/config.md, the manual;
and of options, the completion. The schema is held against the program by each configuration of tests/conf."""
import json
import os
import re

from tap import check, contains, equal, run, test
from validator import Draft7Validator
from world import World

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Errors that one value cannot tell, and warnings where the schema is stricter.
BEYOND = {"api-client-guest-of-none", "api-client-twice", "api-host-name", "api-port-too-large", "evdev-deny-unknown-property",
          "evdev-property-misspelt", "entry-pattern-back-reference",
          "entry-pattern-open", "json-key-twice", "pci-any-without-ids", "vm-cid-twice", "vm-name-twice"}
STRICTER = {"key-resembles-nothing"}

# Of the schema's definitions, the program's table of keys.
TABLES = {"entry": "entry", "class_match": "class", "rule": "rule", "pci_entry": "pci_entry", "pci_rule": "pci_rule", "vm": "vm", "client": "client", "limits": "limit", "api": "api", "general": "general",
          "evdev_object": "evdev", "evdev_rule": "evdev_rule", "evdev_entry": "evdev_entry", "acpi_rule": "acpi_rule", "acpi_entry": "acpi_entry",
          "connector": "connector", "authorization": "authorization"}


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def schema():
    return json.loads(read("docs", "vhotplug.schema.json"))


def tables():
    """The program's keys: of each object those that are read, and of "later" those that are accepted for later."""
    text = read("src", "config", "conf_keys.c")
    found = {name: set(re.findall(r'= "([^"]+)"', body))
             for name, body in re.findall(r"static const char \*const (\w+)_keys\[\] = \{(.*?)\};", text, re.S)}
    later = {}
    for name, key in re.findall(r'\{OBJ_(\w+), "(\w+)", "[^"]+"\},', text[text.index("} later_only[] = {"):text.index("} aliases[] = {")]):
        later.setdefault(name.lower(), set()).add(key)
    return found, later


def configurations_in(text):
    """Objects in a document that are configurations, with the line of each."""
    for m in re.finditer(r"^[ \t]*\{", text, re.M):
        try:
            value, _ = json.JSONDecoder().raw_decode(text[m.end() - 1:])
        except ValueError:
            continue
        if {"usbPassthrough", "general"} & set(value):
            yield text.count("\n", 0, m.start()) + 1, value


def invalid(conf):
    return [f"{e.json_path}: {e.message[:200]}" for e in Draft7Validator(schema()).iter_errors(conf)]


@test
def the_schema_is_one_and_takes_what_is_shipped(w):
    Draft7Validator.check_schema(schema())
    shipped = json.loads(read("rootfs-overlay", "etc", "vhotplug.conf"))
    equal(invalid(shipped), [])
    shown = 0
    for name in ["README.md", *(os.path.join("docs", n) for n in sorted(os.listdir(os.path.join(TOP, "docs"))) if n.endswith((".md", ".5")))]:
        for line, conf in configurations_in(read(name)):
            equal(invalid(conf), [], f"{name}:{line}")
            shown += 1
    check(shown >= 3, f"only {shown} configurations in the documents")


@test
def the_schema_agrees_with_the_program(w):
    here = os.path.join(TOP, "tests", "conf")
    for name in sorted(os.listdir(os.path.join(here, "good"))):
        equal(invalid(json.loads(read("tests", "conf", "good", name))), [], name)
    refused = set()
    for name in sorted(n[:-5] for n in os.listdir(os.path.join(here, "broken")) if n.endswith(".conf")):
        try:
            conf = json.loads(read("tests", "conf", "broken", f"{name}.conf"))
        except ValueError:
            continue
        error = ": error: " in read("tests", "conf", "broken", f"{name}.out")
        if name in BEYOND | STRICTER:
            equal(bool(invalid(conf)), name in STRICTER, name)
        else:
            equal(bool(invalid(conf)), error, f"{name}: {invalid(conf)}")
        if invalid(conf):
            refused.add(name)
    check(len(refused) > 30, str(refused))


@test
def every_key_is_in_the_schema_and_no_other(w):
    found, later = tables()
    definitions = schema()["definitions"]
    equal(set(TABLES.values()) | {"root"}, set(found))
    for definition, table in TABLES.items():
        equal(set(definitions[definition]["properties"]), found[table] | later.get(table, set()), definition)
    equal(set(schema()["properties"]), found["root"] | later.get("root", set()))
    used = read("tests", "conf", "good", "every-key.conf")
    for key in set().union(*found.values()) - {"allowedCids", "pcieBusPrefix", "rules"}:  # do not count beside clients, or are of another form
        contains(used, f'"{key}":')


@test
def every_key_is_in_the_documents_and_no_other(w):
    found, later = tables()
    known = set().union(*found.values(), *later.values())
    document, manual = read("docs", "config.md"), read("docs", "vhotplug.conf.5")
    listed = set()
    for head, body in re.findall(r"^\| key \|.*\n\|[ -|]*\n((?:\|.*\n)+)()", document, re.M):
        for row in head.splitlines():
            listed.update(re.findall(r"`([^`]+)`", row.split("|")[1]))
        equal(body, "")
    equal(listed ^ known, set(), "keys in the first column of the tables of docs/config.md")
    items = set()
    words = set()
    for line in manual.splitlines():
        if line.startswith((".It Cm", ".Cm ")):
            tokens = set(line.split()[1:]) - {"Cm", ",", ".", "Pq", ":"}
            words |= tokens
            items |= tokens if line.startswith(".It") else set()
    equal(items - known, set(), "items of vhotplug.conf.5 that are no keys")
    equal(known - words - {"$schema"}, set(), "keys that vhotplug.conf.5 does not name")


@test
def every_option_is_in_the_completion_and_no_other(w):
    """test_manuals.py holds manuals and help to them."""
    completion = read("scripts", "completion.bash")
    at = completion.index("\n_vhotplug() {")
    main, client = read("src", "main.c"), read("src", "cli", "cli_options.c")
    of_main = set(re.findall(r'\{"([a-z-]+)", (?:no|required|optional)_argument,', main))
    of_client = set(re.findall(r'\{"([a-z-]+)", (?:OPT_|\')', client))
    for options, part in ((of_main, completion[at:]), (of_client, completion[:at])):
        check(len(options) > 10, str(options))
        equal(set(re.findall(r"--([a-z][a-z-]+)", part)) ^ options, set(), "options and completion differ")


run(World)
