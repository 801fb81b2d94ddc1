# Images of the emulated boards; board/common/mkimage.sh says what is in them. Also the test's QMP monitor, for the board's
# architecture.

## qemu-x86_64 or qemu-aarch64
BOARD ?= qemu-x86_64

.PHONY: image fakeqmp
##@ Boards
## kernel, initramfs and root file system for BOARD: build/image/BOARD
image: board/$(BOARD)/board.conf
	$(Q)$(MAKE) --no-print-directory ARCH=$(BOARD:qemu-%=%)
	$(Q)board/common/mkimage.sh $(BOARD)

fakeqmp: $(B)/fakeqmp
$(B)/fakeqmp: tests/board/fakeqmp.c $(B)/flags | $(SYSINCLUDE)
	@mkdir -p $(@D)
	$(Q)$(filter-out -Wstack-usage=%,$(COMPILE)) -c -o $@.o $<
	$(Q)$(LINK) -o $@ $@.o $(if $(ENDFILES),$(ENDFILES))
