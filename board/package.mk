# What packages need beyond the binary, and what a release consists of: the files of rootfs-overlay, the source archive, reports.

# The last commit's time, or in an unpacked archive the time that all its files have.
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),$(shell stat -c %Y Makefile))
export SOURCE_DATE_EPOCH

# ---- install ----

SYSCONFDIR ?= /etc
SYSTEMD_UNIT := rootfs-overlay/usr/lib/systemd/system/vhotplug.service

.PHONY: install-config install-systemd install-sysv install-openrc
##@ Packages
## configuration and initramfs part; an edited configuration stays
install-config:
	install -d $(DESTDIR)$(SYSCONFDIR)/default $(DESTDIR)/var/lib/vhotplug $(DESTDIR)/usr/lib/vhotplug
	[ -e $(DESTDIR)$(SYSCONFDIR)/vhotplug.conf ] || install -m 644 rootfs-overlay/etc/vhotplug.conf $(DESTDIR)$(SYSCONFDIR)/vhotplug.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/default/vhotplug ] || install -m 644 rootfs-overlay/etc/default/vhotplug $(DESTDIR)$(SYSCONFDIR)/default/vhotplug
	install -m 644 rootfs-overlay/usr/lib/vhotplug/initramfs.sh $(DESTDIR)/usr/lib/vhotplug/initramfs.sh

## besides: the systemd unit
install-systemd: install-config
	install -D -m 644 $(SYSTEMD_UNIT) $(DESTDIR)/usr/lib/systemd/system/vhotplug.service

## besides: the init script
install-sysv: install-config
	install -D -m 755 rootfs-overlay/etc/init.d/S25vhotplug $(DESTDIR)$(SYSCONFDIR)/init.d/S25vhotplug

## besides: the OpenRC script
install-openrc: install-config
	install -D -m 755 board/openrc/vhotplug $(DESTDIR)$(SYSCONFDIR)/init.d/vhotplug

# ---- reports and releases ----

.PHONY: size sbom dist deb check-packages
## footprint
size: all
	@$(PYTHON) scripts/size.py --nm '$(NM)' --objdump '$(CROSS)objdump' $(B)

## bill of materials (SPDX)
sbom: $(B)/vhotplug.spdx.json
$(B)/vhotplug.spdx.json: all FORCE
	$(call say,SBOM,$@)
	$(Q)$(PYTHON) scripts/sbom.py --version '$(VERSION)' --binary $(B)/vhotplug --map $(B)/vhotplug.full.map \
		--usb-ids '$(USB_IDS)' --pci-ids '$(PCI_IDS)' --jsmn '$(or $(JSMN),/usr/include/jsmn.h)' --cc '$(CC)' -o $@

## source archive with its checksum
dist:
	@scripts/dist.sh '$(VERSION)'

## Debian's source and binary package: build/deb
deb: all dist
	@scripts/deb.sh '$(VERSION)'

## the Buildroot and Yocto trees against their conventions, and the check itself against planted faults
check-packages:
	@$(PYTHON) scripts/check-packages.py
	@$(PYTHON) tests/scripts/test_packages.py
