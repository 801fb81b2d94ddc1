SUMMARY = "USB devices to virtual machines, as they are plugged in"
DESCRIPTION = "Decides by the rules of a configuration file which guest gets which USB device, gives it to the guest's QEMU over \
QMP and takes it back; guests and host tools see and steer this over a JSON API on unix sockets, TCP and VSOCK. Needs no udev."
SECTION = "base"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

DEPENDS = "jsmn libusb1"

# VHOTPLUG_SITE, a URL, is where "make dist" has put the archive; its checksum comes with the layer that "make dist" makes.
# Without it the source is the tree that this layer is in.
VHOTPLUG_SITE ?= ""
SRC_URI = "${VHOTPLUG_SITE}/vhotplug-${PV}.tar.gz"
include vhotplug-archive.inc
EXTERNALSRC ?= "${@'' if d.getVar('VHOTPLUG_SITE') else os.path.realpath(d.getVar('VHOTPLUG_LAYERDIR') + '/../../..')}"
EXTERNALSRC_BUILD ?= "${EXTERNALSRC}"

inherit externalsrc pkgconfig systemd update-rc.d

# One static program with a malloc of its own: musl alone can be linked so. A build for glibc gets it from a multiconfig
# with TCLIBC = "musl"; docs/boards.md shows how.
COMPATIBLE_HOST:libc-glibc = "null"
COMPATIBLE_HOST:libc-newlib = "null"

# Names of USB devices are compiled in if the build host names a usb.ids here.
VHOTPLUG_USB_IDS ?= "no"

EXTRA_OEMAKE = "ARCH=${TARGET_ARCH} LIBUSB=system WERROR=no STRIP_INSTALLED=no PYTHON=python3 \
    USB_IDS=${VHOTPLUG_USB_IDS} PREFIX=${prefix} SBINDIR=${sbindir} BINDIR=${bindir} DOCDIR=${docdir}/${BPN} \
    MANDIR=${mandir}"

do_compile() {
    oe_runmake
}

do_install() {
    oe_runmake install install-config DESTDIR=${D}
    if ${@bb.utils.contains('DISTRO_FEATURES', 'systemd', 'true', 'false', d)}; then
        install -D -m 0644 ${S}/rootfs-overlay/usr/lib/systemd/system/vhotplug.service \
            ${D}${systemd_system_unitdir}/vhotplug.service
    fi
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${S}/rootfs-overlay/etc/init.d/S25vhotplug ${D}${sysconfdir}/init.d/vhotplug
    fi
}

SYSTEMD_SERVICE:${PN} = "vhotplug.service"
INITSCRIPT_NAME = "vhotplug"
INITSCRIPT_PARAMS = "defaults 25"

PACKAGES =+ "${PN}-initramfs"
SUMMARY:${PN}-initramfs = "vhotplug started by an initramfs's init"
FILES:${PN}-initramfs = "${prefix}/lib/vhotplug"
FILES:${PN} += "${localstatedir}/lib/vhotplug"
RDEPENDS:${PN}-initramfs = "${PN}"
CONFFILES:${PN} = "${sysconfdir}/vhotplug.conf ${sysconfdir}/default/vhotplug"

# Static on purpose: there is nothing to relocate or to find at run time.
INSANE_SKIP:${PN} += "ldflags"
