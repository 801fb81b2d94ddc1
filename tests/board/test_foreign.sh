#!/bin/sh
# Builds as Buildroot and Yocto do: CC, LDFLAGS and PKG_CONFIG from outside, a sysroot that is not this machine's, its own libusb
# and jsmn.h, nothing fetched. The sysroot is made up from what the aarch64 cross build has. Prints TAP; the log on a failure.
#
# usage: test_foreign.sh       after `make ARCH=aarch64`
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
from=$top/build/download/cross-aarch64/sysroot/usr
tree=$top/build/check/foreign.d
gnu=aarch64-linux-gnu
tool=$tree/host/bin/aarch64-made-up-linux-musl
lines=+1 # the whole log of what fails
# shellcheck source=tests/board/tap.sh
. tests/board/tap.sh

[ -f build/aarch64/libusb/lib/libusb-1.0.a ] || { echo "test_foreign: run make ARCH=aarch64 first" >&2; exit 1; }
rm -rf "$tree"
mkdir -p "$tree/sysroot/usr/lib/pkgconfig" "$tree/sysroot/usr/include" "$tree/host/bin"
cp -a "$from/include/aarch64-linux-musl/." "$tree/sysroot/usr/include/"
cp "$from"/lib/aarch64-linux-musl/*.[ao] "$tree/sysroot/usr/lib/"
for headers in linux asm asm-generic; do cp -a "/usr/$gnu/include/$headers" "$tree/sysroot/usr/include/"; done
cp /usr/include/jsmn.h "$tree/sysroot/usr/include/"
cp -a build/aarch64/libusb/include/libusb-1.0 "$tree/sysroot/usr/include/"
cp build/aarch64/libusb/lib/libusb-1.0.a "$tree/sysroot/usr/lib/"
cat >"$tree/sysroot/usr/lib/pkgconfig/libusb-1.0.pc" <<'PC'
prefix=/usr
libdir=${prefix}/lib
includedir=${prefix}/include
Name: libusb-1.0
Description: made-up sysroot
Version: 1.0.26
Libs: -L${libdir} -lusb-1.0
Libs.private: -pthread
Cflags: -I${includedir}/libusb-1.0
PC
cat >"$tool-gcc" <<EOF
#!/bin/sh
exec $gnu-gcc --sysroot=$tree/sysroot -nostdinc -isystem $tree/sysroot/usr/include \\
    -isystem \$($gnu-gcc -print-file-name=include) -B$tree/sysroot/usr/lib/ -L$tree/sysroot/usr/lib -mno-outline-atomics "\$@"
EOF
mkdir -p "$tree/sysroot/usr/share/hwdata"
cp /usr/share/misc/usb.ids "$tree/sysroot/usr/share/hwdata/"
for t in strip nm readelf; do ln -s "$(command -v $gnu-$t)" "$tool-$t"; done
cat >"$tree/host/bin/pkg-config" <<EOF
#!/bin/sh
export PKG_CONFIG_SYSROOT_DIR=$tree/sysroot PKG_CONFIG_LIBDIR=$tree/sysroot/usr/lib/pkgconfig
exec $(command -v pkg-config) "\$@"
EOF
chmod +x "$tool-gcc" "$tree/host/bin/pkg-config"

# Both pass their toolchain through the environment; its tools are found on the PATH. The build is a copy, as theirs are.
# shellcheck disable=SC2317 # called through test_that
foreign() { # CFLAGS LDFLAGS MAKE-ARG...
    cflags=$1 flags=$2
    shift 2
    env -u MAKEFLAGS PATH="$tree/host/bin:$PATH" CC=aarch64-made-up-linux-musl-gcc CFLAGS="-Os -g0 $cflags" LDFLAGS="$flags" \
        PKG_CONFIG="$tree/host/bin/pkg-config" make -C "$tree/src" -j2 "$@"
}
mkdir "$tree/src"
cp -a Makefile lint.mk src scripts docs board rootfs-overlay tests README.md LICENSE "$tree/src/"

binary=$tree/src/build/aarch64/vhotplug
test_that "Buildroot's way: static flags in both places, no table of names" foreign -static -static USB_IDS=no PIE=auto
test_that "nothing was fetched" test ! -e "$tree/src/build/download"
test_that "the binary is checked as the native one is" env READELF="$gnu-readelf" NM="$gnu-nm" \
    scripts/check-binary.sh "$binary" "$binary.full"
test_that "it runs" qemu-aarch64-static "$binary" --version
test_that "Yocto's way: hash style given, installed unstripped" foreign '' '-Wl,-O1 -Wl,--hash-style=gnu' STRIP_INSTALLED=no \
    DESTDIR="$tree/image" PREFIX=/usr install
test_that "the client is a link to it" test "$(readlink "$tree/image/usr/bin/vhotplugcli")" = ../sbin/vhotplug
test_that "with symbols, for the packager to strip" sh -c "$gnu-nm '$tree/image/usr/sbin/vhotplug' | grep -q ' T main'"

# The Buildroot package's own commands, with what its infrastructure would give them.
cat >"$tree/infrastructure.mk" <<EOF
BR2_EXTERNAL_VHOTPLUG_PATH = $tree/src/board/buildroot
TARGET_MAKE_ENV = PATH="$tree/host/bin:$PATH"
TARGET_CONFIGURE_OPTS = CC="$tool-gcc" NM="$tool-nm" STRIP=/bin/true READELF="$tool-readelf" CFLAGS="-Os -g0 -static" \\
	CPPFLAGS="-D_LARGEFILE_SOURCE -D_FILE_OFFSET_BITS=64" LDFLAGS="-static" PKG_CONFIG="$tree/host/bin/pkg-config"
TARGET_CROSS = $tool-
TARGET_DIR = $tree/target
STAGING_DIR = $tree/sysroot
BR2_PACKAGE_VHOTPLUG_NAMES = y
INSTALL = install
qstrip = \$(strip \$(subst ",,\$(1)))
KCONFIG_ENABLE_OPT = echo \$(1) >>$tree/kernel-options
include \$(BR2_EXTERNAL_VHOTPLUG_PATH)/external.mk
$tree/src/.stamp:
	\$(VHOTPLUG_BUILD_CMDS)
	\$(VHOTPLUG_INSTALL_TARGET_CMDS)
	\$(VHOTPLUG_INSTALL_INIT_SYSV)
	\$(VHOTPLUG_LINUX_CONFIG_FIXUPS)
	\$(if \$(filter local,\$(VHOTPLUG_SITE_METHOD)),,false)
	touch \$@
EOF
test_that "Buildroot's package: its commands build and install" env -u MAKEFLAGS make -f "$tree/infrastructure.mk" "$tree/src/.stamp"
test_that "what they install runs" qemu-aarch64-static "$tree/target/usr/sbin/vhotplug" --check -c "$tree/target/etc/vhotplug.conf"
for file in usr/bin/vhotplugcli etc/init.d/S25vhotplug etc/default/vhotplug usr/lib/vhotplug/initramfs.sh var/lib/vhotplug; do
    test_that "installed: $file" test -e "$tree/target/$file"
done
test_that "with the names of devices" sh -c "grep -aq Logitech '$tree/target/usr/sbin/vhotplug'"
test_that "with symbols, for Buildroot to strip" sh -c "$gnu-nm '$tree/target/usr/sbin/vhotplug' | grep -q ' T main'"
echo "# edited" >>"$tree/target/etc/default/vhotplug"
rm "$tree/src/.stamp"
test_that "installed again: the examples are the source's" sh -c "make -s -f '$tree/infrastructure.mk' '$tree/src/.stamp' >/dev/null &&
    cmp '$tree/target/etc/default/vhotplug' rootfs-overlay/etc/default/vhotplug"
test_that "the kernel fix-ups are called" grep -qx CONFIG_USB "$tree/kernel-options"

# Buildroot's own static libraries are not position-independent. The option finds out, and no other promise is given up.
cp "$tree/sysroot/usr/lib/libusb-1.0.a" "$tree/position-independent.a"
# shellcheck disable=SC2317 # called through test_that
fixed_libusb() {
    env CC="$tool-gcc" CFLAGS='-Os -fno-pie' HOST=aarch64-linux-gnu scripts/build-libusb.sh build/download/libusb-1.0.26.tar.bz2 "$tree/fixed" &&
        cp "$tree/fixed/lib/libusb-1.0.a" "$tree/sysroot/usr/lib/"
}
test_that "a libusb that is not position-independent can be made" fixed_libusb
# shellcheck disable=SC2016 # for the inner shell
test_that "with it a position-independent program cannot be linked" sh -c '! "$@" >/dev/null 2>&1' sh \
    env -u MAKEFLAGS PATH="$tree/host/bin:$PATH" CC=aarch64-made-up-linux-musl-gcc CFLAGS=-Os PKG_CONFIG="$tree/host/bin/pkg-config" \
    make -C "$tree/src" -j2 USB_IDS=no
foreign -static -static USB_IDS=no PIE=auto >"$tree/auto" 2>&1
test_that "PIE=auto links one at fixed addresses, and says so" sh -c "cat '$tree/auto'; grep -q '^PIE=no: ' '$tree/auto' && '$gnu-readelf' -h '$binary' | grep -q 'Type: *EXEC'"
test_that "all other promises hold" env PIE=no READELF="$gnu-readelf" NM="$gnu-nm" scripts/check-binary.sh "$binary" "$binary.full"
test_that "it runs, too" qemu-aarch64-static "$binary" --version
cp "$tree/position-independent.a" "$tree/sysroot/usr/lib/libusb-1.0.a"

# shellcheck disable=SC2016 # for the inner shell
test_that "without a libusb in the sysroot the build says so" sh -c '
    rm "$1"/sysroot/usr/lib/libusb-1.0.a
    rm -f "$1"/src/build/aarch64/vhotplug*
    ! env PATH="$1/host/bin:$PATH" CC=aarch64-made-up-linux-musl-gcc PKG_CONFIG="$1/host/bin/pkg-config" make -C "$1/src" 2>"$1/err"
    grep -q usb "$1/err"' sh "$tree"
echo "1..$count"
exit $failed
