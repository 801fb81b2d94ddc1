################################################################################
#
# vhotplug
#
################################################################################

VHOTPLUG_VERSION = 0.1.0
# The source tree is told by a file that no other project has: this external
# tree may have been taken out and unpacked inside another one.
ifneq ($(wildcard $(BR2_EXTERNAL_VHOTPLUG_PATH)/../../docs/vhotplug.8),)
VHOTPLUG_SITE = $(BR2_EXTERNAL_VHOTPLUG_PATH)/../..
VHOTPLUG_SITE_METHOD = local
VHOTPLUG_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/build
else
VHOTPLUG_SITE = $(call qstrip,$(BR2_PACKAGE_VHOTPLUG_SITE))
endif
VHOTPLUG_LICENSE = Apache-2.0
VHOTPLUG_LICENSE_FILES = LICENSE
VHOTPLUG_DEPENDENCIES = host-pkgconf jsmn libusb

ifeq ($(BR2_PACKAGE_VHOTPLUG),y)
ifeq ($(VHOTPLUG_SITE),)
$(error BR2_PACKAGE_VHOTPLUG_SITE is empty: it names where vhotplug-$(VHOTPLUG_VERSION).tar.gz is)
endif
endif

# PIE=auto: position-independent if libusb and musl are. Buildroot strips.
VHOTPLUG_MAKE_OPTS = \
	$(TARGET_CONFIGURE_OPTS) \
	ARCH=target \
	LIBUSB=system \
	PIE=auto \
	PREFIX=/usr \
	PYTHON=python3 \
	STRIP=$(TARGET_CROSS)strip \
	STRIP_INSTALLED=no \
	WERROR=no

# The table is made by a script that any Python 3 runs.
ifeq ($(BR2_PACKAGE_VHOTPLUG_NAMES),y)
VHOTPLUG_DEPENDENCIES += $(BR2_PYTHON3_HOST_DEPENDENCY) hwdata
VHOTPLUG_MAKE_OPTS += USB_IDS=$(STAGING_DIR)/usr/share/hwdata/usb.ids PCI_IDS=no
else
VHOTPLUG_MAKE_OPTS += USB_IDS=no PCI_IDS=no
endif

define VHOTPLUG_BUILD_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(VHOTPLUG_MAKE_OPTS) -C $(@D)
endef

# install-config keeps what is there, as on a live system. Here nothing is
# edited: overlays come later, and a rebuild takes the new examples over.
define VHOTPLUG_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) $(VHOTPLUG_MAKE_OPTS) -C $(@D) \
		DESTDIR=$(TARGET_DIR) install install-config
	$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/etc/vhotplug.conf \
		$(TARGET_DIR)/etc/vhotplug.conf
	$(INSTALL) -D -m 0644 $(@D)/rootfs-overlay/etc/default/vhotplug \
		$(TARGET_DIR)/etc/default/vhotplug
endef

define VHOTPLUG_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(@D)/rootfs-overlay/etc/init.d/S25vhotplug \
		$(TARGET_DIR)/etc/init.d/S25vhotplug
endef

define VHOTPLUG_INSTALL_INIT_OPENRC
	$(INSTALL) -D -m 0755 $(@D)/board/openrc/vhotplug \
		$(TARGET_DIR)/etc/init.d/vhotplug
endef

# What it cannot run without. docs/boards.md has these and the rest, option by
# option.
define VHOTPLUG_LINUX_CONFIG_FIXUPS
	$(call KCONFIG_ENABLE_OPT,CONFIG_NET)
	$(call KCONFIG_ENABLE_OPT,CONFIG_UNIX)
	$(call KCONFIG_ENABLE_OPT,CONFIG_INOTIFY_USER)
	$(call KCONFIG_ENABLE_OPT,CONFIG_DEVTMPFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_SYSFS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_PROC_FS)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB_SUPPORT)
	$(call KCONFIG_ENABLE_OPT,CONFIG_USB)
endef

$(eval $(generic-package))
