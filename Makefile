# vhotplug - builds with GNU make. `make help` lists the targets.
#
# Without CC the binary is made with musl-gcc and a libusb that is fetched (Debian's source package, sha256 pinned) and
# built here. With a CC from outside (Buildroot, Yocto, another musl toolchain) nothing is fetched: libusb comes from
# pkg-config, jsmn.h from the compiler's own search path. LIBUSB=fetch|system overrides that choice.

VERSION := 0.1.0

# ---- what can be set from outside ----

# Another architecture without a CC: Debian's cross gcc, and Debian's musl of that architecture below build/download.
HOST_ARCH := $(shell uname -m)
FOREIGN := $(if $(filter default,$(origin CC)),$(filter-out $(HOST_ARCH),$(ARCH)))
ifeq ($(origin CC),default)
CC := $(if $(FOREIGN),$(CURDIR)/build/download/cross-$(ARCH)/musl-gcc,musl-gcc)
endif
# Small: nearly all time goes into system calls, and a plug costs about as much with -O2.
CFLAGS ?= -Os -g
PKG_CONFIG ?= pkg-config
PYTHON ?= python3
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
DOCDIR ?= $(PREFIX)/share/doc/vhotplug
# "no" leaves the symbols to a packager who strips by himself.
STRIP_INSTALLED ?= yes
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
FAULT_TIME ?= 0
FUZZ_TIME ?= 15
V ?= 0

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(filter-out 0,$(V)),@:,@printf '  %-7s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

.PHONY: all
all:

# ---- the toolchain ----

# Goals that need no compiler must not fail for want of one.
NO_CC_GOALS := clean distclean help format unit simulate fuzz lint check tests sim fuzzers coverage memcheck
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
ARCH ?= $(firstword $(subst -, ,$(MACHINE)))

# musl-gcc is a wrapper around a gcc that is not musl's own.
WRAPPER := $(filter musl-gcc,$(notdir $(firstword $(CC))))
CROSS := $(if $(WRAPPER),$(if $(FOREIGN),$(MACHINE)-),$(patsubst %gcc,%,$(filter %-gcc,$(firstword $(CC)))))
STRIP ?= $(CROSS)strip
NM ?= $(CROSS)nm
READELF ?= $(CROSS)readelf

B := build/$(ARCH)
GEN := build/gen
LIBUSB ?= $(if $(WRAPPER),fetch,system)

# In build/, because -fstack-usage writes a file beside its output.
cc-option = $(shell mkdir -p build; $(CC) -Werror $(1) -x c -c -o build/probe.o /dev/null 2>/dev/null && echo $(1))

# ---- flags ----

STD := -std=c11 -D_GNU_SOURCE
WARNINGS := -Wall -Wextra -Wconversion -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes \
	-Wundef $(if $(filter yes,$(WERROR)),-Werror)
# Stack frames: the deepest path must stay far below the 8 MiB that a thread gets, and small boards give less.
STACK := $(call cc-option,-Wstack-usage=16384) $(call cc-option,-fstack-usage)
FORTIFY := $(if $(findstring _FORTIFY_SOURCE,$(CC) $(CPPFLAGS) $(CFLAGS)),,$(if $(filter -O0,$(CFLAGS)),,-U_FORTIFY_SOURCE \
	-D_FORTIFY_SOURCE=2))
HARDEN := -fPIE -fstack-protector-strong $(call cc-option,-fstack-clash-protection) $(FORTIFY)
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
STARTFILES := -static-pie
endif
# Buildroot's static builds say -static, which beats -static-pie in gcc's choice of start files.
override LDFLAGS := $(filter-out -static,$(LDFLAGS))

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

SRC := $(sort $(wildcard src/*.c src/*/*.c src/*/*/*.c))
HDR := $(sort $(wildcard src/*.h src/*/*.h src/*/*/*.h))
# First, side by side: code that only the client, start and a reload need. The daemon gives it back (pages.c).
RARE := $(patsubst %,src/%.c,api/api_explain api/api_stats cli/% config/conf% daemon/conf_load daemon/doctor os/helper main codec/state_format os/opener \
	os/sandbox% daemon/sandbox_paths daemon/state_file bus/usb/usb_reset)
OBJ := $(patsubst src/%.c,$(B)/obj/%.o,$(filter $(RARE),$(SRC)) $(filter-out $(RARE),$(SRC)))
# The table of USB names is made, not committed: it follows the usb.ids of the machine that builds.
ifneq ($(USB_IDS),no)
NAMES := $(GEN)/usb_names_table.c
OBJ += $(B)/obj/usb_names_table.o
else
BASE_CPPFLAGS += -DUSB_IDS_NONE
endif

# build/vhotplug is always one that runs here.
all: $(B)/vhotplug
	$(if $(filter $(HOST_ARCH),$(ARCH)),$(Q)ln -sfn $(ARCH)/vhotplug build/vhotplug && ln -sfn $(ARCH)/vhotplug build/vhotplugcli)

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

ifneq ($(NAMES),)
$(NAMES): $(USB_IDS) scripts/usbids.py
	@mkdir -p $(@D)
	$(call say,NAMES,$(USB_IDS))
	$(Q)$(PYTHON) scripts/usbids.py $(USB_IDS) $@

$(B)/obj/usb_names_table.o: $(NAMES) $(B)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<
endif

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
install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(BINDIR) $(DESTDIR)$(DOCDIR)
	install -m 755 $(B)/vhotplug$(if $(filter no,$(STRIP_INSTALLED)),.full) $(DESTDIR)$(SBINDIR)/vhotplug
	ln -sfn $$(realpath -m -s --relative-to=$(BINDIR) $(SBINDIR)/vhotplug) $(DESTDIR)$(BINDIR)/vhotplugcli
	install -m 644 README.md LICENSE $(wildcard docs/*.md) $(DESTDIR)$(DOCDIR)/
	$(if $(wildcard rootfs-overlay/etc/vhotplug.conf),install -m 644 rootfs-overlay/etc/vhotplug.conf \
		$(DESTDIR)$(DOCDIR)/vhotplug.conf.example)
	install -D -m 644 scripts/completion.bash $(DESTDIR)$(COMPLETIONDIR)/vhotplug
	ln -sfn vhotplug $(DESTDIR)$(COMPLETIONDIR)/vhotplugcli
	@$(foreach s,1 5 8,$(if $(wildcard docs/*.$(s)),install -D -m 644 -t $(DESTDIR)$(MANDIR)/man$(s) $(wildcard docs/*.$(s)) &&)) :

# ---- tests: programs for this machine, by its own compiler ----

T := build/test
TEST_LIBUSB := $(T)/libusb/lib/libusb-1.0.a
# HEAP_OWN_NAMES: the sanitizers and the machine's C library keep their own malloc.
TEST_CPPFLAGS := $(STD) -iquote src -DHEAP_OWN_NAMES -DVH_VERSION='"$(VERSION)"' \
	-isystem $(T)/libusb/include/libusb-1.0 $(if $(NAMES),,-DUSB_IDS_NONE)
TEST_CFLAGS := -g -fno-omit-frame-pointer $(filter-out -Werror,$(WARNINGS))
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
UNIT_CC = $(TEST_CC) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O1 $(SANITIZE)
SIM_CC = $(TEST_CC) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O2
# Comparisons are not traced: characters and small numbers are found without, and twice as many inputs are tried.
FUZZ_CC = $(CLANG) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O2 $(SANITIZE) -fsanitize=fuzzer-no-link \
	-fno-sanitize-coverage=trace-cmp

TEST_SRC := $(filter-out src/main.c,$(SRC))
UNIT := $(patsubst tests/unit/%.c,$(T)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
FUZZ := $(patsubst tests/fuzz/%.c,$(T)/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

$(TEST_LIBUSB): $(FETCHED) scripts/build-libusb.sh
	$(call say,LIBUSB,$(T)/libusb)
	$(Q)CC='$(TEST_CC)' CFLAGS='-O1 -g' HOST= scripts/build-libusb.sh $(FETCHED) $(T)/libusb
	$(Q)touch $@

# What test programs share: tests/unit/*.c without a main().
TEST_SHARED := $(filter-out tests/unit/test_%,$(sort $(wildcard tests/unit/*.c)))

# All of src/ but main.c, and what tests share, as an archive, four times: sanitized, fast, and instrumented for the fuzzers, twice.
define variant
$(T)/$(1)/obj/%.o: src/%.c Makefile | $(TEST_LIBUSB)
	@mkdir -p $$(@D)
	$$(call say,CC,$$< ($(1)))
	$$(Q)$$($(2)) -MMD -MP -c -o $$@ $$<
$(T)/$(1)/obj/usb_names_table.o: $(NAMES) Makefile
	@mkdir -p $$(@D)
	$$(Q)$$($(2)) -c -o $$@ $$<
$(T)/$(1)/shared/%.o: tests/unit/%.c Makefile
	@mkdir -p $$(@D)
	$$(Q)$$(filter-out --coverage,$$($(2))) -iquote tests/unit -MMD -MP -c -o $$@ $$<
$(T)/$(1)/libvhotplug.a: $(TEST_SRC:src/%.c=$(T)/$(1)/obj/%.o) $(TEST_SHARED:tests/unit/%.c=$(T)/$(1)/shared/%.o) $(if $(NAMES),$(T)/$(1)/obj/usb_names_table.o)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^
-include $(TEST_SRC:src/%.c=$(T)/$(1)/obj/%.d) $(TEST_SHARED:tests/unit/%.c=$(T)/$(1)/shared/%.d)
endef
$(eval $(call variant,unit,UNIT_CC))
$(eval $(call variant,sim,SIM_CC))
$(eval $(call variant,fuzz,FUZZ_CC))

# Those that drive a core, or the bus, have one of small tables. The core's check and JSON are no aims of theirs.
SMALL_CC = $(FUZZ_CC) -include tests/fuzz/small.h
$(eval $(call variant,small,SMALL_CC))
$(addprefix $(T)/small/obj/,core/core_check.o codec/json.o codec/unicode.o base/str.o): SMALL_CC += -fno-sanitize=fuzzer-no-link

TEST_INCLUDE := -iquote tests/unit

test_link = $(TEST_INCLUDE) -MMD -MP -MF $@.d -MT $@ -o $@ $< $(@D)/libvhotplug.a $(TEST_LIBUSB) -lpthread

comma := ,
# Tests that make calls fail, see tests/unit/fault.h: each call is wrapped at the link.
WRAP_FAULTS := $(addprefix -Wl$(comma)--wrap=,$(shell sed -n 's/^WRAP.[^,]*, \([a-z0-9_]*\),.*/\1/p; s/^OTHER.\([a-z_]*\).$$/\1/p' tests/unit/fault.h))
FAULTY := $(patsubst tests/unit/%.c,%,$(shell grep -l '"fault.h"' tests/unit/*.c))
$(foreach v,unit cov msan,$(FAULTY:%=$(T)/$(v)/%)) $(FAULTY:%=$(B)/unit/%): WRAPPED = $(WRAP_FAULTS)

$(T)/unit/%: tests/unit/%.c $(T)/unit/libvhotplug.a Makefile
	$(call say,CC,$<)
	$(Q)$(UNIT_CC) $(WRAPPED) $(test_link)

$(T)/sim/world.o: tests/sim/world.c Makefile
	@mkdir -p $(@D)
	$(Q)$(SIM_CC) $(TEST_INCLUDE) -MMD -MP -c -o $@ $<

$(T)/sim/sim: tests/sim/sim.c $(T)/sim/world.o $(T)/sim/libvhotplug.a Makefile
	$(call say,CC,$<)
	$(Q)$(SIM_CC) $(subst $<,$< $(T)/sim/world.o,$(test_link))

$(T)/fuzz/%: tests/fuzz/%.c $(T)/fuzz/libvhotplug.a Makefile
	$(call say,CC,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(WRAPPED) $(test_link)

SMALL_FUZZ := $(patsubst %,$(T)/fuzz/fuzz_%,api_stream core state_file sysfs)
$(SMALL_FUZZ): $(T)/fuzz/%: tests/fuzz/%.c $(T)/small/libvhotplug.a Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(SMALL_CC) -fsanitize=fuzzer $(WRAPPED) $(subst $(@D)/lib,$(T)/small/lib,$(test_link))

# Its file system is in memory.
WRAP_SYSFS := $(foreach f,openat read sys_stat close readlinkat syscall,-Wl,--wrap=$(f))
$(T)/fuzz/fuzz_sysfs: WRAPPED = $(WRAP_SYSFS)

-include $(UNIT:%=%.d) $(T)/sim/sim.d $(T)/sim/world.d $(FUZZ:%=%.d)

.PHONY: tests unit sim simulate fuzzers fuzz faults check
tests: $(UNIT)
sim: $(T)/sim/sim
fuzzers: $(FUZZ)

# Each program's output is TAP; all of them run even if one fails.
unit: $(UNIT)
	@bad=0; for t in $(UNIT); do echo "# $${t##*/}"; scripts/tap.sh $${t##*/} $$t || bad=1; done; exit $$bad

simulate: $(T)/sim/sim
	@scripts/tap.sh sim $(T)/sim/sim -s $(SEED) -n $(SEEDS) -f $(FACTS)

# Each system call of a recorded run of the shipped binary made to fail, and killed at; FAULT_TIME=0 tries all of them.
$(T)/fault/launch: tests/fault/launch.c src/os/sandbox_calls.h Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(TEST_CC) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O2 -o $@ $<

faults: $(T)/fault/launch all
	@bad=0; for t in calls state "faults $(FAULT_TIME)"; do echo "# fault $$t"; \
		scripts/tap.sh "$${t%% *}" $(PYTHON) tests/fault/test_$${t%% *}.py $$(expr "$$t" : '[a-z]* \(.*\)') || bad=1; done; exit $$bad

# Runs the committed inputs, then new ones for FUZZ_TIME seconds. With -j the targets run side by side.
RUN_FUZZ := $(FUZZ:$(T)/fuzz/%=run-%)
fuzz: $(RUN_FUZZ)
.PHONY: $(RUN_FUZZ)
$(RUN_FUZZ): run-%: $(T)/fuzz/%
	@scripts/fuzz.sh $< $(FUZZ_TIME)

# The static binary against scripted VMs and clients. With -j2 -O two files of them run side by side.
RUN_SYSTEM := $(patsubst tests/system/%.py,run-%,$(sort $(wildcard tests/system/test_*.py)))
.PHONY: system $(RUN_SYSTEM)
system: $(RUN_SYSTEM)
$(RUN_SYSTEM): run-%: all
	@scripts/tap.sh $* $(PYTHON) tests/system/$*.py

check:
	@scripts/check.sh

# ---- coverage: the same tests over objects that count, by gcov; minima in tests/coverage/minima ----

COV_CC = gcc $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O0 --coverage -fprofile-abs-path
$(eval $(call variant,cov,COV_CC))
COV_UNIT := $(UNIT:$(T)/unit/%=$(T)/cov/%)
COV_FUZZ := $(FUZZ:$(T)/fuzz/%=$(T)/cov/%)
# Only src/ is counted, so the programs themselves are built without.
COV_TEST_CC = $(filter-out --coverage,$(COV_CC))

$(T)/cov/test_%: tests/unit/test_%.c $(T)/cov/libvhotplug.a Makefile
	$(Q)$(COV_TEST_CC) $(WRAPPED) $(test_link) -lgcov -Wl,-u,__gcov_dump
$(T)/cov/fuzz_%: tests/fuzz/fuzz_%.c tests/coverage/replay.c $(T)/cov/libvhotplug.a Makefile
	$(Q)$(COV_TEST_CC) $(WRAPPED) tests/coverage/replay.c $(test_link) -lgcov
$(T)/cov/fuzz_sysfs: WRAPPED = $(WRAP_SYSFS)
$(T)/cov/sim: tests/sim/sim.c tests/sim/world.c $(T)/cov/libvhotplug.a Makefile
	$(Q)$(COV_TEST_CC) tests/sim/world.c $(test_link) -lgcov
# The helpers end by _exit(), and the sandbox would keep the counters from being written.
$(T)/cov/vhotplug: tests/coverage/wrap.c $(T)/cov/obj/main.o $(T)/cov/libvhotplug.a Makefile
	$(Q)$(COV_TEST_CC) -DCOUNTERS='"$(CURDIR)/$(T)/cov/obj"' $(foreach f,_exit prctl syscall,-Wl,--wrap=$(f)) -o $@ $(filter %.c %.o %.a,$^) \
		$(TEST_LIBUSB) -lpthread -lgcov
	@ln -sfn vhotplug $(@D)/vhotplugcli
-include $(COV_UNIT:%=%.d) $(COV_FUZZ:%=%.d) $(T)/cov/sim.d

# ---- memory that was never written: the units once more, by MemorySanitizer ----

# -O1 keeps its reports readable. libusb is not built for it, and no unit calls it.
MSAN_CC = $(CLANG) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O1 -fsanitize=memory -fsanitize-memory-track-origins \
	-fno-sanitize-recover=all
$(eval $(call variant,msan,MSAN_CC))
MSAN_UNIT := $(UNIT:$(T)/unit/%=$(T)/msan/%)
$(T)/msan/test_%: tests/unit/test_%.c $(T)/msan/libvhotplug.a Makefile
	$(call say,CC,$<)
	$(Q)$(MSAN_CC) $(WRAPPED) $(test_link)
$(T)/msan/sim: tests/sim/sim.c tests/sim/world.c $(T)/msan/libvhotplug.a Makefile
	$(Q)$(MSAN_CC) tests/sim/world.c $(test_link)
-include $(MSAN_UNIT:%=%.d) $(T)/msan/sim.d

.PHONY: memcheck
memcheck: $(MSAN_UNIT) $(T)/msan/sim
	@bad=0; for t in $(MSAN_UNIT); do echo "# $${t##*/}"; scripts/tap.sh $${t##*/} $$t || bad=1; done; \
		scripts/tap.sh sim $(T)/msan/sim -s 1 -n 2 -f 50000 || bad=1; exit $$bad

.PHONY: coverage
coverage: $(COV_UNIT) $(COV_FUZZ) $(T)/cov/sim $(T)/cov/vhotplug $(T)/fault/launch
	@scripts/coverage.sh $(T)/cov

# ---- figures: nothing here passes or fails but bench-smoke, which only looks whether all of them are there ----

# The yardsticks and what presses on them are static, as the daemon is; micro links what the simulation links.
BENCH_TOOLS := $(T)/bench/yard $(T)/bench/load $(T)/bench/micro
BENCH_CC = $(or $(if $(WRAPPER),$(if $(FOREIGN),,$(CC))),$(TEST_CC))
$(T)/bench/%: tests/bench/%.c tests/bench/tool.h Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(BENCH_CC) $(STD) $(filter-out -Werror,$(WARNINGS)) -O2 -static -o $@ $<
$(T)/bench/micro: tests/bench/micro.c tests/bench/tool.h $(T)/sim/libvhotplug.a Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(SIM_CC) $(TEST_INCLUDE) -o $@ $< $(T)/sim/libvhotplug.a $(TEST_LIBUSB) -lpthread

.PHONY: bench bench-smoke bench-compare bench-report bench-baseline bench-board
bench: all $(BENCH_TOOLS)
	@$(PYTHON) tests/bench/bench.py $(T)/bench build/bench.json $(ONLY)
	@$(PYTHON) tests/bench/report.py table build/bench.json
bench-smoke: all $(BENCH_TOOLS)
	@BENCH_QUICK=1 $(PYTHON) tests/bench/bench.py $(T)/bench build/bench-smoke.json >/dev/null
	@$(PYTHON) tests/bench/report.py complete build/bench-smoke.json
bench-compare bench-report bench-baseline: build/bench.json
build/bench.json:
	@echo "no $@: run 'make bench' first" >&2; exit 1
bench-compare:
	@$(PYTHON) tests/bench/report.py compare build/bench.json
bench-report:
	@$(PYTHON) tests/bench/report.py docs build/bench.json
bench-baseline:
	@$(PYTHON) tests/bench/report.py baseline build/bench.json
bench-board: all $(BENCH_TOOLS)
	@$(PYTHON) tests/bench/board.py $(T)/bench build/bench-board.json

include board/cross.mk board/image.mk board/package.mk

# ---- lint ----

LINT := lint-format lint-gcc lint-clang lint-analyzer lint-cppcheck lint-tidy lint-shell lint-man lint-docs lint-layers
LINT_C := $(SRC) $(sort $(wildcard tests/*/*.c))
LINT_ALL := $(LINT_C) $(HDR) $(sort $(wildcard tests/*/*.h))
LINT_FLAGS = $(TEST_CPPFLAGS) $(TEST_INCLUDE) $(filter-out -Werror,$(WARNINGS)) -Werror -fsyntax-only
SHELL_SCRIPTS = $(sort $(wildcard scripts/*.sh scripts/*.bash .ci/run tests/*/*.sh board/*.sh) $(shell grep -rlIE '^\#!/bin/((ba|busybox )?sh|sbin/openrc-run)' \
	tests board rootfs-overlay 2>/dev/null))

.PHONY: lint $(LINT) format
lint: $(LINT)
lint-format:
	$(call say,LINT,clang-format)
	$(Q)clang-format --dry-run -Werror $(LINT_ALL)
lint-gcc lint-clang: | $(TEST_LIBUSB)
lint-gcc:
	$(call say,LINT,gcc)
	$(Q)gcc $(LINT_FLAGS) $(LINT_C)
lint-clang:
	$(call say,LINT,clang)
	$(Q)$(CLANG) $(LINT_FLAGS) $(LINT_C)
# gcc's own paths through each file. An assertion that states what it cannot know silences it, so nothing is suppressed.
lint-analyzer: $(SRC:src/%.c=$(T)/analyzer/%.ok)
	$(call say,LINT,gcc -fanalyzer)
$(T)/analyzer/%.ok: src/%.c Makefile | $(TEST_LIBUSB)
	@mkdir -p $(@D)
	$(Q)gcc $(TEST_CPPFLAGS) -O1 -Werror -fanalyzer -MMD -MP -MF $(@:.ok=.d) -MT $@ -c -o /dev/null $<
	@touch $@
-include $(SRC:src/%.c=$(T)/analyzer/%.d)
lint-cppcheck:
	$(call say,LINT,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem -D_GNU_SOURCE -Isrc $(SRC)
lint-tidy: | $(TEST_LIBUSB)
	$(call say,LINT,clang-tidy)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $(SRC) -- $(TEST_CPPFLAGS)
lint-shell:
	$(call say,LINT,shellcheck)
	$(Q)shellcheck $(SHELL_SCRIPTS)
lint-man:
	$(call say,LINT,mandoc)
	$(Q)mandoc -Tlint -W warning $(wildcard docs/*.[158])
lint-docs:
	$(call say,LINT,docs)
	$(Q)$(PYTHON) scripts/check_docs.py
lint-layers: $(OBJ)
	$(call say,LINT,layers)
	$(Q)NM='$(NM)' scripts/check-layers.sh $(B)/obj

format:
	clang-format -i $(LINT_ALL)

# ---- house-keeping ----

.PHONY: clean distclean help
# What was downloaded stays until distclean.
clean:
	$(Q)[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name download ! -name board -exec rm -rf {} +

distclean:
	rm -rf build

help:
	@echo 'make                     build/vhotplug (static, for $(ARCH)) and build/vhotplugcli'
	@echo 'make ARCH=ARCH           for aarch64, armv7 (hard float) or riscv64, with Debian'\''s cross gcc: build/ARCH/vhotplug'
	@echo 'make ARCH=ARCH cross-unit  its unit tests, run by qemu-user'
	@echo 'make image BOARD=BOARD   kernel, initramfs and root file system for qemu-x86_64 or qemu-aarch64: build/image/BOARD'
	@echo 'make install             into $$(DESTDIR)$$(PREFIX), PREFIX=$(PREFIX)'
	@echo 'make install-sysv        besides: configuration, initramfs part, init script; also -systemd, -openrc'
	@echo 'make size, sbom, dist    footprint; bill of materials (SPDX); source archive with its checksum'
	@echo 'make check               everything: scripts/check.sh installs what it needs, builds, runs all tests'
	@echo 'make unit                unit tests with address and undefined-behaviour sanitizers'
	@echo 'make faults              every system call made to fail: FAULT_TIME=$(FAULT_TIME) seconds (0: all, some minutes)'
	@echo 'make simulate            core simulation: SEED=$(SEED) SEEDS=$(SEEDS) FACTS=$(FACTS) (facts for each seed)'
	@echo 'make system              the binary against scripted VMs and clients; -j2 -O runs two files of tests at a time'
	@echo 'make fuzz                every fuzzer for FUZZ_TIME=$(FUZZ_TIME) seconds; -j2 runs two at a time'
	@echo 'make coverage            lines and branches of each file, by all tests but the board; fails below tests/coverage/minima'
	@echo 'make memcheck            unit tests and some simulation by MemorySanitizer: nothing is read that was never written'
	@echo 'make bench               figures against yardsticks: build/bench.json; bench-compare: is one a fifth lower than at bench-baseline?'
	@echo 'make bench-board         some of them on the emulated board; bench-report puts those of bench into docs/performance.md'
	@echo 'make lint                clang-format, gcc, clang, gcc -fanalyzer, cppcheck, clang-tidy, shellcheck, mandoc, docs, layers (-k: all findings)'
	@echo 'make format              clang-format on all sources'
	@echo 'make clean, distclean    clean keeps downloads'
	@echo 'Variables: CC CFLAGS CPPFLAGS LDFLAGS PKG_CONFIG LIBUSB=fetch|system LIBUSB_TARBALL USB_IDS=FILE|no WERROR=no V=1'
