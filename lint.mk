# Lint: programs that read the sources. Included by the Makefile, after tests/tests.mk, whose flags these rules use.

##@ Variables
## with `make quick`: the commit that files are compared with
SINCE ?= HEAD

# With CHANGED set, only files that differ from SINCE, committed or not, and only linters that are installed.
DIFFERENT := $(if $(CHANGED),$(shell git diff --relative --name-only --diff-filter=d $(SINCE); git ls-files --others --exclude-standard))
only = $(if $(CHANGED),$(filter $(DIFFERENT),$(1)),$(1))

LINT_SRC := $(call only,$(SRC))
LINT_C := $(call only,$(SRC) $(sort $(wildcard tests/*/*.c)))
LINT_ALL := $(LINT_C) $(call only,$(HDR) $(sort $(wildcard tests/*/*.h)))
LINT_MAN := $(call only,$(wildcard docs/*.[158]))
LINT := lint-format lint-gcc lint-clang lint-analyzer lint-cppcheck lint-tidy lint-shell lint-man lint-docs lint-layers lint-tests
LINT_FLAGS = $(TEST_CPPFLAGS) $(TEST_INCLUDE) $(filter-out -Werror,$(WARNINGS)) -Werror -fsyntax-only
SHELL_SCRIPTS = $(call only,$(sort $(wildcard scripts/*.sh scripts/*.bash .ci/run tests/*/*.sh board/*.sh) \
	$(shell grep -rlIE '^\#!/bin/((ba|busybox )?sh|sbin/openrc-run)' tests board rootfs-overlay 2>/dev/null)))

ifneq ($(CHANGED),)
LINT := $(if $(LINT_ALL),lint-format) $(if $(LINT_C),lint-gcc lint-clang) $(if $(LINT_SRC),lint-analyzer lint-cppcheck lint-tidy) \
	$(if $(SHELL_SCRIPTS),lint-shell) $(if $(LINT_MAN),lint-man) $(if $(filter %.md,$(DIFFERENT)),lint-docs) $(if $(filter src/%,$(LINT_ALL)),lint-layers) lint-tests
tool = $(or $(patsubst $(1):%,%,$(filter $(1):%,lint-format:clang-format lint-clang:$(CLANG) lint-cppcheck:cppcheck lint-tidy:clang-tidy \
	lint-shell:shellcheck lint-man:mandoc lint-docs:$(PYTHON) lint-layers:$(firstword $(CC)))),gcc)
NO_TOOL := $(strip $(foreach l,$(LINT),$(if $(shell command -v $(call tool,$(l))),,$(l))))
LINT := $(filter-out $(NO_TOOL),$(LINT))
endif

.PHONY: lint $(LINT) format
##@ Lint
## clang-format, gcc, clang, gcc -fanalyzer, cppcheck, clang-tidy, shellcheck, mandoc, docs, layers, each also as lint-NAME; -k: all findings
lint: $(LINT)
	@$(if $(NO_TOOL),echo 'not installed$(comma) so not done: $(NO_TOOL:lint-%=%) (scripts/need.sh lint installs them)')
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
lint-analyzer: $(LINT_SRC:src/%.c=$(T)/analyzer/%.ok)
	$(call say,LINT,gcc -fanalyzer)
$(T)/analyzer/%.ok: src/%.c $(TEST_MK) lint.mk | $(TEST_LIBUSB)
	@mkdir -p $(@D)
	$(Q)gcc $(TEST_CPPFLAGS) -O1 -Werror -fanalyzer -MMD -MP -MF $(@:.ok=.d) -MT $@ -c -o /dev/null $<
	@touch $@
-include $(SRC:src/%.c=$(T)/analyzer/%.d)
lint-cppcheck:
	$(call say,LINT,cppcheck)
	$(Q)cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem -D_GNU_SOURCE -Isrc $(LINT_SRC)
lint-tidy: | $(TEST_LIBUSB)
	$(call say,LINT,clang-tidy)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $(LINT_SRC) -- $(TEST_CPPFLAGS)
lint-shell:
	$(call say,LINT,shellcheck)
	$(Q)shellcheck $(SHELL_SCRIPTS)
lint-man:
	$(call say,LINT,mandoc)
	$(Q)mandoc -Tlint -W warning $(LINT_MAN)
	$(Q)$(PYTHON) scripts/check-manuals.py $(LINT_MAN)
## Markdown: lines, links, names of files
lint-docs:
	$(call say,LINT,docs)
	$(Q)$(PYTHON) scripts/check-docs.py
## layers of src/: includes, circles of files, pure files
lint-layers: $(OBJ)
	$(call say,LINT,layers)
	$(Q)NM='$(NM)' scripts/check-layers.sh $(B)/obj
## tests/README.md: where the tests of each source file are
lint-tests:
	$(call say,LINT,tests)
	$(Q)scripts/check-tests.sh

## clang-format on all sources
format:
	clang-format -i $(LINT_ALL)

