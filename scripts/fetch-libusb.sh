#!/bin/sh
# Prints nothing and leaves the upstream tarball of Debian's source package libusb-1.0 at DIR/libusb-1.0.26.tar.bz2
# (fetch-source.sh says how). LIBUSB_TARBALL=FILE takes a file at hand instead (other distributions, no network).
set -eu
[ $# -eq 1 ] || { echo "usage: fetch-libusb.sh DIR" >&2; exit 2; }
"$(dirname "$0")/fetch-source.sh" "$1/libusb-1.0.26.tar.bz2" "${LIBUSB_TARBALL:-}" libusb-1.0 2:1.0.26-1 \
    libusb-1.0_1.0.26-1.dsc 3d75673e367fab1d0ca1ef29276ff4ea31dd7678c9573c10975e8d80bdbd0b14 \
    libusb-1.0_1.0.26.orig.tar.bz2 12ce7a61fc9854d1d2a1ffe095f7b5fac19ddba095c259e6067a46500381b5a5 || {
    echo "fetch-libusb: set LIBUSB_TARBALL to libusb 1.0.26's release tarball, or use a libusb of yours (LIBUSB=system)" >&2
    exit 1
}
