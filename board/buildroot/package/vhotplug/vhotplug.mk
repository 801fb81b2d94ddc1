################################################################################
#
# vhotplug
#
################################################################################

VHOTPLUG_VERSION = 0.1.0
ifneq ($(wildcard $(BR2_EXTERNAL_VHOTPLUG_PATH)/../../src/main.c),)
VHOTPLUG_SITE = $(BR2_EXTERNAL_VHOTPLUG_PATH)/../..
VHOTPLUG_SITE_METHOD = local
VHOTPLUG_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude build
else
VHOTPLUG_SITE = $(call qstrip,$(BR2_PACKAGE_VHOTPLUG_SITE))
endif
VHOTPLUG_LICENSE = Apache-2.0
VHOTPLUG_LICENSE_FILES = LICENSE
VHOTPLUG_DEPENDENCIES = host-pkgconf host-python3 jsmn libusb

VHOTPLUG_MAKE_OPTS = \
	$(TARGET_CONFIGURE_OPTS) \
	ARCH=target \
	LIBUSB=system \
	PREFIX=/usr \
	PYTHON=$(HOST_DIR)/bin/python3 \
	WERROR=no

# hwdata's table is on the target as well then, for lsusb and the like; the
# program does not need it there.
ifeq ($(BR2_PACKAGE_VHOTPLUG_NAMES)$(BR2_PACKAGE_HWDATA_USB_IDS),yy)
VHOTPLUG_DEPENDENCIES += hwdata
VHOTPLUG_MAKE_OPTS += USB_IDS=$(TARGET_DIR)/usr/share/hwdata/usb.ids
else
VHOTPLUG_MAKE_OPTS += USB_IDS=no
endif

define VHOTPLUG_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(VHOTPLUG_MAKE_OPTS) -C $(@D)
endef

define VHOTPLUG_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(VHOTPLUG_MAKE_OPTS) -C $(@D) \
		DESTDIR=$(TARGET_DIR) install install-config
endef

define VHOTPLUG_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/rootfs-overlay/etc/init.d/S25vhotplug \
		$(TARGET_DIR)/etc/init.d/S25vhotplug
endef

define VHOTPLUG_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/board/openrc/vhotplug \
		$(TARGET_DIR)/etc/init.d/vhotplug
endef

# What docs/boards.md explains option by option.
define VHOTPLUG_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NET)
	$(call KCONFIG_ENABLE_OPT,CONFIG_UNIX)
	$(call KCONFIG_ENABLE_OPT,CONFIG_INOTIFY_USER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_DEVTMPFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SYSFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_PROC_FS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB_SUPPORT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB)
	$(call KCONFIG_ENABLE_OPT,CONFIG_VSOCKETS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_VHOST_MENU)
	$(call KCONFIG_ENABLE_OPT,CONFIG_VHOST_VSOCK)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECCOMP_FILTER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECURITY)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SECURITY_LANDLOCK)
endef

$(eval $(generic-package))
