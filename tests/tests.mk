# Tests: programs for this machine, made by its own compiler (TEST_CC), and the targets that run them. Included by the
# Makefile, whose flags and lists of sources these rules use.

##@ Variables
## first seed of the simulation
SEED ?= 1
## how many seeds
SEEDS ?= 10
## facts of each seed
FACTS ?= 200000
## seconds for make faults; 0: every failure that was recorded
FAULT_TIME ?= 0
## seconds for each fuzzer
FUZZ_TIME ?= 15
## name for `make unit`: only tests/unit/test_ONLY*.c; for `make bench`: the figures wanted
ONLY ?=
## 1: `make unit` also runs programs that are unchanged since they passed
RERUN ?= 0

# ---- what all tests share ----

T := build/test
# What the commands of this file depend on.
TEST_MK := Makefile tests/tests.mk
TEST_LIBUSB := $(T)/libusb/lib/libusb-1.0.a
# HEAP_OWN_NAMES: the sanitizers and the machine's C library keep their own malloc.
TEST_CPPFLAGS := $(STD) -iquote src -DHEAP_OWN_NAMES -DVH_VERSION='"$(VERSION)"' \
	-isystem $(T)/libusb/include/libusb-1.0 $(NAMES_CPPFLAGS)
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

# All of src/ but main.c, and what tests share, as an archive, four times: sanitized, fast, and instrumented for the
# fuzzers, twice.
members = $(TEST_SRC:src/%.c=$(T)/$(1)/obj/%.o) $(TEST_SHARED:tests/unit/%.c=$(T)/$(1)/shared/%.o) \
	$(NAMES:%=$(T)/$(1)/obj/%.o)
define variant
$(T)/$(1)/obj/%.o: src/%.c $(TEST_MK) | $(TEST_LIBUSB)
	@mkdir -p $$(@D)
	$$(call say,CC,$$< ($(1)))
	$$(Q)$$($(2)) -MMD -MP -c -o $$@ $$<
$(T)/$(1)/obj/%_ids_table.o: $(GEN)/%_ids_table.c $(TEST_MK)
	@mkdir -p $$(@D)
	$$(Q)$$($(2)) -c -o $$@ $$<
$(T)/$(1)/shared/%.o: tests/unit/%.c $(TEST_MK)
	@mkdir -p $$(@D)
	$$(Q)$$(filter-out --coverage,$$($(2))) -iquote tests/unit -MMD -MP -c -o $$@ $$<
$(T)/$(1)/libvhotplug.a: $(call members,$(1))
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

# The archive is order-only: a unit program depends on those of its objects that the linker took, see link-members.sh.
$(T)/unit/%: tests/unit/%.c $(TEST_MK) scripts/link-members.sh | $(T)/unit/libvhotplug.a
	$(call say,CC,$<)
	@rm -f $@
	$(Q)$(UNIT_CC) $(WRAPPED) $(test_link) -Wl,-Map=$@.map
	@scripts/link-members.sh $@ $@.map $(call members,unit) >>$@.d && rm $@.map
# It reads them.
$(T)/unit/test_conf: docs/config.md rootfs-overlay/etc/vhotplug.conf

# The simulated world, beside sim.c.
WORLD := account world
$(WORLD:%=$(T)/sim/%.o): $(T)/sim/%.o: tests/sim/%.c $(TEST_MK)
	@mkdir -p $(@D)
	$(Q)$(SIM_CC) $(TEST_INCLUDE) -MMD -MP -c -o $@ $<

$(T)/sim/sim: tests/sim/sim.c $(WORLD:%=$(T)/sim/%.o) $(T)/sim/libvhotplug.a $(TEST_MK)
	$(call say,CC,$<)
	$(Q)$(SIM_CC) $(subst $<,$< $(WORLD:%=$(T)/sim/%.o),$(test_link))

$(T)/fuzz/%: tests/fuzz/%.c $(T)/fuzz/libvhotplug.a $(TEST_MK)
	$(call say,CC,$<)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer $(WRAPPED) $(test_link)

SMALL_FUZZ := $(patsubst %,$(T)/fuzz/fuzz_%,api_stream core state_file sysfs)
$(SMALL_FUZZ): $(T)/fuzz/%: tests/fuzz/%.c $(T)/small/libvhotplug.a $(TEST_MK)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(SMALL_CC) -fsanitize=fuzzer $(WRAPPED) $(subst $(@D)/lib,$(T)/small/lib,$(test_link))

# No file is opened, and no process is forked.
$(foreach v,fuzz cov,$(T)/$(v)/fuzz_connector_order): WRAPPED = -Wl,--wrap=openat
$(foreach v,fuzz cov,$(T)/$(v)/fuzz_disk_order): WRAPPED = -Wl,--wrap=helper_start

# Its file system is in memory.
WRAP_SYSFS := $(foreach f,openat read sys_stat close readlinkat syscall,-Wl,--wrap=$(f))
$(T)/fuzz/fuzz_sysfs: WRAPPED = $(WRAP_SYSFS)

-include $(UNIT:%=%.d) $(T)/sim/sim.d $(WORLD:%=$(T)/sim/%.d) $(FUZZ:%=%.d)

.PHONY: matrix quick test check tests unit sim simulate fuzzers fuzz faults test-layers

##@ Checks of three sizes
JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
## seconds: units whose objects changed since they passed, linters of the files that differ from SINCE
quick:
	@bad=0; \
	$(MAKE) $(JOBS) --no-print-directory unit QUIET=1 || bad=1; \
	$(MAKE) $(JOBS) -k --no-print-directory lint CHANGED=1 || bad=1; exit $$bad

## minutes: units, some simulation, system tests, the check of layers; installs nothing, names what is missing
test:
	@scripts/need.sh -n test
	@bad=; \
	$(MAKE) $(JOBS) --no-print-directory unit || bad="$$bad unit"; \
	$(MAKE) $(JOBS) --no-print-directory simulate SEEDS=2 FACTS=50000 || bad="$$bad simulate"; \
	$(MAKE) $(JOBS) --no-print-directory -k -O system || bad="$$bad system"; \
	$(MAKE) $(JOBS) --no-print-directory lint-layers test-layers || bad="$$bad layers"; \
	if [ -n "$$bad" ]; then echo "make test: failed:$$bad"; exit 1; fi; echo "make test: all passed"

## everything, by scripts/check.sh: installs what it needs (Debian), builds, runs all tests
check:
	@scripts/check.sh

##@ Tests
tests: $(UNIT)
sim: $(T)/sim/sim
fuzzers: $(FUZZ)

# The programs of one run; the other targets take all of UNIT.
UNIT_RUN := $(filter $(T)/unit/test_$(ONLY)%,$(UNIT))
## unit tests with address and undefined-behaviour sanitizers; ONLY=core: those of tests/unit/test_core*.c
unit: $(UNIT_RUN)
	@$(if $(UNIT_RUN),,echo "no tests/unit/test_$(ONLY)*.c" >&2; exit 1)
	@RERUN='$(RERUN)' QUIET='$(QUIET)' scripts/units.sh $(UNIT_RUN)

## the core against a simulated world, with faults
simulate: $(T)/sim/sim
	@scripts/tap.sh sim $(T)/sim/sim -s $(SEED) -n $(SEEDS) -f $(FACTS)
	@scripts/tap.sh sim-quarantine $(T)/sim/sim -q -s $(SEED) -n 2 -f $(FACTS)
	@scripts/tap.sh sim-guests $(T)/sim/sim -g -s $(SEED) -n 2 -f $(FACTS)
	@scripts/tap.sh sim-pci $(T)/sim/sim -p -s $(SEED) -n 2 -f $(FACTS)

# Each system call of a recorded run of the shipped binary made to fail, and killed at; FAULT_TIME=0 tries all of them.
# Static: the board runs it beside another C library.
$(T)/fault/launch: tests/fault/launch.c src/os/sandbox_calls.h $(TEST_MK)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(TEST_CC) $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O2 -static -o $@ $<

## every system call of the binary made to fail, killed at each; FAULT_TIME=60: a part
faults: $(T)/fault/launch all
	@bad=0; for t in calls state "faults $(FAULT_TIME)"; do echo "# fault $$t"; \
		scripts/tap.sh "$${t%% *}" $(PYTHON) tests/fault/test_$${t%% *}.py $$(expr "$$t" : '[a-z]* \(.*\)') || bad=1; done; exit $$bad

# Runs the committed inputs, then new ones for FUZZ_TIME seconds. With -j the targets run side by side.
RUN_FUZZ := $(FUZZ:$(T)/fuzz/%=run-%)
## every fuzzer: committed inputs, then new ones for FUZZ_TIME seconds; -j2: two at a time
fuzz: $(RUN_FUZZ)
.PHONY: $(RUN_FUZZ)
$(RUN_FUZZ): run-%: $(T)/fuzz/%
	@scripts/fuzz.sh $< $(FUZZ_TIME)

# The static binary against scripted VMs and clients. With -j2 -O two files of them run side by side.
RUN_SYSTEM := $(patsubst tests/system/%.py,run-%,$(sort $(wildcard tests/system/test_*.py)))
.PHONY: system $(RUN_SYSTEM)
## the binary against scripted VMs and clients; -j2 -O: two files of tests at a time
system: $(RUN_SYSTEM)
$(RUN_SYSTEM): run-%: all
	@scripts/tap.sh $* $(PYTHON) tests/system/$*.py

# Debian's, unpacked and not installed: the package would start a server on this machine.
PROMTOOL := build/download/promtool/promtool
.PHONY: promtool
## fetches promtool (Debian), by which the system tests then check `vhotplugcli stats --prometheus`
promtool: $(if $(shell command -v promtool),,$(PROMTOOL))
$(PROMTOOL):
	$(call say,FETCH,$@)
	$(Q)scripts/fetch-deb.sh "$$(dpkg --print-architecture)" build/download/prometheus prometheus
	@mkdir -p $(@D)
	$(Q)mv build/download/prometheus/usr/bin/promtool $@
	@rm -rf build/download/prometheus

# The check of layers itself: does it find what was planted?
## scripts/check-layers.sh against planted violations
test-layers: $(OBJ)
	@NM='$(NM)' TEST_CC='$(TEST_CC)' scripts/tap.sh layers sh tests/scripts/test_layers.sh $(B)/obj

# MATRIX="qemu5.2:linux5.10 ...": these cells. Hours for all.
## the board's tests over four versions of QEMU and of the kernel; MATRIX="qemu11.1:linux7.2 qemu5.2:*": some of them
matrix: all $(T)/fault/launch $(T)/board/ejector vfiotool
	@set -f; scripts/matrix.sh $(MATRIX)

# ---- coverage: the same tests over objects that count, by gcov; minima in tests/coverage/minima ----

COV_CC = gcc $(TEST_CPPFLAGS) $(TEST_CFLAGS) -O0 --coverage -fprofile-abs-path
$(eval $(call variant,cov,COV_CC))
COV_UNIT := $(UNIT:$(T)/unit/%=$(T)/cov/%)
COV_FUZZ := $(FUZZ:$(T)/fuzz/%=$(T)/cov/%)
# Only src/ is counted, so the programs themselves are built without.
COV_TEST_CC = $(filter-out --coverage,$(COV_CC))

$(T)/cov/test_%: tests/unit/test_%.c $(T)/cov/libvhotplug.a $(TEST_MK)
	$(Q)$(COV_TEST_CC) $(WRAPPED) $(test_link) -lgcov -Wl,-u,__gcov_dump
$(T)/cov/fuzz_%: tests/fuzz/fuzz_%.c tests/coverage/replay.c $(T)/cov/libvhotplug.a $(TEST_MK)
	$(Q)$(COV_TEST_CC) $(WRAPPED) tests/coverage/replay.c $(test_link) -lgcov
$(T)/cov/fuzz_sysfs: WRAPPED = $(WRAP_SYSFS)
$(T)/cov/sim: tests/sim/sim.c $(WORLD:%=tests/sim/%.c) $(T)/cov/libvhotplug.a $(TEST_MK)
	$(Q)$(COV_TEST_CC) $(WORLD:%=tests/sim/%.c) $(test_link) -lgcov
# The helpers end by _exit(), and the sandbox would keep the counters from being written.
$(T)/cov/vhotplug: tests/coverage/wrap.c $(T)/cov/obj/main.o $(T)/cov/libvhotplug.a $(TEST_MK)
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
$(T)/msan/test_%: tests/unit/test_%.c $(T)/msan/libvhotplug.a $(TEST_MK)
	$(call say,CC,$<)
	$(Q)$(MSAN_CC) $(WRAPPED) $(test_link)
$(T)/msan/sim: tests/sim/sim.c $(WORLD:%=tests/sim/%.c) $(T)/msan/libvhotplug.a $(TEST_MK)
	$(Q)$(MSAN_CC) $(WORLD:%=tests/sim/%.c) $(test_link)
-include $(MSAN_UNIT:%=%.d) $(T)/msan/sim.d

.PHONY: memcheck
## unit tests and some simulation by MemorySanitizer: nothing is read that was never written
memcheck: $(MSAN_UNIT) $(T)/msan/sim
	@bad=0; for t in $(MSAN_UNIT); do echo "# $${t##*/}"; scripts/tap.sh $${t##*/} $$t || bad=1; done; \
		scripts/tap.sh sim $(T)/msan/sim -s 1 -n 2 -f 50000 || bad=1; exit $$bad

.PHONY: coverage
## lines and branches of each file, by all tests but the board; fails below tests/coverage/minima
coverage: $(COV_UNIT) $(COV_FUZZ) $(T)/cov/sim $(T)/cov/vhotplug $(T)/fault/launch
	@scripts/coverage.sh $(T)/cov

# ---- mutants: does a test see each small change of a pure file? ----

MUTABLE := $(sort $(wildcard $(addprefix src/,api/*.c codec/*.c config/*.c core/*.c */*_order.c)) src/server/quota.c)
## how many changes make mutate tries, about
MUTANTS ?= 150
.PHONY: mutate
## MUTANTS small changes of the pure files, chosen by SEED: fails if tests see less than 97 %; ONLY=core/: those files
mutate: export MUTATE_BUILD = $(T)
mutate: export MUTATE_CC = $(UNIT_CC)
mutate: export MUTATE_SIM_CC = $(SIM_CC)
mutate: export MUTATE_CLANG = $(CLANG) $(TEST_CPPFLAGS)
mutate: export MUTATE_LINK = $(TEST_LIBUSB) -lpthread
mutate: export MUTATE_WRAP = $(WRAP_FAULTS)
mutate: export MUTATE_FAULTY = $(FAULTY)
mutate: $(UNIT) $(T)/sim/sim
	@$(PYTHON) tests/mutate/mutate.py -s $(SEED) -n $(MUTANTS) $(filter src/$(ONLY)%,$(MUTABLE))

# ---- bounded proofs, by cbmc of Debian 13 ----

PROVE_FETCHED := build/download/cbmc/bin
## where cbmc, goto-cc and goto-instrument (6.6) are; without it, Debian 13's are unpacked below build/download
PROVE_BIN ?= $(PROVE_FETCHED)
.PHONY: prove
## proofs of tests/prove, then each once more with faults planted, which it must see; ONLY=access: those of prove_access.c
prove: export PROVE_CPPFLAGS = $(TEST_CPPFLAGS)
prove: export PROVE_BIN := $(PROVE_BIN)
prove: $(TEST_LIBUSB)
	$(Q)[ '$(PROVE_BIN)' != '$(PROVE_FETCHED)' ] || scripts/fetch-cbmc.sh $(dir $(PROVE_FETCHED))
	@$(PYTHON) -B tests/prove/prove.py $(ONLY)

# ---- figures: nothing here passes or fails but bench-smoke, which only looks whether all of them are there ----

# The yardsticks and what presses on them are static, as the daemon is; micro links what the simulation links.
BENCH_TOOLS := $(T)/bench/yard $(T)/bench/load $(T)/bench/micro
BOARD_TOOLS := $(T)/bench/hand
BENCH_CC = $(or $(if $(WRAPPER),$(if $(FOREIGN),,$(CC))),$(TEST_CC))
$(T)/bench/%: tests/bench/%.c tests/bench/tool.h $(TEST_MK) $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(BENCH_CC) $(STD) $(SYSCPPFLAGS) $(filter-out -Werror,$(WARNINGS)) -O2 -static -o $@ $<
$(T)/bench/micro: tests/bench/micro.c tests/bench/tool.h $(T)/sim/libvhotplug.a $(TEST_MK)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(SIM_CC) $(TEST_INCLUDE) -o $@ $< $(T)/sim/libvhotplug.a $(TEST_LIBUSB) -lpthread

.PHONY: bench bench-smoke bench-compare bench-report bench-baseline bench-board bench-board-report
##@ Figures
## figures against yardsticks: build/bench.json
bench: all $(BENCH_TOOLS)
	@$(PYTHON) tests/bench/bench.py $(T)/bench build/bench.json $(ONLY)
	@$(PYTHON) tests/bench/report.py table build/bench.json
## every figure once, quickly: is it there?
bench-smoke: all $(BENCH_TOOLS)
	@BENCH_QUICK=1 $(PYTHON) tests/bench/bench.py $(T)/bench build/bench-smoke.json >/dev/null
	@$(PYTHON) tests/bench/report.py complete build/bench-smoke.json
bench-compare bench-report bench-baseline: build/bench.json
build/bench.json:
	@echo "no $@: run 'make bench' first" >&2; exit 1
## is a figure a fifth lower than at bench-baseline?
bench-compare:
	@$(PYTHON) tests/bench/report.py compare build/bench.json
## the figures of bench into docs/performance.md
bench-report:
	@$(PYTHON) tests/bench/report.py docs build/bench.json
## keeps the figures of bench for later comparison
bench-baseline:
	@$(PYTHON) tests/bench/report.py baseline build/bench.json
## some of them on the emulated board, and real devices on their way to a real QEMU; ONLY=handover: these
bench-board: all $(BENCH_TOOLS) $(BOARD_TOOLS)
	@$(PYTHON) tests/bench/board.py $(T)/bench build/bench-board.json $(ONLY)
## the board's figures about real devices into docs/performance.md
bench-board-report:
	@test -e build/bench-board.json || { echo "no build/bench-board.json: run 'make bench-board' first" >&2; exit 1; }
	@$(PYTHON) tests/bench/report.py board build/bench-board.json

