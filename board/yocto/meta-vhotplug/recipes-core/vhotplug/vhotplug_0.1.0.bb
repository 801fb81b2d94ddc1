SUMMARY = "USB devices to virtual machines, as they are plugged in"
DESCRIPTION = "Decides by the rules of a configuration file which guest gets which USB device, gives it to the guest's QEMU over \
QMP and takes it back; guests and host tools see and steer this over a JSON API on unix sockets, TCP and VSOCK. Needs no udev."
SECTION = "base"
# The program holds libusb (LGPL), jsmn and musl (MIT), and with VHOTPLUG_USB_IDS the table of names.
LICENSE = "Apache-2.0 & LGPL-2.1-or-later & MIT${@' & (GPL-2.0-or-later | BSD-3-Clause)' if d.getVar('VHOTPLUG_USB_IDS') != 'no' else ''}"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"
CVE_PRODUCT = "vhotplug"

DEPENDS = "jsmn libusb1"
# There the program comes from the layer's multiconfig.
DEPENDS:libc-glibc = ""

# VHOTPLUG_SITE, a URL, is where "make dist" has put the archive; its checksum comes with the layer that "make dist" makes.
# Without it the source is a copy of the tree that this layer is in. Nothing is written there.
VHOTPLUG_SITE ?= ""
VHOTPLUG_TREE = "${@os.path.realpath(d.getVar('VHOTPLUG_LAYERDIR') + '/../../..')}"
VHOTPLUG_FILES = "LICENSE Makefile README.md board/common/init board/cross.mk board/image.mk board/openrc board/package.mk docs \
    lint.mk rootfs-overlay scripts src tests/tests.mk"
FILESEXTRAPATHS:prepend := "${VHOTPLUG_TREE}:"
SRC_URI = "${@d.getVar('VHOTPLUG_SITE') + '/${BP}.tar.gz' if d.getVar('VHOTPLUG_SITE') else \
    ' '.join('file://' + f + ';subdir=${BP}' for f in d.getVar('VHOTPLUG_FILES').split())}"
include vhotplug-archive.inc

inherit pkgconfig systemd update-rc.d vhotplug-libc

python () {
    if not d.getVar('VHOTPLUG_SITE') and not os.path.exists(d.getVar('VHOTPLUG_TREE') + '/docs/vhotplug.8'):
        raise bb.parse.SkipRecipe('this layer was taken out of the source tree: VHOTPLUG_SITE names where the archive is')
}

# Names of USB devices are compiled in if the build host names a usb.ids here.
VHOTPLUG_USB_IDS ?= "no"

# PIE=auto: position-independent if libusb and musl are; their compiler decides (GCCPIE of security_flags.inc).
EXTRA_OEMAKE = "ARCH=${TARGET_ARCH} LIBUSB=system PIE=auto WERROR=no STRIP_INSTALLED=no PYTHON=python3 \
    USB_IDS=${VHOTPLUG_USB_IDS} PCI_IDS=no PREFIX=${prefix} SBINDIR=${sbindir} BINDIR=${bindir} DOCDIR=${docdir}/${BPN} \
    MANDIR=${mandir} SYSCONFDIR=${sysconfdir} COMPLETIONDIR=${datadir}/bash-completion/completions"

do_compile() {
    oe_runmake
}

do_install() {
    oe_runmake install install-config DESTDIR=${D}
    # OE's busybox is reached by links alone.
    sed 's|^#!/bin/busybox sh|#!/bin/sh|' ${S}/board/common/init >${B}/init
    install -m 0755 ${B}/init ${D}/init
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -D -m 0644 ${S}/rootfs-overlay/usr/lib/systemd/system/vhotplug.service \
            ${D}${systemd_system_unitdir}/vhotplug.service
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${S}/rootfs-overlay/etc/init.d/S25vhotplug ${D}${sysconfdir}/init.d/vhotplug
    fi
}

# What the multiconfig hands over: all that it would package.
do_deploy() {
    install -d ${DEPLOYDIR}
    tar -C ${D} --sort=name --owner=0 --group=0 --numeric-owner -cf ${DEPLOYDIR}/vhotplug-musl.tar .
}
inherit deploy
addtask deploy after do_install before do_build

VHOTPLUG_DEPLOYED = "${TOPDIR}/tmp-vhotplug-musl/deploy/images/${MACHINE}/vhotplug-musl.tar"
VHOTPLUG_DEPLOYED[vardepsexclude] = "TOPDIR"

do_compile:libc-glibc() {
    :
}

do_install:libc-glibc() {
    tar -C ${D} --no-same-owner -xpf ${VHOTPLUG_DEPLOYED}
}

python () {
    if d.getVar('TCLIBC') == 'musl':
        # Of no use in a distribution that is musl's.
        if d.getVar('BB_CURRENT_MC') != 'vhotplug-musl':
            bb.build.deltask('do_deploy', d)
        return
    bb.build.deltask('do_deploy', d)
    mc = d.getVar('BB_CURRENT_MC')
    d.setVarFlag('do_install', 'mcdepends', 'mc:%s:vhotplug-musl:vhotplug:do_deploy' % ('' if mc == 'default' else mc))
}

SYSTEMD_SERVICE:${PN} = "vhotplug.service"
INITSCRIPT_NAME = "vhotplug"
INITSCRIPT_PARAMS = "defaults 25"

PACKAGES =+ "${PN}-initramfs ${PN}-initramfs-init ${PN}-bash-completion"
SUMMARY:${PN}-initramfs = "vhotplug started by an initramfs's init"
SUMMARY:${PN}-initramfs-init = "The first process of vhotplug's initramfs"
SUMMARY:${PN}-bash-completion = "Completion of vhotplug's and vhotplugcli's words"
LICENSE:${PN}-initramfs = "Apache-2.0"
LICENSE:${PN}-initramfs-init = "Apache-2.0"
LICENSE:${PN}-bash-completion = "Apache-2.0"
LICENSE:${PN}-doc = "Apache-2.0"
FILES:${PN}-initramfs = "${nonarch_libdir}/vhotplug"
FILES:${PN}-initramfs-init = "/init"
FILES:${PN}-bash-completion = "${datadir}/bash-completion"
RDEPENDS:${PN}-initramfs = "${PN}"
RDEPENDS:${PN}-initramfs-init = "${PN}-initramfs"
CONFFILES:${PN} = "${sysconfdir}/vhotplug.conf ${sysconfdir}/default/vhotplug"
