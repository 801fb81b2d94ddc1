SUMMARY = "A host that gives USB devices to its virtual machines"

inherit packagegroup

RDEPENDS:${PN} = "vhotplug"

# QEMU comes from the distribution; modules only where the kernel has them as modules.
RRECOMMENDS:${PN} = "qemu kernel-module-vhost-vsock kernel-module-vsock-loopback kernel-module-usb-storage"
