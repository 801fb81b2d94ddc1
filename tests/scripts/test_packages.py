#!/usr/bin/env python3
"""Plants faults in a copy of the package trees, one at a time, and sees that check-packages.py finds and names each. Nearly all
are faults that a real Buildroot or bitbake has stumbled over. Prints TAP.

usage: test_packages.py
"""
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILDROOT, LAYER = "board/buildroot/", "board/yocto/meta-vhotplug/"
PACKAGE = BUILDROOT + "package/vhotplug/"
MK, CONFIG = PACKAGE + "vhotplug.mk", PACKAGE + "Config.in"
DEFCONFIG = BUILDROOT + "configs/vhotplug_qemu_x86_64_defconfig"
SYSV = "rootfs-overlay/etc/init.d/S25vhotplug"
RECIPE = LAYER + "recipes-core/vhotplug/vhotplug_@.bb"
IMAGE = LAYER + "recipes-core/images/vhotplug-initramfs-image.bb"
GROUP = LAYER + "recipes-core/packagegroups/packagegroup-vhotplug.bb"
JSMN = LAYER + "recipes-support/jsmn/jsmn_1.1.0.bb"
LINUX = LAYER + "recipes-kernel/linux/"
KERNEL = "6.18.45"

# (what is wrong, file, its text, what stands there instead, what is said). No text: the file is added, or gone.
FAULTS = [
    # The Makefile and the initramfs
    ("-static stays in CFLAGS", "Makefile", "override CFLAGS := $(filter-out -static,$(CFLAGS))\n", "", "taken out of CFLAGS"),
    ("no PIE=auto", "Makefile", "ifeq ($(PIE),auto)", "ifeq ($(PIE),perhaps)", "no PIE=auto"),
    ("a probe's output at the top", "null.su", None, "", "-fstack-usage"),
    ("no mount points", "board/common/init", "mkdir -p /proc /sys /dev /run /mnt\n", "", "/proc is made before"),
    ("an init that may not exist", "board/common/init", "[ ! -x /sbin/init ] || exec", "exec", "/sbin/init may not exist"),
    # Buildroot
    ("PIE is not asked for", MK, "\tPIE=auto \\\n", "", "PIE=auto after"),
    ("Buildroot's STRIP, which may be true", MK, "\tSTRIP=$(TARGET_CROSS)strip \\\n", "", "STRIP=$(TARGET_CROSS)strip after"),
    ("stripped whatever the user chose", MK, "\tSTRIP_INSTALLED=no \\\n", "", "STRIP_INSTALLED=no after"),
    ("a CPython is built", MK, "host-pkgconf jsmn", "host-pkgconf host-python3 jsmn", "BR2_PYTHON3_HOST_DEPENDENCY"),
    ("names read from the target", MK, "=$(STAGING_DIR)/", "=$(TARGET_DIR)/", "$(STAGING_DIR)"),
    ("names that are not selected", CONFIG, "\tselect BR2_PACKAGE_HWDATA_USB_IDS\n", "", "used and not selected"),
    ("selected, and no dependency", MK, " hwdata\n", "\n", "selected and no dependency: {'hwdata'}"),
    ("a stranger's source tree", MK, "../../docs/vhotplug.8", "../../src/main.c", "no other project has"),
    ("build anywhere is left out", MK, "--exclude=/build", "--exclude build", "anchored"),
    ("an empty site", MK, "$(error BR2_PACKAGE_VHOTPLUG_SITE", "$(info BR2_PACKAGE_VHOTPLUG_SITE", "is named"),
    ("old examples stay", MK, "$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/etc/vhotplug.conf", "true", "over the earlier one"),
    ("options that are not required", MK, "CONFIG_USB)\n", "CONFIG_USB)\n\t$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP)\n", "required"),
    ("a comment wider than the menu", CONFIG, "gcc >= 8, headers", "gcc >= 8, threads, dynamic linker, headers", "a line of the menu"),
    ("toolchain and udev in one comment", CONFIG, "w/ musl,", "w/ udev,", "two comments"),
    ("no KVM on x86", BUILDROOT + "board/common/linux.fragment", "CONFIG_KVM_AMD=y\n", "", "no /dev/kvm"),
    ("hashes that are not forced", DEFCONFIG, "BR2_DOWNLOAD_FORCE_CHECK_HASHES=y\n", "", "FORCE_CHECK_HASHES"),
    ("a kernel without a hash", DEFCONFIG, KERNEL, "6.18.1", "no checksum of linux-6.18.1"),
    ("headers of another series", DEFCONFIG, "HEADERS_CUSTOM_6_18", "HEADERS_CUSTOM_6_6", "headers of another series"),
    ("no shared libraries for QEMU", DEFCONFIG, "BR2_SHARED_STATIC_LIBS=y", "BR2_STATIC_LIBS=y", "for a QEMU"),
    ("libraries that are not position-independent", DEFCONFIG, 'BR2_TARGET_OPTIMIZATION="-fPIE"\n', "", "-fPIE"),
    ("tables that nothing reads", DEFCONFIG, "# BR2_PACKAGE_HWDATA_PCI_IDS is not set\n", "", "no pci.ids"),
    ("a script for what the package does", DEFCONFIG, "# Kernel\n", '# Kernel\nBR2_ROOTFS_POST_BUILD_SCRIPT="x"\n', "do it"),
    ("a restart that stops first", SYSV, "restart() {\n", "restart() {\n\tstop && start\n\treturn\n", "restart checks"),
    ("a take-over that ends first", SYSV, "\tconf_is_good || return 1\n\tend", "\tend", "take_over checks"),
    # Yocto
    ("an address without a host", RECIPE, 'SRC_URI = "${@d.', 'SRC_URI = "${VHOTPLUG_SITE}/${@d.', "parsing fails"),
    ("files in no package", RECIPE, 'FILES:${PN}-bash-completion = "${datadir}/bash-completion"\n', "", "COMPLETIONDIR of make install"),
    ("an init in no package", RECIPE, 'FILES:${PN}-initramfs-init = "/init"\n', "", "/init is in no package"),
    ("a directory that make is not told", RECIPE, " COMPLETIONDIR=", " OTHERDIR=", "COMPLETIONDIR is not given"),
    ("a new directory", "board/package.mk", "$(DESTDIR)/var/lib/vhotplug $(DESTDIR)/usr/lib/vhotplug",
     "$(DESTDIR)/var/lib/vhotplug $(DESTDIR)/usr/lib/vhotplug $(DESTDIR)/opt/vhotplug", "/opt/vhotplug of make install-config"),
    ("a file of make that is not copied", RECIPE, " tests/tests.mk", "", "tests/tests.mk is not in VHOTPLUG_FILES"),
    ("a release that is not named", LAYER + "conf/layer.conf", "scarthgap wrynose", "kirkstone scarthgap", "maintained"),
    ("no README", LAYER + "README.md", "", None, "a README"),
    ("S where it no longer is", JSMN, "\ninherit allarch", '\nS = "${WORKDIR}/jsmn"\ninherit allarch', "UNPACKDIR"),
    ("an archive of GitHub", JSMN, "git://github.com/zserge/jsmn.git", "https://github.com/zserge/jsmn/archive/v1.tar.gz", "not stable"),
    ("git without a revision", JSMN, "SRCREV = ", "OTHER = ", "without a revision"),
    ("a build in the developer's tree", RECIPE, "inherit pkgconfig", 'EXTERNALSRC ?= "${VHOTPLUG_TREE}"\ninherit pkgconfig', "into the tree"),
    ("a recipe for any C library", GROUP, "inherit packagegroup vhotplug-libc", "inherit packagegroup", "inherits vhotplug-libc"),
    ("an image for any C library", IMAGE, "inherit core-image vhotplug-libc", "inherit core-image", "inherits vhotplug-libc"),
    ("a class that skips nothing", LAYER + "classes/vhotplug-libc.bbclass", "SkipRecipe", "Nothing", "skips recipes"),
    ("no multiconfig", LAYER + "conf/multiconfig/vhotplug-musl.conf", "", None, "conf/multiconfig"),
    ("an append that always acts", LAYER + "recipes-devtools/qemu/qemu_%.bbappend", "require", 'PACKAGECONFIG:append = " libusb"\nrequire', "presence"),
    ("an append of nothing", LAYER + "recipes-support/libusb/libusb1-vhotplug.inc", "", None, "presence"),
    ("a check of packages switched off", RECIPE, "CONFFILES", 'INSANE_SKIP:${PN} += "ldflags"\nCONFFILES', "no check is in the way"),
    ("a libdir by hand", RECIPE, "${nonarch_libdir}/vhotplug", "${prefix}/lib/vhotplug", "${nonarch_libdir}"),
    ("a licence that is linked in", RECIPE, "& LGPL-2.1-or-later ", "", "linked in: LGPL"),
    ("nothing that CVEs are looked up by", RECIPE, "CVE_PRODUCT", "OTHER", "no CVE_PRODUCT"),
    ("no description", JSMN, "DESCRIPTION", "OTHER", "no DESCRIPTION"),
    ("static libraries of either kind", RECIPE, "system PIE=auto", "system", "PIE=auto: static"),
    ("kernel modules for every machine", GROUP, 'PACKAGE_ARCH = "${MACHINE_ARCH}"\n', "", "PACKAGE_ARCH"),
    ("a kernel in the initramfs", IMAGE, 'PACKAGE_EXCLUDE = "kernel-image-*"\n', "", "without a kernel"),
    ("a fragment that is not fetched", LINUX + "linux-yocto-vhotplug.inc", " file://vhotplug-hardware.cfg", "", "vhotplug-hardware.cfg is a file"),
    ("hardware said to be none", LINUX + "files/vhotplug.scc", "kconf hardware", "kconf non-hardware", "a hardware option"),
    ("options that differ", LINUX + "files/vhotplug.cfg", "CONFIG_KVM=y\n", "", "differs from the layer's"),
]


def check(tree):
    done = subprocess.run([sys.executable, os.path.join(TOP, "scripts/check-packages.py"), tree], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def plant(path, old, new):
    """The text that the file had, or None: it was not there."""
    if old is None:
        with open(path, "w", encoding="utf-8") as f:
            f.write(new)
        return None
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if new is None:
        os.unlink(path)
    elif old not in text:
        raise ValueError(f"{path} has no {old!r}")
    else:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
    return text


def main():
    number = failures = 0

    def result(good, name, story=""):
        nonlocal number, failures
        number += 1
        failures += not good
        if not good:
            print("\n".join("# " + line for line in story.splitlines()))
        print(f"{'ok' if good else 'not ok'} {number} - {name}")

    with tempfile.TemporaryDirectory() as tree:
        for name in ("Makefile", "lint.mk", "LICENSE", "README.md", "board", "docs", "rootfs-overlay", "scripts", "src", "tests/tests.mk"):
            os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
            copy = shutil.copytree if os.path.isdir(os.path.join(TOP, name)) else shutil.copy
            copy(os.path.join(TOP, name), os.path.join(tree, name))
        status, said = check(tree)
        result(status == 0, "the tree as it is passes", said)
        with open(os.path.join(tree, "Makefile"), encoding="utf-8") as f:
            version = next(line.split()[2] for line in f if line.startswith("VERSION := "))
        for name, file, old, new, text in FAULTS:
            path = os.path.join(tree, file.replace("@", version))
            before = plant(path, old, new)
            status, said = check(tree)
            result(status == 1 and text in said and "Traceback" not in said, name, f"wanted: {text}\n{said}")
            if before is None:
                os.unlink(path)
            else:
                with open(path, "w", encoding="utf-8") as f:
                    f.write(before)
    print(f"1..{number}")
    sys.exit(1 if failures else 0)


main()
