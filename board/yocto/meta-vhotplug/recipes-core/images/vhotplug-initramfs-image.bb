SUMMARY = "Initramfs that starts vhotplug before anything else"
DESCRIPTION = "busybox, vhotplug and an init that starts the daemon, mounts root= and switches to it."
LICENSE = "Apache-2.0"

PACKAGE_INSTALL = "${VIRTUAL-RUNTIME_base-utils} base-passwd vhotplug vhotplug-initramfs vhotplug-initramfs-init"

IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
IMAGE_NAME_SUFFIX ?= ""
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"

inherit core-image

NO_RECOMMENDATIONS = "1"
