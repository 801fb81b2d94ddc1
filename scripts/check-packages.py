#!/usr/bin/env python3
"""Holds the Buildroot tree and the Yocto layer to their projects' conventions, as far as that goes without Buildroot and bitbake.

The rules are our reading of Buildroot's manual and of what its utils/check-package looks for, of the Yocto manuals, and every
fault that real builds have shown; they are no proof that either build works (docs/boards.md says what was run). Prints TAP. With
a kernel configuration (an unpacked Debian kernel of `make image`) every option that the fragments name must exist in it.
tests/scripts/test_packages.py plants each fault.

usage: check-packages.py [TREE]
"""
import glob
import hashlib
import os
import re
import sys

TOP = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILDROOT = "board/buildroot"
LAYER = "board/yocto/meta-vhotplug"
SYSV = "rootfs-overlay/etc/init.d/S25vhotplug"
INIT = "board/common/init"
MK = BUILDROOT + "/package/vhotplug/vhotplug.mk"
# Yocto's releases that the layer is for.
SERIES = {"scarthgap", "wrynose"}
# What the daemon cannot run without, of the options in docs/boards.md.
REQUIRED = {"NET", "UNIX", "INOTIFY_USER", "DEVTMPFS", "SYSFS", "PROC_FS", "USB_SUPPORT", "USB"}
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


def recipe():
    return f"{LAYER}/recipes-core/vhotplug/vhotplug_{version()}.bb"


def they_name_this_version_and_this_license():
    text = read("LICENSE").encode()
    mk = read(MK)
    if f"VHOTPLUG_VERSION = {version()}\n" not in mk:
        say("vhotplug.mk", 0, f"VHOTPLUG_VERSION is the Makefile's {version()}")
    if hashlib.sha256(text).hexdigest() + "  LICENSE" not in read(BUILDROOT + "/package/vhotplug/vhotplug.hash"):
        say("vhotplug.hash", 0, "sha256 of LICENSE")
    if not exists(recipe()):
        say(recipe(), 0, "the recipe's version is the Makefile's")
    elif f'"file://LICENSE;md5={hashlib.md5(text).hexdigest()}"' not in read(recipe()):
        say(recipe(), 0, "LIC_FILES_CHKSUM is the md5 of LICENSE")


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


def options(text):
    return re.findall(r"^(CONFIG_\w+)=", text, re.M)


def kernel_options_are_known_and_agree():
    fragment = options(read(BUILDROOT + "/board/common/linux.fragment"))
    cfg = [o for path in files(LAYER + "/recipes-kernel/linux/files/*.cfg") for o in options(read(path))]
    fixups = re.findall(r"KCONFIG_ENABLE_OPT,(CONFIG_\w+)\)", read(MK))
    guide = read("docs/boards.md") if exists("docs/boards.md") else ""
    if sorted(fragment) != sorted(cfg):
        say("linux.fragment", 0, f"differs from the layer's .cfg files: {sorted(set(fragment) ^ set(cfg))}")
    if set(fixups) != {"CONFIG_" + o for o in REQUIRED}:
        say("vhotplug.mk", 0, "fix-ups are the options that are required, no others: " +
            f"{sorted(set(fixups) ^ {'CONFIG_' + o for o in REQUIRED})}")
    for option in ("CONFIG_KVM_INTEL", "CONFIG_KVM_AMD"):
        if "CONFIG_KVM" in fragment and option not in fragment:
            say("linux.fragment", 0, f"{option}: without it x86 has no /dev/kvm")
    for option in set(fragment) | set(fixups):
        if option not in guide:
            say("docs/boards.md", 0, f"no reason for {option}")
    for config in files("build/board/**/boot/config-*"):
        known = set(re.findall(r"^(?:# )?(CONFIG_\w+)(?:=| is not set)", read(config), re.M))
        for option in sorted((set(fragment) | set(fixups)) - known):
            if not option.endswith("_PCI") and option not in ("CONFIG_PCI", "CONFIG_KVM_INTEL", "CONFIG_KVM_AMD"):
                say(config, 0, f"{option} is no option of this kernel")


def the_makefile_takes_their_toolchains():
    text = read("Makefile")
    for flags in ("CFLAGS", "LDFLAGS"):
        if f"override {flags} := $(filter-out -static,$({flags}))" not in text:
            say("Makefile", 0, f"-static is taken out of {flags}: it beats -static-pie")
    if "ifeq ($(PIE),auto)" not in text:
        say("Makefile", 0, "no PIE=auto: their static libraries may not be position-independent")
    for path in files("*.su"):
        say(path, 0, "written by a probe of -fstack-usage")


def the_initramfs_needs_nothing_prepared():
    """An archive made of packages has no mount points, and its busybox no init."""
    text = read(INIT)
    for directory in ("/proc", "/sys", "/dev", "/run", "/mnt"):
        made, used = re.search(rf"^mkdir -p .*{directory}\b", text, re.M), re.search(rf"^mount .*{directory}\b", text, re.M)
        if not made or made.start() > used.start():
            say(INIT, 0, f"{directory} is made before it is mounted on")
    for line in re.findall(r"^.*(?<!switch_root /mnt )exec /sbin/init.*$", text, re.M):
        if "-x /sbin/init" not in line:
            say(INIT, 0, "/sbin/init may not exist: " + line.strip())


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
        # Options of a package that is selected as well are no packages.
        packages = {s for s in selected if not any(s.startswith(o + "-") for o in selected)}
        depends += [d for more in re.findall(rf"^{prefix}DEPENDENCIES \+= (.*)$", text, re.M) for d in more.split()]
        if packages - set(depends):
            say(path, 0, f"selected and no dependency: {packages - set(depends)}")


def buildroot_package_as_real_builds_want_it():
    mk, config = read(MK), read(os.path.dirname(MK) + "/Config.in")
    opts = re.search(r"^VHOTPLUG_MAKE_OPTS = \\\n((?:\t.*\n)+)", mk, re.M).group(1)
    for wanted, why in (("PIE=auto", "their static libraries may not be position-independent"),
                        ("STRIP=$(TARGET_CROSS)strip", "TARGET_STRIP may be /bin/true, which makes no file"),
                        ("STRIP_INSTALLED=no", "Buildroot strips, or does not, as the user has chosen")):
        if wanted not in opts or opts.index(wanted) < opts.index("$(TARGET_CONFIGURE_OPTS)"):
            say(MK, 0, f"{wanted} after TARGET_CONFIGURE_OPTS: {why}")
    if "host-python3" in mk:
        say(MK, 0, "$(BR2_PYTHON3_HOST_DEPENDENCY), which is empty if the machine has one, and not host-python3")
    if re.search(r"=\$\(TARGET_DIR\)", mk.replace("DESTDIR=$(TARGET_DIR)", "")):
        say(MK, 0, "what a build reads is in $(STAGING_DIR)")
    for option in set(re.findall(r"BR2_PACKAGE_(?!VHOTPLUG)\w+", mk)) | {"BR2_PACKAGE_HWDATA_USB_IDS"}:
        if f"select {option}\n" not in config:
            say(MK, 0, f"{option} is used and not selected: silently nothing without it")
    tree = re.search(r"wildcard \$\(BR2_EXTERNAL_VHOTPLUG_PATH\)/\.\./\.\./(\S+?)\)", mk)
    if not tree or "vhotplug" not in tree.group(1) or not exists(tree.group(1)):
        say(MK, 0, "the source tree is told by a file that no other project has")
    if not re.search(r"^VHOTPLUG_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build$", mk, re.M):
        say(MK, 0, "--exclude=/build, anchored")
    if "$(error BR2_PACKAGE_VHOTPLUG_SITE" not in mk:
        say(MK, 0, "an empty BR2_PACKAGE_VHOTPLUG_SITE is named")
    for name in ("etc/vhotplug.conf", "etc/default/vhotplug"):
        if not re.search(rf"\$\(INSTALL\) -D -m 0644 \$\(@D\)/rootfs-overlay/{name} \\\n\t\t\$\(TARGET_DIR\)/{name}\n", mk):
            say(MK, 0, f"{name} is installed over the earlier one")
    for comment in re.findall(r'^comment "(.*)"$', config, re.M):
        if len(comment) > 76:
            say("Config.in", 0, f"a comment fits a line of the menu: {comment}")
        if "toolchain" in comment and "udev" in comment:
            say("Config.in", 0, "toolchain and udev are two comments")


def buildroot_hash():
    for path in files(BUILDROOT + "/**/*.hash"):
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
        if options.get("BR2_SHARED_STATIC_LIBS") != "y" or options.get("BR2_PACKAGE_QEMU_SYSTEM") != "y":
            say(path, 0, "static libraries, and shared ones for a QEMU, which is in the image")
        if "-fPIE" not in options.get("BR2_TARGET_OPTIMIZATION", ""):
            say(path, 0, "-fPIE, for static libraries that are position-independent")
        if "# BR2_PACKAGE_HWDATA_PCI_IDS is not set" not in read(path):
            say(path, 0, "no pci.ids: nothing there reads them")
        for unneeded in ("BR2_ROOTFS_POST_BUILD_SCRIPT", "BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES"):
            if unneeded in options:
                say(path, 0, f"{unneeded}: the package and Buildroot's defaults do it")
        if options.get("BR2_DOWNLOAD_FORCE_CHECK_HASHES") != "y":
            say(path, 0, "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y")
        kernel = options.get("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE", "").strip('"')
        patches = options.get("BR2_GLOBAL_PATCH_DIR", "").strip('"').replace("$(BR2_EXTERNAL_VHOTPLUG_PATH)", BUILDROOT)
        for package in ("linux", "linux-headers"):
            hashes = f"{patches}/{package}/{package}.hash"
            if not exists(hashes) or f"  linux-{kernel}.tar.xz\n" not in read(hashes):
                say(path, 0, f"no checksum of linux-{kernel}.tar.xz in {hashes}")
        if f"BR2_PACKAGE_HOST_LINUX_HEADERS_CUSTOM_{'_'.join(kernel.split('.')[:2])}" not in options:
            say(path, 0, f"headers of another series than {kernel}")
        packages = {k: v for k, v in options.items() if "PACKAGE" in k and "QEMU_TARGET" not in k}
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
    for word, end in (("restart", "stop"), ("take_over", "end"), ("reload", "kill")):
        body = re.search(rf"^{word}\(\) \{{\n(.*?)^\}}$", text, re.M | re.S)
        checks, acts = (body and re.search(p, body.group(1), re.M) for p in ("conf_is_good|--check", rf"^\t{end} "))
        if not checks or not acts or checks.start() > acts.start():
            say(SYSV, 0, f"{word} checks the configuration before {end}")


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
    for file in files(LAYER + "/**/*.bb") + files(LAYER + "/**/*.bbappend"):
        if file not in matched:
            say(path, 0, f"BBFILES does not match {file}")
    series = re.search(rf'^LAYERSERIES_COMPAT_{collection} = "(.*)"$', text, re.M)
    if not series or set(series.group(1).split()) != SERIES:
        say(path, 0, f"releases that are maintained: {sorted(SERIES)}")
    if not exists(LAYER + "/README.md"):
        say(LAYER, 0, "a README")


def yocto_recipes():
    for path in files(LAYER + "/**/*.bb") + files(LAYER + "/**/*.bbappend") + files(LAYER + "/**/*.inc"):
        text = read(path)
        for n, line in enumerate(text.split("\n"), 1):
            if re.match(r"\w+_(append|prepend|remove|\$\{PN\})\b", line) or re.match(r"\w+_(append|prepend|remove)\s*[=(]", line):
                say(path, n, "overrides are written with a colon")
            if line.startswith("\t"):
                say(path, n, "indented with spaces")
        if text.count('"') % 2:
            say(path, 0, "an odd number of quotes")
        for wrong, why in ((r"^EXTERNALSRC", "the user's to set: it writes into the tree"),
                           (r"^S = \"\$\{WORKDIR\}", "S is below UNPACKDIR in newer releases: leave the default"),
                           (r"github\.com/\S+/archive/", "archives of GitHub are not stable: git with a revision"),
                           (r"^SRC_URI = \"\$\{VHOTPLUG_SITE\}/", "begins with / where VHOTPLUG_SITE is empty: parsing fails"),
                           (r"^INSANE_SKIP", "no check is in the way"),
                           (r"^FILES:.*\$\{prefix\}/lib", "${nonarch_libdir}"),
                           (r"^require \S+\.inc", "nothing changes by mere presence: DISTRO_FEATURES decides")):
            if re.search(wrong, text, re.M):
                say(path, 0, why)
        if "SRC_URI = \"git://" in text and not re.search(r'^SRCREV = "[0-9a-f]{40}"$', text, re.M):
            say(path, 0, "git without a revision")
        if path.endswith(".inc"):
            continue
        if path.endswith(".bbappend"):
            append = re.fullmatch(r"require \$\{@bb\.utils\.contains\('DISTRO_FEATURES', 'vhotplug', '(\S+\.inc)', '', d\)\}\n", text)
            if not append or not exists(os.path.join(os.path.dirname(path), append.group(1))):
                say(path, 0, "nothing changes by mere presence: one line that requires a file if DISTRO_FEATURES has vhotplug")
            continue
        image_or_group = re.search(r"^inherit .*(image|packagegroup)", text, re.M)
        if re.search(r"\bvhotplug\b", re.sub(r"^#.*|^(SUMMARY|DESCRIPTION).*", "", text, flags=re.M)) and \
                not re.search(r"^inherit .*\bvhotplug-libc\b", text, re.M):
            say(path, 0, "inherits vhotplug-libc, or no world builds with another C library")
        if "kernel-module-" in text and image_or_group and "packagegroup" in path and \
                not re.search(r'^PACKAGE_ARCH = "\$\{MACHINE_ARCH\}"\n(.*\n)*inherit', text, re.M):
            say(path, 0, "kernel modules are the machine's: PACKAGE_ARCH before inherit packagegroup")
        if "image" in path and 'PACKAGE_EXCLUDE = "kernel-image-*"' not in text:
            say(path, 0, "an initramfs without a kernel in it")
        for needed in ["SUMMARY", "DESCRIPTION"] + ([] if image_or_group else ["LICENSE", "LIC_FILES_CHKSUM", "SRC_URI", "CVE_PRODUCT"]):
            if not re.search(rf"^{needed} = \"", text, re.M):
                say(path, 0, f"no {needed}")
        if "LIC_FILES_CHKSUM" in text and not re.search(r"file://\w+;md5=[0-9a-f]{32}\"", text):
            say(path, 0, "LIC_FILES_CHKSUM has an md5")
        if len(os.path.relpath(path, LAYER).split("/")) != 3:
            say(path, 0, "recipes-GROUP/NAME/FILE")
    main = read(recipe())
    for word in ("pkgconfig", "systemd", "update-rc.d", "jsmn", "libusb1"):
        if not re.search(rf"^(inherit|DEPENDS = ).*\b{re.escape(word)}\b", main, re.M):
            say("vhotplug.bb", 0, f"inherits or depends on {word}")
    for linked in ("LGPL-2.1-or-later", "MIT"):
        if not re.search(rf"^LICENSE = .*\b{linked}\b", main, re.M):
            say("vhotplug.bb", 0, f"LICENSE without that of what is linked in: {linked}")
    if not re.search(r'^EXTRA_OEMAKE = "[^"]*\bPIE=auto\b', main, re.M):
        say("vhotplug.bb", 0, "PIE=auto: static libraries may not be position-independent")
    text = read(LAYER + "/classes/vhotplug-libc.bbclass")
    if 'REQUIRED_DISTRO_FEATURES = "vhotplug"' not in text or "SkipRecipe" not in text:
        say("vhotplug-libc.bbclass", 0, "skips recipes where the program cannot be had, and without the distribution's feature")
    if not exists(LAYER + "/conf/multiconfig/vhotplug-musl.conf"):
        say(LAYER, 0, "conf/multiconfig/vhotplug-musl.conf, for distributions with glibc")


def yocto_the_source_is_whole():
    """Of the tree the recipe copies what it names; the Makefile includes more than one would think of."""
    named = re.search(r'^VHOTPLUG_FILES = "((?:.*\\\n)*.*)"$', read(recipe()), re.M)
    named = named.group(1).replace("\\\n", " ").split() if named else []
    wanted = ["LICENSE", "Makefile", "README.md", "docs", "rootfs-overlay", "scripts", "src"]
    for line in re.findall(r"^include (.*)$", read("Makefile"), re.M):
        wanted += line.split()
    for name in wanted + re.findall(r"\$\{S\}/([\w./-]+)", read(recipe())):
        if not any(name == n or name.startswith(n + "/") for n in named):
            say("vhotplug.bb", 0, f"{name} is not in VHOTPLUG_FILES")
    for name in named:
        if not exists(name):
            say("vhotplug.bb", 0, f"{name} is not in the source")


def yocto_every_installed_file_is_in_a_package():
    main = read(recipe())
    # What FILES of the package itself and of -doc have by default.
    packaged = {"SBINDIR", "BINDIR", "SYSCONFDIR", "DOCDIR", "MANDIR", "/var/lib/vhotplug"}
    have = " ".join(re.findall(r'^FILES:\S+ = "(.*)"$', main, re.M))
    packaged |= {"COMPLETIONDIR"} if "${datadir}/bash-completion" in have else set()
    packaged |= {"/usr/lib/vhotplug"} if "${nonarch_libdir}/vhotplug" in have else set()
    for path, target in (("Makefile", "install"), ("board/package.mk", "install-config")):
        rule = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", read(path), re.M).group(1)
        for variable, literal in re.findall(r"\$\(DESTDIR\)(?:\$\((\w+)\)|(/[\w/.-]+))", rule):
            where = variable or literal
            if not any(where == p or where.startswith(p + "/") for p in packaged):
                say("vhotplug.bb", 0, f"{where} of make {target} is in no package")
            if variable and variable not in re.findall(r"(\w+)=", main):
                say("vhotplug.bb", 0, f"{variable} is not given to make")
    if '/init\n' in main and 'FILES:${PN}-initramfs-init = "/init"' not in main:
        say("vhotplug.bb", 0, "/init is in no package")


def yocto_kernel_feature():
    directory = LAYER + "/recipes-kernel/linux"
    listed = set(re.findall(r"file://(\S+?)[\s\"]", read(directory + "/linux-yocto-vhotplug.inc")))
    there = {os.path.basename(path) for path in files(directory + "/files/*")}
    for name in listed ^ there:
        say(directory, 0, f"{name} is a file and in SRC_URI, or neither")
    kinds = {}
    for path in files(directory + "/files/*.scc"):
        for line in read(path).splitlines():
            kconf = re.match(r"kconf (hardware|non-hardware) (\S+\.cfg)$", line)
            if kconf:
                kinds[kconf.group(2)] = kconf.group(1)
            elif line and not re.match(r"define KFEATURE_\w+ ", line):
                say(path, 0, line)
    for path in files(directory + "/files/*.cfg"):
        kind = kinds.get(os.path.basename(path))
        if not kind:
            say(path, 0, "no .scc names it")
        for option in options(read(path)):
            if re.match(r"CONFIG_(USB|SCSI|BLK_DEV_SD|HID|KVM_)", option) and kind == "non-hardware":
                say(path, 0, f"{option} is a hardware option")


def main():
    for function in (text_files_are_tidy, they_name_this_version_and_this_license, files_that_they_install_exist,
                     kernel_options_are_known_and_agree, the_makefile_takes_their_toolchains, the_initramfs_needs_nothing_prepared,
                     buildroot_external_tree, buildroot_config_in, buildroot_mk, buildroot_package_as_real_builds_want_it, buildroot_hash,
                     buildroot_defconfigs, the_init_script_is_buildroots_style, yocto_layer_conf, yocto_recipes, yocto_the_source_is_whole,
                     yocto_every_installed_file_is_in_a_package, yocto_kernel_feature):
        test(function)
    print(f"1..{number}")
    sys.exit(1 if failures else 0)


main()
