/*
 * usb_reset.c - resets a device by libusb. Owns nothing; never lets libusb discover devices: libusb gets an opened
 * node, and starts no thread, no netlink socket and no scan.
 *
 * The context lives only during the reset. An assertion holds that malloc's arena is as empty afterwards as before.
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
        return true; /* it was reset and came back as another device, which uevents report */
    (void)str_copy(why, cap, e == 0 ? "" : libusb_error_name(e)); /* short names */
    return e == 0;
}
