# vhotplug - builds with GNU make. `make help` lists the targets.
#
# Without CC the binary is made with musl-gcc and a libusb that is fetched (Debian's source package, sha256 pinned) and
# built here. With a CC from outside (Buildroot, Yocto, another musl toolchain) nothing is fetched: libusb comes from
# pkg-config, jsmn.h from the compiler's own search path. LIBUSB=fetch|system overrides that choice.

VERSION := 0.1.0

# ---- what can be set from outside ----

ifeq ($(origin CC),default)
CC := musl-gcc
endif
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
DOCDIR ?= $(PREFIX)/share/doc/vhotplug
# Names of USB devices: a usb.ids file, or "no" to leave the table out.
USB_IDS ?= $(firstword $(wildcard /usr/share/misc/usb.ids /usr/share/hwdata/usb.ids) no)
# Warnings are errors; WERROR=no for compilers that we do not know.
WERROR ?= yes
# The compilers of tests, fuzzers and lint; they make programs for this machine.
TEST_CC ?= gcc
CLANG ?= clang
SEEDS ?= 10
FACTS ?= 200000
SEED ?= 1
FUZZ_TIME ?= 15
V ?= 0

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(filter-out 0,$(V)),@:,@printf '  %-7s %s\n' $(1) $(2))

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all:

# ---- the toolchain ----

# Goals that need no compiler must not fail for want of one.
NO_CC_GOALS := clean distclean help format unit simulate fuzz lint check tests sim fuzzers
ifneq ($(filter-out $(NO_CC_GOALS),$(or $(MAKECMDGOALS),all)),)
ifeq ($(shell command -v $(firstword $(CC))),)
$(error no $(firstword $(CC)): install musl-tools (Debian), or name a musl toolchain with CC=)
endif
endif

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null || uname -m)
ARCH ?= $(firstword $(subst -, ,$(MACHINE)))

# musl-gcc is a wrapper around a gcc that is not musl's own.
WRAPPER := $(filter musl-gcc,$(notdir $(firstword $(CC))))
CROSS := $(if $(WRAPPER),,$(patsubst %gcc,%,$(filter %-gcc,$(firstword $(CC)))))
STRIP ?= $(CROSS)strip
NM ?= $(CROSS)nm
READELF ?= $(CROSS)readelf

B := build/$(ARCH)
LIBUSB ?= $(if $(WRAPPER),fetch,system)

cc-option = $(shell $(CC) -Werror $(1) -x c -c -o /dev/null /dev/null 2>/dev/null && echo $(1))

# ---- flags ----

STD := -std=c11 -D_GNU_SOURCE
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef $(if $(filter yes,$(WERROR)),-Werror)
# Stack frames: the deepest path must stay far below the 8 MiB that a thread gets, and small boards give less.
STACK := $(call cc-option,-Wstack-usage=16384)
FORTIFY := $(if $(findstring _FORTIFY_SOURCE,$(CC) $(CPPFLAGS) $(CFLAGS)),,$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2))
HARDEN := -fPIE -fstack-protector-strong $(call cc-option,-fstack-clash-protection) $(FORTIFY)
SECTIONS := -ffunction-sections -fdata-sections
# No path of the machine that builds gets into the binary: two builds of one commit are alike.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=.
# -iquote: src/limits.h must not stand in for the C library's <limits.h>.
BASE_CPPFLAGS := $(STD) -iquote src -iquote $(B)/gen -DVH_VERSION='"$(VERSION)"'
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
KERNEL_HEADERS ?= /usr/include
else
STARTFILES := -static-pie
endif

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

COMPILE = $(CC) $(BASE_CPPFLAGS) $(LIBUSB_CPPFLAGS) $(SYSCPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS)
LINK = $(CC) $(BASE_CFLAGS) $(CFLAGS) $(BASE_LDFLAGS) $(LDFLAGS) $(STARTFILES)

# ---- the binary ----

SRC := $(sort $(wildcard src/*.c))
OBJ := $(SRC:src/%.c=$(B)/obj/%.o)

all: $(B)/vhotplug
	$(Q)ln -sfn $(ARCH)/vhotplug build/vhotplug
	$(Q)ln -sfn $(ARCH)/vhotplug build/vhotplugcli

# Rebuilds everything when the commands change. The file's time moves only then.
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(COMPILE) | $(LINK) | $(LIBUSB_LIBS) | $(USB_IDS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
.PHONY: FORCE
FORCE:

$(B)/obj/%.o: src/%.c $(B)/flags | $(LIBUSB_A) $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(B)/vhotplug.full: $(OBJ) $(LIBUSB_A) $(B)/flags
	$(call say,LINK,$@)
	$(Q)$(LINK) -Wl,-Map=$@.map -o $@ $(OBJ) $(LIBUSB_LIBS) $(ENDFILES)

# The check is part of the build: a binary that breaks a promise is not made.
$(B)/vhotplug: $(B)/vhotplug.full scripts/check-binary.sh
	$(call say,STRIP,$@)
	$(Q)$(STRIP) -o $@.new $<
	$(Q)READELF='$(READELF)' NM='$(NM)' scripts/check-binary.sh $@.new $<
	$(Q)mv $@.new $@

-include $(OBJ:.o=.d)

$(FETCHED):
	$(call say,FETCH,$@)
	$(Q)scripts/fetch-libusb.sh $(@D)

ifneq ($(SYSINCLUDE),)
JSMN := $(firstword $(wildcard $(KERNEL_HEADERS)/jsmn.h /usr/include/jsmn.h /usr/local/include/jsmn.h))
ASM := $(firstword $(wildcard $(KERNEL_HEADERS)/$(ARCH)-linux-gnu/asm $(KERNEL_HEADERS)/$(MACHINE)/asm $(KERNEL_HEADERS)/asm))
$(SYSINCLUDE): Makefile
	@test -n '$(JSMN)' || { echo "no jsmn.h: install libjsmn-dev (Debian)" >&2; exit 1; }
	@test -n '$(ASM)' || { echo "no kernel headers: install linux-libc-dev (Debian), or set KERNEL_HEADERS=" >&2; exit 1; }
	@rm -rf $@.new $@ && mkdir -p $@.new
	@ln -s $(KERNEL_HEADERS)/linux $(KERNEL_HEADERS)/asm-generic $(ASM) $(JSMN) $@.new/
	@mv $@.new $@
endif

ifneq ($(LIBUSB_A),)
$(LIBUSB_A): $(FETCHED) scripts/build-libusb.sh | $(SYSINCLUDE)
	$(call say,LIBUSB,$(LIBUSB_DIR))
	$(Q)CC='$(CC)' CPPFLAGS='$(if $(SYSINCLUDE),-idirafter $(CURDIR)/$(SYSINCLUDE))' \
		CFLAGS='-O2 $(HARDEN) $(SECTIONS)' HOST='$(if $(CROSS),$(MACHINE))' scripts/build-libusb.sh $(FETCHED) $(LIBUSB_DIR)
	$(Q)touch $@
endif

# ---- install ----

.PHONY: install
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(DOCDIR)
	install -m 755 $(B)/vhotplug $(DESTDIR)$(SBINDIR)/vhotplug
	ln -sfn $$(realpath -m -s --relative-to=$(BINDIR) $(SBINDIR)/vhotplug) $(DESTDIR)$(BINDIR)/vhotplugcli
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(DOCDIR)/
	$(if $(wildcard rootfs-overlay/etc/vhotplug.conf),install -m 644 rootfs-overlay/etc/vhotplug.conf \
		$(DESTDIR)$(DOCDIR)/vhotplug.conf.example)
	$(foreach s,1 5 8,$(if $(wildcard docs/*.$(s)),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$(s) $(wildcard docs/*.$(s)) &&)) true

# ---- tests: made by this machine's own compiler, sources with assertions and sanitizers ----

T := build/test
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# HEAP_OWN_NAMES: the sanitizers need a malloc of their own.
TEST_CPPFLAGS := $(STD) -DHEAP_OWN_NAMES -iquote src -iquote $(B)/gen -DVH_VERSION='"$(VERSION)"' \
	-isystem $(T)/libusb/include/libusb-1.0
TEST_WARNINGS := $(filter-out -Werror,$(WARNINGS))
TEST_CFLAGS ?= -O1 -g
TEST_LIBUSB := $(T)/libusb/lib/libusb-1.0.a
TEST_SRC := $(filter-out src/main.c,$(SRC))
UNIT := $(patsubst tests/unit/%.c,$(T)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))

$(TEST_LIBUSB): $(FETCHED) scripts/build-libusb.sh
	$(call say,LIBUSB,$(T)/libusb)
	$(Q)CC='$(TEST_CC)' CFLAGS='-O1 -g' HOST= scripts/build-libusb.sh $(FETCHED) $(T)/libusb
	$(Q)touch $@

$(T)/obj/%.o: src/%.c Makefile | $(TEST_LIBUSB)
	@mkdir -p $(@D)
	$(call say,TESTCC,$<)
	$(Q)$(TEST_CC) $(TEST_CPPFLAGS) $(TEST_WARNINGS) $(TEST_CFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<

$(T)/libvhotplug.a: $(TEST_SRC:src/%.c=$(T)/obj/%.o)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(T)/unit/%: tests/unit/%.c $(T)/libvhotplug.a Makefile
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(TEST_CC) $(TEST_CPPFLAGS) $(TEST_WARNINGS) $(TEST_CFLAGS) $(SANITIZE) -MMD -MP -MF $@.d -MT $@ -o $@ $< \
		$(T)/libvhotplug.a $(TEST_LIBUSB) -lpthread

-include $(patsubst src/%.c,$(T)/obj/%.d,$(TEST_SRC)) $(UNIT:%=%.d)

.PHONY: tests unit
tests: $(UNIT)
# Each program's output is TAP; all of them run even if one fails.
unit: $(UNIT)
	@bad=0; for t in $(UNIT); do echo "# $${t##*/}"; scripts/tap.sh $${t##*/} $$t || bad=1; done; exit $$bad

# ---- house-keeping ----

.PHONY: clean distclean
clean:
	find build -mindepth 1 -maxdepth 1 ! -name download ! -name board -exec rm -rf {} + 2>/dev/null || true
distclean:
	rm -rf build
