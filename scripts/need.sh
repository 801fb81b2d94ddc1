#!/bin/sh
# Installs what is missing for a purpose, by Debian's package names, with apt and root or sudo. Elsewhere, or without the
# right to install, it names what is missing. Nothing is done if all is there.
#
# usage: need.sh [-n] PURPOSE...      build (the binary), test (unit, simulation, system tests), fuzz, bench, lint, board (the
#        emulated one), cross (aarch64 on another machine), cross-armv7, cross-riscv64, deb (packages), image (of the boards, and both emulators)
#        -n      only names what is missing, and how to get it
# exit: 0 all there now, 1 something is missing
set -u

# "probe package": a program on the PATH, an absolute path, can_fuzz or can_validate.
packages() {
    case $1 in
    build)
        echo "gcc gcc
            make make
            musl-gcc musl-tools
            bzip2 bzip2
            /usr/include/jsmn.h libjsmn-dev
            /usr/include/linux/usbdevice_fs.h linux-libc-dev
            python3 python3
            /usr/share/misc/usb.ids usb.ids"
        ;;
    test)
        packages build
        echo "/usr/include/stdio.h libc6-dev
            socat socat
            can_validate python3-jsonschema"
        ;;
    fuzz)
        packages test
        echo "clang clang
            can_fuzz libclang-rt-dev"
        ;;
    bench)
        packages test
        echo "strace strace
            taskset util-linux"
        ;;
    lint)
        packages test
        echo "clang clang
            clang-format clang-format
            clang-tidy clang-tidy
            cppcheck cppcheck
            shellcheck shellcheck
            mandoc mandoc"
        ;;
    cross)
        packages build
        echo "aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
            /usr/aarch64-linux-gnu/include/linux/usbdevice_fs.h linux-libc-dev-arm64-cross
            qemu-aarch64-static qemu-user-static
            pkg-config pkgconf"
        ;;
    cross-armv7)
        packages build
        echo "arm-linux-gnueabihf-gcc gcc-arm-linux-gnueabihf
            /usr/arm-linux-gnueabihf/include/linux/usbdevice_fs.h linux-libc-dev-armhf-cross
            qemu-arm-static qemu-user-static"
        ;;
    cross-riscv64)
        packages build
        echo "riscv64-linux-gnu-gcc gcc-riscv64-linux-gnu
            /usr/riscv64-linux-gnu/include/linux/usbdevice_fs.h linux-libc-dev-riscv64-cross
            qemu-riscv64-static qemu-user-static"
        ;;
    board)
        packages build
        echo "qemu-system-x86_64 qemu-system-x86
            busybox busybox-static
            modprobe kmod
            xz xz-utils
            cpio cpio"
        ;;
    deb)
        packages build
        echo "dpkg-buildpackage dpkg-dev
            dh debhelper
            lintian lintian"
        ;;
    image)
        packages cross
        echo "qemu-system-x86_64 qemu-system-x86
            qemu-system-aarch64 qemu-system-arm
            mke2fs e2fsprogs
            modprobe kmod
            xz xz-utils
            cpio cpio"
        ;;
    *)
        echo "need: no such purpose: $1" >&2
        exit 2
        ;;
    esac
}

PATH=$PATH:/usr/sbin:/sbin # kmod's programs, also for users

can_fuzz() {
    echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p == 0 && n > 0; }' |
        clang -fsanitize=fuzzer,address -x c - -o /dev/null >/dev/null 2>&1
}

can_validate() {
    PYTHONPATH="$(dirname "$0")/../tests/system" python3 -B -c 'import validator' 2>/dev/null
}

is_there() {
    case $1 in
    can_fuzz | can_validate) "$1" ;;
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing() { # PURPOSE...: the packages, each once
    for purpose; do
        packages "$purpose"
    done | sort -u | while read -r probe package; do
        is_there "$probe" || echo "$package"
    done | sort -u
}

say_only=
if [ "${1:-}" = -n ]; then
    say_only=1
    shift
fi
for purpose; do
    packages "$purpose" >/dev/null
done
lacking=$(missing "$@" | tr '\n' ' ')
[ -n "$lacking" ] || exit 0

if [ -n "$say_only" ]; then
    echo "need: missing here, by their Debian names: $lacking" >&2
    echo "need: scripts/need.sh $* installs them (Debian, as root or with sudo)" >&2
    exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "need: missing here, by their Debian names: $lacking" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    sudo=
elif command -v sudo >/dev/null 2>&1; then
    sudo=sudo
else
    echo "need: missing: $lacking- run as root or with sudo: apt-get install --no-install-recommends $lacking" >&2
    exit 1
fi

echo "installing: $lacking"
install() {
    # shellcheck disable=SC2086 # the packages are words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 install --no-install-recommends $lacking </dev/null
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Package lists may be absent or old: then once more after an update.
if ! install >"$log" 2>&1 && ! { $sudo apt-get -q update && install; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    echo "need: apt-get could not install: $lacking" >&2
    exit 1
fi
lacking=$(missing "$@" | tr '\n' ' ')
[ -z "$lacking" ] || {
    echo "need: still missing after the installation: $lacking" >&2
    exit 1
}
