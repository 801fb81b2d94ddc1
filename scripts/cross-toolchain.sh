#!/bin/sh
# Makes DIR/musl-gcc, a musl compiler for another architecture, on a Debian machine: Debian's cross gcc with Debian's musl-dev
# of that architecture unpacked below DIR. Where Debian has none (riscv64 in Debian 12) musl's source package, pinned by version
# and sha256, is built with that gcc. The machine itself is not changed; need.sh cross installs the cross gcc.
#
# usage: cross-toolchain.sh aarch64|armv7|riscv64 DIR
#        MUSL_TARBALL=FILE takes musl 1.2.3's release tarball at hand, for the build from source
set -eu

[ $# -eq 2 ] || { echo "usage: cross-toolchain.sh aarch64|armv7|riscv64 DIR" >&2; exit 2; }
case $1 in
aarch64) deb=arm64 gnu=aarch64-linux-gnu musl=aarch64-linux-musl ;;
armv7) deb=armhf gnu=arm-linux-gnueabihf musl=arm-linux-musleabihf ;;
riscv64) deb=riscv64 gnu=riscv64-linux-gnu musl=riscv64-linux-musl ;;
*)
    echo "cross-toolchain: $1 is none of aarch64, armv7 (hard float), riscv64: name a musl toolchain of yours with CC=" >&2
    exit 2
    ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
dir=$(cd "$2" && pwd)
sysroot=$dir/sysroot
command -v "$gnu-gcc" >/dev/null || {
    echo "cross-toolchain: no $gnu-gcc: install gcc-$gnu and linux-libc-dev-$deb-cross (Debian), or name a musl toolchain with CC=" >&2
    exit 1
}

from_source() {
    echo "cross-toolchain: building musl for $1 from its source"
    "$here/fetch-source.sh" "$dir/musl-1.2.3.tar.gz" "${MUSL_TARBALL:-}" musl 1.2.3-1 \
        musl_1.2.3-1.dsc 243a7462e9c751da662c4c61d4c96b6318c796ba302b72f6cdf74ea5427a9b4f \
        musl_1.2.3.orig.tar.gz 7d5b0b6062521e4627e099e4c9dc8248d32a30285e959b7eecaa780cf8cfd4a4
    rm -rf "$dir/work"
    mkdir -p "$dir/work"
    tar -xzf "$dir/musl-1.2.3.tar.gz" -C "$dir/work" --strip-components=1
    if ! (
        unset MAKEFLAGS MFLAGS MAKEOVERRIDES CC CFLAGS CPPFLAGS LDFLAGS # meant for our own Makefile
        cd "$dir/work"
        ./configure --target="$gnu" CROSS_COMPILE="$gnu-" --disable-shared --prefix="$sysroot/usr" \
            --libdir="$sysroot/usr/lib/$musl" --includedir="$sysroot/usr/include/$musl" \
            CFLAGS="-ffile-prefix-map=$dir/work=musl"
        make -s -j"$(nproc)"
        make -s install-headers install-libs
    ) >"$dir/build.log" 2>&1; then
        tail -n 20 "$dir/build.log" >&2
        echo "cross-toolchain: musl could not be built; the whole log is $dir/build.log" >&2
        exit 1
    fi
    rm -rf "$dir/work"
    echo "musl-dev 1.2.3-1 source" >"$sysroot/packages"
}

rm -rf "$sysroot" "$dir/musl-gcc"
if ! why=$("$here/fetch-deb.sh" "$deb" "$sysroot" musl-dev 2>&1); then
    from_source "$1" || {
        echo "$why" >&2
        exit 1
    }
fi
lib=$(dirname "$(find "$sysroot/usr/lib" -name rcrt1.o)")
include=$sysroot/usr/include/$(basename "$lib")

# As musl's own wrapper has them, with the sysroot's paths.
cat >"$lib/musl-gcc.specs" <<EOF
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $include -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $include -isystem include%s

*link_libgcc:
-L$lib -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
%{!shared: $lib/Scrt1.o} $lib/crti.o crtbeginS.o%s

*endfile:
crtendS.o%s $lib/crtn.o

*link:
-dynamic-linker /lib/ld-musl-$1.so.1 -nostdlib %{shared:-shared} %{static:-static} %{rdynamic:-export-dynamic}

*esp_link:


*esp_options:


*esp_cpp_options:


EOF
# libgcc's choice of atomics at run time asks glibc for the processor's abilities.
outline=
[ "$1" != aarch64 ] || outline=-mno-outline-atomics
cat >"$dir/musl-gcc.new" <<EOF
#!/bin/sh
exec $gnu-gcc $outline "\$@" -specs "$lib/musl-gcc.specs"
EOF
chmod +x "$dir/musl-gcc.new"
mv "$dir/musl-gcc.new" "$dir/musl-gcc"
