require ${@bb.utils.contains('DISTRO_FEATURES', 'vhotplug', 'linux-yocto-vhotplug.inc', '', d)}
