SUMMARY = "The first process of vhotplug's initramfs"
LICENSE = "Apache-2.0"
LIC_FILES_CHKSUM = "file://LICENSE;md5=3b83ef96387f14655fc854ddc3c6bd57"

# The same source as vhotplug's.
VHOTPLUG_SITE ?= ""
SRC_URI = "${VHOTPLUG_SITE}/vhotplug-${PV}.tar.gz"
include vhotplug-archive.inc
EXTERNALSRC ?= "${@'' if d.getVar('VHOTPLUG_SITE') else os.path.realpath(d.getVar('VHOTPLUG_LAYERDIR') + '/../../..')}"
EXTERNALSRC_BUILD ?= "${EXTERNALSRC}"
S = "${WORKDIR}/vhotplug-${PV}"

inherit allarch externalsrc

do_configure[noexec] = "1"
do_compile[noexec] = "1"

do_install() {
    # OE's busybox is reached by links alone.
    sed 's|^#!/bin/busybox sh|#!/bin/sh|' ${S}/board/common/init >${WORKDIR}/init
    install -m 0755 ${WORKDIR}/init ${D}/init
    install -d ${D}/mnt
}

FILES:${PN} = "/init /mnt"
RDEPENDS:${PN} = "vhotplug-initramfs"
