# usb-host, the device that vhotplug gives to guests, exists only in a QEMU with libusb.
PACKAGECONFIG:append:class-target = " libusb"
