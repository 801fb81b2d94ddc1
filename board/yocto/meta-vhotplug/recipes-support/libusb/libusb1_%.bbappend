require ${@bb.utils.contains('DISTRO_FEATURES', 'vhotplug', 'libusb1-vhotplug.inc', '', d)}
