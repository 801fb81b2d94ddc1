# vhotplug links libusb statically. With musl there is no udev in it: the static program could not take one, and a QEMU that is
# handed opened devices does not need it.
DISABLE_STATIC:class-target:libc-musl = ""
PACKAGECONFIG:remove:libc-musl = "udev"
