# vhotplug - builds with GNU make. `make help` lists the targets.
#
# Without CC the binary is made with musl-gcc and a libusb that is fetched (Debian's source package, sha256 pinned) and
# built here. With a CC from outside (Buildroot, Yocto, another musl toolchain) nothing is fetched: libusb comes from
# pkg-config, jsmn.h from the compiler's own search path. LIBUSB=fetch|system overrides that choice.
#
# This file builds and installs; tests/tests.mk tests, lint.mk lints, board/*.mk cross-builds and packages. A line "## text"
# above a target or a variable is its line of help, "##@ title" begins a group.

VERSION := 0.1.0

# ---- what can be set from outside ----
##@ Variables

# Another architecture without a CC: Debian's cross gcc, and Debian's musl of that architecture below build/download.
HOST_ARCH := $(shell uname -m)
FOREIGN := $(if $(filter default,$(origin CC)),$(filter-out $(HOST_ARCH),$(ARCH)))
ifeq ($(origin CC),default)
## compiler of the product; without it, musl-gcc and a libusb of this tree
CC := $(if $(FOREIGN),$(CURDIR)/build/download/cross-$(ARCH)/musl-gcc,musl-gcc)
endif
## flags of that compiler; CPPFLAGS and LDFLAGS are taken too
# Small: nearly all time goes into system calls, and a plug costs about as much with -O2.
CFLAGS ?= -Os -g
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
## where to install, below DESTDIR
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DOCDIR ?= $(PREFIX)/share/doc/vhotplug
## "no" leaves the symbols to a packager
STRIP_INSTALLED ?= yes
## names of USB devices: a usb.ids file, or "no" to leave the table out
USB_IDS ?= $(firstword $(wildcard /usr/share/misc/usb.ids /usr/share/hwdata/usb.ids) no)
## names of PCI devices: a pci.ids file, "fetch" for Debian's, or "no" to leave the table out
PCI_IDS ?= $(firstword $(wildcard /usr/share/misc/pci.ids /usr/share/hwdata/pci.ids) no)
## position-independent (yes, no); auto: if the toolchain's static libraries are, as a link of them tells
PIE ?= yes
## warnings are errors; "no" for compilers that are not known here
WERROR ?= yes
## compiler of the tests, for this machine
TEST_CC ?= gcc
## compiler of the fuzzers, of memcheck and of lint-clang
CLANG ?= clang
## 1: the commands are printed
V ?= 0

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(filter-out 0,$(V)),@:,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

##@ Build
.PHONY: all
## build/vhotplug (static, for this machine or for CC's) and build/vhotplugcli; ARCH=aarch64, armv7 or riscv64: by Debian's cross gcc
all:

# ---- the toolchain ----

# Goals that need no compiler must not fail for want of one.
NO_CC_GOALS := clean distclean help format unit simulate fuzz lint quick test check tests sim fuzzers coverage memcheck prove
ifneq ($(filter-out $(NO_CC_GOALS),$(or $(MAKECMDGOALS),all)),)
ifneq ($(FOREIGN),)
ifeq ($(wildcard $(CC)),)
$(info $(shell scripts/cross-toolchain.sh $(ARCH) $(dir $(CC))))
endif
ifeq ($(wildcard $(CC)),)
$(error no toolchain for $(ARCH): see above)
endif
endif
ifeq ($(shell command -v $(firstword $(CC))),)
$(error no $(firstword $(CC)): install musl-tools (Debian), or name a musl toolchain with CC=)
endif
endif

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null || uname -m)
## x86_64, aarch64, armv7, riscv64: another one than that of this machine is cross-built
ARCH ?= $(firstword $(subst -, ,$(MACHINE)))

# musl-gcc is a wrapper around a gcc that is not musl's own.
WRAPPER := $(filter musl-gcc,$(notdir $(firstword $(CC))))
CROSS := $(if $(WRAPPER),$(if $(FOREIGN),$(MACHINE)-),$(patsubst %gcc,%,$(filter %-gcc,$(firstword $(CC)))))
STRIP ?= $(CROSS)strip
NM ?= $(CROSS)nm
READELF ?= $(CROSS)readelf

B := build/$(ARCH)
GEN := build/gen
## fetch: built here from Debian's source; system: by pkg-config
LIBUSB ?= $(if $(WRAPPER),fetch,system)

# In build/, because -fstack-usage writes a file beside its output.
cc-option = $(shell mkdir -p build; $(CC) -Werror $(1) -x c -c -o build/probe.o /dev/null 2>/dev/null && echo $(1))

# ---- libusb, and what can be linked with it ----

FETCHED := build/download/libusb-1.0.26.tar.bz2
ifeq ($(LIBUSB),fetch)
LIBUSB_DIR := $(B)/libusb
LIBUSB_A := $(LIBUSB_DIR)/lib/libusb-1.0.a
LIBUSB_CPPFLAGS := -isystem $(LIBUSB_DIR)/include/libusb-1.0
LIBUSB_LIBS := $(LIBUSB_A)
else
LIBUSB_CPPFLAGS := $(shell $(PKG_CONFIG) --static --cflags libusb-1.0)
LIBUSB_LIBS := $(shell $(PKG_CONFIG) --static --libs libusb-1.0)
endif

# Buildroot's static builds say -static in both, which beats -static-pie in gcc's choice of start files.
override CFLAGS := $(filter-out -static,$(CFLAGS))
override LDFLAGS := $(filter-out -static,$(LDFLAGS))

# Tried with what decides: libusb's and the C library's own objects. What fails for another reason (no libusb) is left to the
# build, which says so.
ifeq ($(PIE),auto)
link_as = $(shell mkdir -p build; printf '%s\n' 'int libusb_init(void *);' 'int main(void) { return libusb_init(0); }' | \
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -Wl,-z,text $(1) -x c -o build/probe - -x none $(LIBUSB_LIBS) 2>/dev/null && echo $(2))
override PIE := $(if $(WRAPPER),yes,$(or $(call link_as,-fPIE -static-pie,yes),$(call link_as,-fno-pie -static -no-pie,no),yes))
$(if $(filter no,$(PIE)),$(info PIE=no: static libraries of $(firstword $(CC)) are not position-independent (docs/security.md)))
endif
ifeq ($(filter yes no,$(PIE)),)
$(error PIE is yes, no or auto, not '$(PIE)')
endif
ifneq ($(WRAPPER),)
ifneq ($(PIE),yes)
$(error PIE=$(PIE) is for a CC from outside: what is built here is position-independent)
endif
endif

# ---- flags ----

STD := -std=c11 -D_GNU_SOURCE
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef $(if $(filter yes,$(WERROR)),-Werror)
# Stack frames: the deepest path must stay far below the 8 MiB that a thread gets, and small boards give less.
STACK := $(call cc-option,-Wstack-usage=16384) $(call cc-option,-fstack-usage)
FORTIFY := $(if $(findstring _FORTIFY_SOURCE,$(CC) $(CPPFLAGS) $(CFLAGS)),,$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2))
HARDEN := $(if $(filter yes,$(PIE)),-fPIE,-fno-pie) -fstack-protector-strong $(call cc-option,-fstack-clash-protection) $(FORTIFY)
SECTIONS := -ffunction-sections -fdata-sections
# Nothing unwinds the stack in production; debuggers have tables of their own.
SECTIONS += -fno-asynchronous-unwind-tables -fno-unwind-tables
# No path of the machine that builds gets into the binary: two builds of one commit are alike.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=.
BASE_CPPFLAGS := $(STD) -iquote src -DVH_VERSION='"$(VERSION)"'
BASE_CFLAGS := $(WARNINGS) $(STACK) $(HARDEN) $(SECTIONS) $(REPRODUCIBLE)
BASE_LDFLAGS := -Wl,-z,relro,-z,now,-z,noexecstack,-z,text,--gc-sections

ifneq ($(WRAPPER),)
# The wrapper's specs do not know -static-pie: it would make a dynamic executable without a word. So the start files and
# the linker's options of a static-PIE are named here.
MUSL_LIB := $(dir $(shell sed -n 's/.*-specs "\(.*\)".*/\1/p' "$$(command -v $(firstword $(CC)))"))
crt = $(shell $(CC) -print-file-name=$(1))
STARTFILES := -static -nostartfiles -Wl,-pie,--no-dynamic-linker $(MUSL_LIB)rcrt1.o $(MUSL_LIB)crti.o $(call crt,crtbeginS.o)
ENDFILES := $(call crt,crtendS.o) $(MUSL_LIB)crtn.o
# The wrapper searches musl's headers alone; the kernel's and jsmn.h come in as links, after musl's.
SYSINCLUDE := $(B)/include
SYSCPPFLAGS := -idirafter $(SYSINCLUDE)
KERNEL_HEADERS ?= $(if $(FOREIGN),/usr/$(MACHINE)/include,/usr/include)
else
STARTFILES := $(if $(filter yes,$(PIE)),-static-pie,-static -no-pie)
endif

COMPILE = $(CC) $(BASE_CPPFLAGS) $(LIBUSB_CPPFLAGS) $(SYSCPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS)
LINK = $(CC) $(BASE_CFLAGS) $(CFLAGS) $(BASE_LDFLAGS) $(LDFLAGS) $(STARTFILES)

# ---- the binary ----

SRC := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
HDR := $(sort $(wildcard src/*.h src/*/*.h src/*/*/*.h))
# First, side by side: code that only the client, start, a reload and rare requests need. The daemon gives it back (pages.c).
RARE := $(patsubst %,src/%.c,api/api_explain api/api_pci% api/api_evdev api/api_stats bus/evdev_sysfs bus/pci_% bus/usb/usb_leave \
	bus/usb/usb_reset cli/% codec/input_% codec/state_format codec/state_read config/conf% config/policy_evdev config/policy_pci \
	daemon/check_live daemon/conf_load daemon/doctor% daemon/evdev_unmet daemon/sandbox_paths daemon/state_file main os/helper \
	os/opener_work os/sandbox%)
OBJ := $(patsubst src/%.c,$(B)/obj/%.o,$(filter $(RARE),$(SRC)) $(filter-out $(RARE),$(SRC)))
# The tables of names are made, not committed: they follow the usb.ids and the pci.ids of the machine that builds.
PCI_IDS_FETCHED := build/download/pci.ids
override PCI_IDS := $(if $(filter fetch,$(PCI_IDS)),$(PCI_IDS_FETCHED),$(PCI_IDS))
NAMES := $(if $(filter no,$(USB_IDS)),,usb_ids_table) $(if $(filter no,$(PCI_IDS)),,pci_ids_table)
NAMES_CPPFLAGS := $(if $(filter no,$(USB_IDS)),-DUSB_IDS_NONE) $(if $(filter no,$(PCI_IDS)),-DPCI_IDS_NONE)
# In front, too: no constant that is always needed lies in the same 64 KiB, of which the kernel maps all or nothing.
OBJ := $(NAMES:%=$(B)/obj/%.o) $(OBJ)
BASE_CPPFLAGS += $(NAMES_CPPFLAGS)

# build/vhotplug is always one that runs here.
all: $(B)/vhotplug
	$(if $(filter $(HOST_ARCH),$(ARCH)),$(Q)ln -sfn $(ARCH)/vhotplug build/vhotplug && ln -sfn $(ARCH)/vhotplug build/vhotplugcli)

# Rebuilds everything when the commands change. The file's time moves only then.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK) | $(LIBUSB_LIBS) | $(USB_IDS) | $(PCI_IDS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
# Links again when a file was taken out, or the order has changed.
$(B)/objects: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(OBJ)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: src/%.c $(B)/flags | $(LIBUSB_A) $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(GEN)/usb_ids_table.c: $(filter-out no,$(USB_IDS)) scripts/ids.py
	@mkdir -p $(@D)
	$(call say,NAMES,$(USB_IDS))
	$(Q)$(PYTHON) scripts/ids.py usb $(USB_IDS) $@

$(GEN)/pci_ids_table.c: $(filter-out no,$(PCI_IDS)) scripts/ids.py
	@mkdir -p $(@D)
	$(call say,NAMES,$(PCI_IDS))
	$(Q)$(PYTHON) scripts/ids.py pci $(PCI_IDS) $@

$(PCI_IDS_FETCHED):
	$(call say,FETCH,$@)
	$(Q)scripts/fetch-pci-ids.sh $@

$(B)/obj/%_ids_table.o: $(GEN)/%_ids_table.c $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<

$(B)/vhotplug.full: $(OBJ) $(LIBUSB_A) $(B)/flags $(B)/objects
	$(call say,LINK,$@)
	$(Q)$(LINK) -Wl,-Map=$@.map -o $@ $(OBJ) $(LIBUSB_LIBS) $(ENDFILES)

# The check is part of the build: a binary that breaks a promise is not made.
$(B)/vhotplug: $(B)/vhotplug.full scripts/check-binary.sh
	$(call say,STRIP,$@)
	$(Q)$(STRIP) -o $@.new $<
	$(Q)PIE='$(PIE)' READELF='$(READELF)' NM='$(NM)' scripts/check-binary.sh $@.new $<
	$(Q)mv $@.new $@

-include $(OBJ:.o=.d)

$(FETCHED):
	$(call say,FETCH,$@)
	$(Q)scripts/fetch-libusb.sh $(@D)

ifneq ($(SYSINCLUDE),)
JSMN := $(firstword $(wildcard $(KERNEL_HEADERS)/jsmn.h /usr/include/jsmn.h /usr/local/include/jsmn.h))
ASM := $(firstword $(if $(FOREIGN),,$(wildcard $(KERNEL_HEADERS)/$(ARCH)-linux-gnu/asm)) $(wildcard $(KERNEL_HEADERS)/$(MACHINE)/asm $(KERNEL_HEADERS)/asm))
$(SYSINCLUDE): Makefile
	@test -n '$(JSMN)' || { echo "no jsmn.h: install libjsmn-dev (Debian)" >&2; exit 1; }
	@test -n '$(ASM)' || { echo "no kernel headers: install linux-libc-dev$(if $(FOREIGN),-ARCH-cross) (Debian), or set KERNEL_HEADERS=" >&2; exit 1; }
	@rm -rf $@.new $@ && mkdir -p $@.new
	@ln -s $(KERNEL_HEADERS)/linux $(KERNEL_HEADERS)/asm-generic $(ASM) $(JSMN) $@.new/
	@mv $@.new $@
endif

ifneq ($(LIBUSB_A),)
$(LIBUSB_A): $(FETCHED) scripts/build-libusb.sh | $(SYSINCLUDE)
	$(call say,LIBUSB,$(LIBUSB_DIR))
	$(Q)CC='$(CC)' CPPFLAGS='$(if $(SYSINCLUDE),-idirafter $(CURDIR)/$(SYSINCLUDE))' \
		CFLAGS='-Os $(HARDEN) $(SECTIONS)' HOST='$(if $(CROSS),$(MACHINE))' scripts/build-libusb.sh $(FETCHED) $(LIBUSB_DIR)
	$(Q)touch $@
endif

# ---- install ----

.PHONY: install
## the program, its client, manual pages and completion into $(DESTDIR)$(PREFIX)
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(DOCDIR)
	install -m 755 $(B)/vhotplug$(if $(filter no,$(STRIP_INSTALLED)),.full) $(DESTDIR)$(SBINDIR)/vhotplug
	ln -sfn $$(realpath -m -s --relative-to=$(BINDIR) $(SBINDIR)/vhotplug) $(DESTDIR)$(BINDIR)/vhotplugcli
	install -m 644 README.md LICENSE $(wildcard docs/*.md docs/*.schema.json) $(DESTDIR)$(DOCDIR)/
	$(if $(wildcard rootfs-overlay/etc/vhotplug.conf),install -m 644 rootfs-overlay/etc/vhotplug.conf \
		$(DESTDIR)$(DOCDIR)/vhotplug.conf.example)
	install -D -m 644 scripts/completion.bash $(DESTDIR)$(COMPLETIONDIR)/vhotplug
	ln -sfn vhotplug $(DESTDIR)$(COMPLETIONDIR)/vhotplugcli
	@$(foreach s,1 5 8,$(if $(wildcard docs/*.$(s)),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$(s) $(wildcard docs/*.$(s)) &&)) :

include tests/tests.mk board/cross.mk board/image.mk board/package.mk lint.mk

# ---- house-keeping ----
##@ House-keeping

.PHONY: clean distclean help
## removes what was built; downloads stay, and the roots of make matrix
clean:
	$(Q)[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name download ! -name board ! -name matrix -exec rm -rf {} +

## removes build/
distclean:
	rm -rf build

## this list
help:
	@scripts/help.sh $(filter-out %.d,$(MAKEFILE_LIST))

