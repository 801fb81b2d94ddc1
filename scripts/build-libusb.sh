#!/bin/sh
# Builds libusb statically, without udev, from a release tarball: PREFIX/lib/libusb-1.0.a and PREFIX/include/libusb-1.0.
# CC, CPPFLAGS and CFLAGS come from the environment; HOST is the GNU name of the machine that it is for, if not this one.
set -eu
unset MAKEFLAGS MFLAGS MAKEOVERRIDES DESTDIR PREFIX LDFLAGS # meant for our own Makefile, not for libusb's

[ $# -eq 2 ] || { echo "usage: build-libusb.sh TARBALL PREFIX" >&2; exit 2; }
tarball=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
mkdir -p "$2"
prefix=$(cd "$2" && pwd)
work=$prefix/work
log=$prefix/build.log

rm -rf "$work"
mkdir -p "$work"
tar -xjf "$tarball" -C "$work" --strip-components=1

build() {
    cd "$work"
    # -ffile-prefix-map: no path of this machine gets into the binary, so that two builds are alike.
    ./configure --prefix="$prefix" --libdir="$prefix/lib" ${HOST:+"--host=$HOST"} --disable-udev --enable-static --disable-shared \
        --disable-log --disable-dependency-tracking --quiet \
        CC="$CC" CPPFLAGS="${CPPFLAGS:-}" CFLAGS="${CFLAGS:-} -ffile-prefix-map=$work=libusb" PKG_CONFIG=false
    make -s -C libusb
    make -s -C libusb install
}

if ! (build) >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "build-libusb: failed; the whole log is $log" >&2
    exit 1
fi
rm -rf "$work"
