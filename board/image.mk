# Images of the emulated boards; board/common/mkimage.sh says what is in them. Also the test's QMP monitor, for the board's
# architecture.

## qemu-x86_64 or qemu-aarch64
BOARD ?= qemu-x86_64

.PHONY: image fakeqmp vfiotool
##@ Boards
## kernel, initramfs and root file system for BOARD: build/image/BOARD
image: board/$(BOARD)/board.conf
	$(Q)$(MAKE) --no-print-directory ARCH=$(BOARD:qemu-%=%)
	$(Q)board/common/mkimage.sh $(BOARD)

# For test_vfio.py: what the daemon is made of, but for main.c.
vfiotool: $(B)/vfiotool
$(B)/vfiotool: tests/board/vfiotool.c $(filter-out $(B)/obj/main.o,$(OBJ)) $(LIBUSB_A) $(B)/flags | $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(Q)$(filter-out -Wstack-usage=%,$(COMPILE)) -c -o $@.o $<
	$(Q)$(LINK) -o $@ $@.o $(filter %.o,$(filter-out $<,$^)) $(LIBUSB_LIBS) $(if $(ENDFILES),$(ENDFILES))

# A guest of no operating system, for a VM on the board.
$(T)/board/ejector: tests/board/ejector.c $(TEST_MK)
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(TEST_CC) -std=c11 $(filter-out -Werror,$(WARNINGS)) -m32 -Os -ffreestanding -fno-pie -fno-stack-protector -nostdlib -static -no-pie \
		-Wl,-z,noseparate-code,-z,noexecstack,--build-id=none,-Ttext=0x100000 -o $@ $<

fakeqmp: $(B)/fakeqmp
$(B)/fakeqmp: tests/board/fakeqmp.c $(B)/flags | $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(Q)$(filter-out -Wstack-usage=%,$(COMPILE)) -c -o $@.o $<
	$(Q)$(LINK) -o $@ $@.o $(if $(ENDFILES),$(ENDFILES))
