#!/usr/bin/env python3
"""Holds the Buildroot tree and the Yocto layer to their projects' conventions, as far as that goes without Buildroot and bitbake.

The rules are our reading of Buildroot's manual and of what its utils/check-package looks for, and of the Yocto manuals; they are
no proof that either build works. Prints TAP. With a kernel configuration (an unpacked Debian kernel of `make image`) every
option that the fragments name must exist in it.

usage: check-packages.py
"""
import glob
import hashlib
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILDROOT = "board/buildroot"
LAYER = "board/yocto/meta-vhotplug"
SYSV = "rootfs-overlay/etc/init.d/S25vhotplug"
failures = number = 0
problems = []


def say(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def exists(path):
    return os.path.exists(os.path.join(TOP, path))


def files(pattern):
    found = sorted(glob.glob(os.path.join(TOP, pattern), recursive=True))
    return [os.path.relpath(p, TOP) for p in found if os.path.isfile(p)]


def test(function):
    global failures, number
    problems.clear()
    function()
    number += 1
    failures += bool(problems)
    for problem in problems:
        print("# " + problem)
    print(f"{'not ok' if problems else 'ok'} {number} - packages: {function.__name__.replace('_', ' ')}")


# ---- both ----


def text_files_are_tidy():
    for path in files(BUILDROOT + "/**") + files(LAYER + "/**") + [SYSV]:
        text = read(path)
        if not text.endswith("\n") or text.endswith("\n\n"):
            say(path, 0, "ends with exactly one newline")
        if not text.isascii():
            say(path, 0, "is ASCII")
        for n, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                say(path, n, "trailing blanks")
        if "\n\n\n" in text:
            say(path, 0, "consecutive empty lines")


def version():
    return re.search(r"^VERSION := (\S+)$", read("Makefile"), re.M).group(1)


def they_name_this_version_and_this_license():
    text = read("LICENSE").encode()
    mk = read(BUILDROOT + "/package/vhotplug/vhotplug.mk")
    if f"VHOTPLUG_VERSION = {version()}\n" not in mk:
        say("vhotplug.mk", 0, f"VHOTPLUG_VERSION is the Makefile's {version()}")
    if hashlib.sha256(text).hexdigest() + "  LICENSE" not in read(BUILDROOT + "/package/vhotplug/vhotplug.hash"):
        say("vhotplug.hash", 0, "sha256 of LICENSE")
    for recipe in ("vhotplug", "vhotplug-initramfs-init"):
        path = f"{LAYER}/recipes-core/vhotplug/{recipe}_{version()}.bb"
        if not exists(path):
            say(path, 0, "the recipe's version is the Makefile's")
        elif f'"file://LICENSE;md5={hashlib.md5(text).hexdigest()}"' not in read(path):
            say(path, 0, "LIC_FILES_CHKSUM is the md5 of LICENSE")


def files_that_they_install_exist():
    for path in files(BUILDROOT + "/**") + files(LAYER + "/**"):
        text = read(path)
        for name in re.findall(r"(?:\$\(@D\)|\$\{S\})/([\w./-]+)", text):
            if not exists(name) and name != "jsmn.h":
                say(path, 0, f"{name} is not in the source")
        for name in re.findall(r"\$\(BR2_EXTERNAL_VHOTPLUG_PATH\)/(board/[\w./-]+)", text):
            if not exists(f"{BUILDROOT}/{name}"):
                say(path, 0, f"{name} is not in the tree")
    makefile = "".join(read(p) for p in ["Makefile"] + files("*/*.mk"))
    for target in ("install", "install-config"):
        if not re.search(rf"^{target}:", makefile, re.M):
            say("Makefile", 0, f"no target {target}")


def kernel_options_are_known_and_agree():
    fragment = re.findall(r"^(CONFIG_\w+)=", read(BUILDROOT + "/board/common/linux.fragment"), re.M)
    cfg = re.findall(r"^(CONFIG_\w+)=", read(LAYER + "/recipes-kernel/linux/files/vhotplug.cfg"), re.M)
    fixups = re.findall(r"KCONFIG_ENABLE_OPT,(CONFIG_\w+)\)", read(BUILDROOT + "/package/vhotplug/vhotplug.mk"))
    guide = read("docs/boards.md") if exists("docs/boards.md") else ""
    if sorted(fragment) != sorted(cfg):
        say("linux.fragment", 0, f"differs from vhotplug.cfg: {sorted(set(fragment) ^ set(cfg))}")
    for option in ("CONFIG_VSOCKETS", "CONFIG_VHOST_VSOCK", "CONFIG_USB"):
        if option not in fixups:
            say("vhotplug.mk", 0, f"no fix-up for {option}")
    for option in set(fragment) | set(fixups):
        if option not in guide:
            say("docs/boards.md", 0, f"no reason for {option}")
    for config in files("build/board/**/boot/config-*"):
        known = set(re.findall(r"^(?:# )?(CONFIG_\w+)(?:=| is not set)", read(config), re.M))
        for option in sorted((set(fragment) | set(fixups)) - known):
            if not (option.endswith("_PCI") or option == "CONFIG_PCI"):
                say(config, 0, f"{option} is no option of this kernel")


# ---- Buildroot ----


def buildroot_external_tree():
    desc = dict(line.split(": ", 1) for line in read(BUILDROOT + "/external.desc").splitlines())
    if not re.fullmatch(r"[A-Za-z0-9_]+", desc.get("name", "")) or not desc.get("desc"):
        say("external.desc", 1, "name: [A-Za-z0-9_]+ and desc")
    if f"$(BR2_EXTERNAL_{desc['name']}_PATH)/package/*/*.mk" not in read(BUILDROOT + "/external.mk"):
        say("external.mk", 1, "includes the packages")
    for package in files(BUILDROOT + "/package/*/Config.in"):
        if f'source "$BR2_EXTERNAL_{desc["name"]}_PATH/{os.path.relpath(package, BUILDROOT)}"' not in read(BUILDROOT + "/Config.in"):
            say("Config.in", 1, f"sources {package}")


def buildroot_config_in():
    order = {"bool": 1, "string": 1, "prompt": 1, "default": 2, "depends": 3, "select": 4, "help": 5}
    entries = ("choice", "comment", "config", "endchoice", "endif", "endmenu", "if", "menu", "menuconfig", "source")
    for path in files(BUILDROOT + "/**/Config.in"):
        state, in_help, continued = 0, False, False
        for n, line in enumerate(read(path).splitlines(), 1):
            if continued:
                if not line.startswith("\t\t"):
                    say(path, n, "a continuation is indented with tabs")
                continued = line.endswith("\\")
                continue
            continued = line.endswith("\\")
            word = line.split()[0] if line.split() else ""
            if not word or word.startswith("#"):
                continue
            if word in entries and not line.startswith((" ", "\t")):
                state, in_help = 0, False
            elif in_help:
                if not re.fullmatch(r"\t  .{1,62}", line):
                    say(path, n, "help text: a tab, two spaces, at most 62 characters")
            elif word in order:
                if not line.startswith("\t" + word):
                    say(path, n, "indented with one tab")
                if order[word] < state:
                    say(path, n, "order: type, default, depends on, select, help")
                state, in_help = order[word], word == "help"
                if line.strip() == "default n":
                    say(path, n, "'default n' is redundant")
            else:
                say(path, n, f"'{word}' is not understood here")


def buildroot_mk():
    for path in files(BUILDROOT + "/package/*/*.mk"):
        name = os.path.basename(path)[:-3]
        prefix = name.upper().replace("-", "_") + "_"
        lines = read(path).split("\n")
        if lines[:6] != ["#" * 80, "#", "# " + name, "#", "#" * 80, ""]:
            say(path, 1, "header: 80 hashes, hash, hash and name, hash, 80 hashes, an empty line")
        define = backslash = conditional = False
        for n, line in enumerate(lines, 1):
            tab = line.startswith("\t")
            directive = re.match(r"\s*(ifdef|ifeq|ifndef|ifneq|else|endif)\b", line) and not backslash
            if line.startswith("define "):
                define = True
            elif line.startswith("endef"):
                define = False
            elif line and not line.startswith("#") and not directive and (define or backslash) != tab:
                say(path, n, "tabs in a define and after a backslash, and nowhere else")
            conditional = conditional or bool(directive)
            if re.search(r"(  |\t ?)\\$", line):
                say(path, n, "one space before a backslash")
            if backslash and not line.strip():
                say(path, n, "nothing follows the backslash")
            backslash = line.endswith("\\") and not line.startswith("#")
            if re.search(r"[^$]\$\{\w+\}", line):
                say(path, n, "$() and not ${}")
            variable = re.match(r"(?:define\s+)?([A-Z0-9_]+_[A-Z0-9_]+)\s*(?:[+:]?=|$)", line)
            if variable and not variable.group(1).startswith(prefix):
                say(path, n, f"{variable.group(1)} does not begin with {prefix}")
            if re.match(rf"{prefix}SOURCE\s*=\s*{name}-\$\({prefix}VERSION\)\.tar\.gz", line):
                say(path, n, "this is the default")
            if re.search(r"_INSTALL_(STAGING|IMAGES)\s*=\s*NO|_INSTALL_TARGET\s*=\s*YES", line):
                say(path, n, "this is the default")
        text = "\n".join(lines)
        if "$(eval $(" not in text or not text.rstrip().endswith("))"):
            say(path, n, "ends with $(eval $(...-package))")
        for needed in ("LICENSE", "LICENSE_FILES"):
            if f"\n{prefix}{needed} = " not in text:
                say(path, 0, f"no {prefix}{needed}")
        config = read(os.path.join(os.path.dirname(path), "Config.in"))
        selected = {s.lower().replace("_", "-") for s in re.findall(r"select BR2_PACKAGE_(\w+)", config)}
        depends = re.search(rf"^{prefix}DEPENDENCIES = (.*)$", text, re.M).group(1).split()
        if depends != sorted(depends):
            say(path, 0, "dependencies in alphabetical order")
        if selected - set(depends):
            say(path, 0, f"selected and no dependency: {selected - set(depends)}")


def buildroot_hash():
    for path in files(BUILDROOT + "/package/*/*.hash"):
        for n, line in enumerate(read(path).splitlines(), 1):
            if line and not line.startswith("#") and not re.fullmatch(r"sha256  [0-9a-f]{64}  \S+", line):
                say(path, n, "three fields, two spaces between: sha256, 64 digits, name")


def buildroot_defconfigs():
    common = None
    for path in files(BUILDROOT + "/configs/*_defconfig"):
        options = dict(re.findall(r"^(BR2_\w+)=(.*)$", read(path), re.M))
        for needed in ("BR2_PACKAGE_VHOTPLUG", "BR2_TOOLCHAIN_BUILDROOT_MUSL", "BR2_LINUX_KERNEL"):
            if options.get(needed) != "y":
                say(path, 0, f"{needed}=y")
        if not {"BR2_STATIC_LIBS", "BR2_SHARED_STATIC_LIBS"} & options.keys():
            say(path, 0, "static libraries")
        packages = {k: v for k, v in options.items() if "PACKAGE" in k}
        common = common or packages
        if packages != common:
            say(path, 0, "the boards' packages differ")
        for n, line in enumerate(read(path).splitlines(), 1):
            if line and not re.match(r"BR2_\w+=|#", line):
                say(path, n, "BR2_NAME=value")


def the_init_script_is_buildroots_style():
    text = read(SYSV)
    name = re.search(r'^DAEMON="(\w+)"$', text, re.M)
    if not name or not re.fullmatch(rf"S\d\d{name.group(1)}", os.path.basename(SYSV)):
        say(SYSV, 0, "DAEMON without a path, and the file named S<two digits><DAEMON>")
    if '\nPIDFILE="/var/run/$DAEMON.pid"\n' not in text:
        say(SYSV, 0, 'PIDFILE="/var/run/$DAEMON.pid"')
    for n, line in enumerate(text.splitlines(), 1):
        if re.match(r"\t* ", line):
            say(SYSV, n, "indented with tabs")
    for word in ("start", "stop", "restart", "reload"):
        if not re.search(rf"^{word}\(\) \{{$", text, re.M):
            say(SYSV, 0, f"no function {word}")


# ---- Yocto ----


def yocto_layer_conf():
    path = LAYER + "/conf/layer.conf"
    text = read(path)
    collection = re.search(r'^BBFILE_COLLECTIONS \+= "(\w+)"$', text, re.M).group(1)
    for variable in ("BBFILE_PATTERN", "BBFILE_PRIORITY", "LAYERDEPENDS", "LAYERSERIES_COMPAT"):
        if not re.search(rf"^{variable}_{collection} = \"\S", text, re.M):
            say(path, 0, f"no {variable}_{collection}")
    globs = re.findall(r"\$\{LAYERDIR\}/(recipes-\S+?\.bb(?:append)?)\b", text)
    matched = {f for g in globs for f in files(f"{LAYER}/{g}")}
    for recipe in files(LAYER + "/**/*.bb") + files(LAYER + "/**/*.bbappend"):
        if recipe not in matched:
            say(path, 0, f"BBFILES does not match {recipe}")


def yocto_recipes():
    for path in files(LAYER + "/**/*.bb") + files(LAYER + "/**/*.bbappend"):
        text = read(path)
        for n, line in enumerate(text.split("\n"), 1):
            if re.match(r"\w+_(append|prepend|remove|\$\{PN\})\b", line) or re.match(r"\w+_(append|prepend|remove)\s*[=(]", line):
                say(path, n, "overrides are written with a colon")
            if line.startswith("\t"):
                say(path, n, "indented with spaces")
        if text.count('"') % 2:
            say(path, 0, "an odd number of quotes")
        if path.endswith(".bbappend"):
            continue
        image_or_group = re.search(r"^inherit .*(image|packagegroup)", text, re.M)
        for needed in ["SUMMARY"] + ([] if image_or_group else ["LICENSE", "LIC_FILES_CHKSUM", "SRC_URI"]):
            if not re.search(rf"^{needed} = \"", text, re.M):
                say(path, 0, f"no {needed}")
        if "LIC_FILES_CHKSUM" in text and not re.search(r"file://\w+;md5=[0-9a-f]{32}\"", text):
            say(path, 0, "LIC_FILES_CHKSUM has an md5")
        if len(os.path.relpath(path, LAYER).split("/")) != 3:
            say(path, 0, "recipes-GROUP/NAME/FILE")
    main = read(f"{LAYER}/recipes-core/vhotplug/vhotplug_{version()}.bb")
    for word in ("pkgconfig", "systemd", "update-rc.d", "jsmn", "libusb1"):
        if not re.search(rf"^(inherit|DEPENDS = ).*\b{re.escape(word)}\b", main, re.M):
            say("vhotplug.bb", 0, f"inherits or depends on {word}")


def yocto_kernel_feature():
    directory = LAYER + "/recipes-kernel/linux"
    append = read(directory + "/linux-yocto_%.bbappend")
    for name in re.findall(r"file://(\S+?)[\s\"]", append):
        if not exists(f"{directory}/files/{name}"):
            say(directory, 0, f"no {name}")
    scc = read(directory + "/files/vhotplug.scc")
    for line in scc.splitlines():
        if line and not re.match(r'define KFEATURE_\w+ |kconf (hardware|non-hardware) \w+\.cfg$', line):
            say("vhotplug.scc", 0, line)


def main():
    for function in (text_files_are_tidy, they_name_this_version_and_this_license, files_that_they_install_exist,
                     kernel_options_are_known_and_agree, buildroot_external_tree, buildroot_config_in, buildroot_mk, buildroot_hash,
                     buildroot_defconfigs, the_init_script_is_buildroots_style, yocto_layer_conf, yocto_recipes, yocto_kernel_feature):
        test(function)
    print(f"1..{number}")
    sys.exit(1 if failures else 0)


main()
