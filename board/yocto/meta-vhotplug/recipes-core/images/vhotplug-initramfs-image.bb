SUMMARY = "Initramfs that starts vhotplug before anything else"
DESCRIPTION = "busybox, vhotplug and an init that starts the daemon, mounts root= and switches to it. It has no kernel modules but \
those of VHOTPLUG_INITRAMFS_MODULES: drivers of the disk, its file system and USB are the kernel's own, or named there."
LICENSE = "Apache-2.0"

# Names of packages: kernel-module-virtio-blk ...
VHOTPLUG_INITRAMFS_MODULES ?= ""
PACKAGE_INSTALL = "${VIRTUAL-RUNTIME_base-utils} base-passwd vhotplug vhotplug-initramfs vhotplug-initramfs-init \
    ${VHOTPLUG_INITRAMFS_MODULES}"
# Modules depend on the kernel's image, which has no place here.
PACKAGE_EXCLUDE = "kernel-image-*"

IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
IMAGE_NAME_SUFFIX ?= ""
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"

inherit core-image vhotplug-libc

NO_RECOMMENDATIONS = "1"
