"""Manuals and pages against the program: options, keys of the configuration, actions of the API, exit statuses, what is printed."""
import glob
import os
import re
import subprocess

from actions import actions
from tap import check, equal, run, scaled, test
from world import BINARY, CLIENT, TOP, World



def text_of(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def printed(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=scaled(20), check=True).stdout


def long_options(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", text))


def manual_options(path):
    """Long options of a manual: "Fl -name", several of them with commas between."""
    found = set()
    for words in re.findall(r"\bFl ((?:[^\n|]*?))(?=\n| Ar | Cm | Xc| \|| Op |$)", text_of(path)):
        found |= set(re.findall(r"(?:^|[ ,])-([a-z][a-z-]+)", words))
    return found


@test
def each_option_is_in_the_manual_and_in_the_help(_):
    options = long_options(printed(BINARY, "--help"))
    check({"attach-connected", "check", "strict", "no-sandbox"} <= options, str(options))
    equal(manual_options("docs/vhotplug.8") - {"help"}, options - {"help"})


@test
def each_option_of_the_client_is_in_its_manual(_):
    text = printed(CLIENT, "--help")
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?: \[?DEVICE\]?)? +\S", text, re.M)
    options = long_options(text).union(*(long_options(printed(CLIENT, *command.split(), "--help")) for command in commands))
    check({"transport", "vm", "json", "by", "tree"} <= options, str(options))
    equal(options - manual_options("docs/vhotplugcli.1"), set())


@test
def each_key_of_the_configuration_is_explained(_):
    tables = re.findall(r"static const char \*const \w+_keys\[\] = \{(.*?)\};", text_of("src/config/conf_keys.c"), re.S)
    keys = {key for table in tables for key in re.findall(r'= "([^"]+)"', table)}
    check({"usbPassthrough", "uid", "limits", "lineSeconds", "allowedCids"} <= keys, str(keys))
    page, manual = text_of("docs/config.md"), text_of("docs/vhotplug.conf.5")
    equal([key for key in sorted(keys) if f"`{key}`" not in page], [])
    equal([key for key in sorted(keys - {"$schema"}) if not re.search(rf"^\.(It )?Cm .*\b{key}\b|^\.Cm \b{key}\b", manual, re.M)], [])


@test
def each_action_and_event_is_in_the_page_of_the_api(_):
    check({"usb_list", "usb_attach", "stats", "explain"} <= set(actions()), str(actions()))
    page = text_of("docs/api.md")
    equal([action for action in sorted(actions()) if action not in page], [])


@test
def the_exit_statuses_of_the_client_are_those_of_its_manual(_):
    statuses = {int(n) for n in re.findall(r"^    CLI_\w+ = (\d+)", text_of("src/cli/cli_show.h"), re.M)}
    section = text_of("docs/vhotplugcli.1").split(".Sh EXIT STATUS")[1].split("\n.Sh ")[0]
    equal(statuses, {int(n) for n in re.findall(r"^\.It (?:Cm )?(\d)", section, re.M)})


@test
def files_of_the_manual_are_those_of_the_program(_):
    """Paths that are compiled in, and /dev/vhotplug.lock; but for the entry that keeps a directory of devices in place."""
    paths = {path for source in glob.glob(os.path.join(TOP, "src/*/*.[ch]")) for path in
             re.findall(r'"(/(?:etc|dev|run|var)/[\w./]*vhotplug[\w./]*)"', re.sub(r"/\*.*?\*/", "", text_of(source), flags=re.S))}
    check("/run/vhotplug.record" in paths, str(paths))
    manual = text_of("docs/vhotplug.8")
    equal([path for path in sorted(paths) if path not in manual and not path.endswith("/.vhotplug")], [])


run(World)
