SUMMARY = "A host that gives USB devices to its virtual machines"
DESCRIPTION = "vhotplug, QEMU, and what they need of the kernel as modules."

# Names of kernel modules are the machine's.
PACKAGE_ARCH = "${MACHINE_ARCH}"

inherit packagegroup vhotplug-libc

RDEPENDS:${PN} = "vhotplug"

# QEMU comes from the distribution; modules only where the kernel has them as modules.
RRECOMMENDS:${PN} = "qemu kernel-module-vhost-vsock kernel-module-vsock-loopback kernel-module-usb-storage"
