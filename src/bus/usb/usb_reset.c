/*
 * usb_reset.c - libusb without its discovery: no thread, no netlink, no scan; it is only handed an opened node.
 *
 * The context lives only as long as the reset, and the arena behind malloc is as empty afterwards as before: asserted.
 */
#include "bus/usb/usb_reset.h"

#include "base/log.h"
#include "base/str.h"
#include "os/heap.h"

#include <libusb.h>

bool usb_reset(int fd, char *why, size_t cap) {
    libusb_context *context = NULL;
    libusb_device_handle *handle = NULL;
    size_t baseline = heap_used();
    int e = libusb_set_option(NULL, LIBUSB_OPTION_NO_DEVICE_DISCOVERY);
    if (e == 0)
        e = libusb_init(&context);
    if (e == 0) {
        e = libusb_wrap_sys_device(context, (intptr_t)fd, &handle);
        if (e == 0) {
            e = libusb_reset_device(handle);
            libusb_close(handle);
        }
        libusb_exit(context);
    }
    VH_ASSERT(heap_used() == baseline);
    if (e == LIBUSB_ERROR_NOT_FOUND)
        return true; /* it was reset and came back as another device: the kernel tells by uevents */
    (void)str_copy(why, cap, e == 0 ? "" : libusb_error_name(e)); /* short names */
    return e == 0;
}
