require ${@bb.utils.contains('DISTRO_FEATURES', 'vhotplug', 'qemu-vhotplug.inc', '', d)}
