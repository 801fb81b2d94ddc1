# The product's own objects, for whatever machine they are, tested as they are: linked with the unit tests, run by qemu-user if
# this machine cannot. Only the arena leaves malloc to the C library, since tests take memory too.

X := $(B)/unit
CROSS_UNIT := $(patsubst tests/unit/%.c,$(X)/%,$(sort $(wildcard tests/unit/test_*.c)))
CROSS_OBJ := $(filter-out $(B)/obj/main.o $(B)/obj/os/heap.o,$(OBJ)) $(X)/heap.o $(TEST_SHARED:tests/unit/%.c=$(X)/%.o)
QEMU_USER ?= $(if $(filter $(HOST_ARCH),$(ARCH)),,qemu-$(patsubst armv7,arm,$(ARCH))-static)

$(X)/heap.o: src/os/heap.c $(B)/flags | $(LIBUSB_A) $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -DHEAP_OWN_NAMES -MMD -MP -c -o $@ $<

$(X)/%.o: tests/unit/%.c $(B)/flags | $(LIBUSB_A) $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(Q)$(filter-out -Wstack-usage=%,$(COMPILE)) $(TEST_INCLUDE) -MMD -MP -c -o $@ $<

# An archive, as for the native tests: a test that plays a file itself keeps that file's object out.
$(X)/libvhotplug.a: $(CROSS_OBJ)
	@rm -f $@
	$(Q)ar rcs $@ $^

$(X)/test_%: $(X)/test_%.o $(X)/libvhotplug.a $(LIBUSB_A) $(B)/flags
	$(call say,LINK,$@)
	$(Q)$(LINK) $(WRAPPED) -o $@ $< $(X)/libvhotplug.a $(LIBUSB_LIBS) $(ENDFILES)

-include $(CROSS_UNIT:=.d) $(TEST_SHARED:tests/unit/%.c=$(X)/%.d)

# qemu-user has no seccomp: the sandbox is tested on the board, by test_image.py. And below it a worker that has given its
# memory back was seen to answer no more, which no kernel does: test_worker is run on this machine only.
ON_BOARD := $(addprefix $(X)/,test_sandbox test_logger test_processes test_worker)

.PHONY: cross-unit on-board
on-board: $(ON_BOARD)
##@ Boards
## with ARCH=: its unit tests, run by qemu-user
cross-unit: $(CROSS_UNIT)
	@bad=0; for t in $(if $(QEMU_USER),$(filter-out $(ON_BOARD),$(CROSS_UNIT)),$(CROSS_UNIT)); do echo "# $(ARCH) $${t##*/}"; scripts/tap.sh $(ARCH)-$${t##*/} $(QEMU_USER) $$t || bad=1; done; exit $$bad
