#!/bin/sh
# Puts Debian's current kernel under DIR: DIR/kernel (the package, unpacked), DIR/vmlinux and DIR/release. What is there
# already is not fetched again. Needs: apt and dpkg with filled package lists, python3.
#
# vmlinux is the kernel without its decompressor: an emulated CPU spends more time unpacking than booting.
set -eu
PATH=$PATH:/usr/sbin:/sbin # kmod's programs, also for users

[ $# -eq 1 ] || { echo "usage: fetch-kernel.sh DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/deb"
dir=$(cd "$1" && pwd)

if [ -s "$dir/release" ] && [ -s "$dir/vmlinux" ]; then
    exit 0
fi

package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
if [ -z "$package" ]; then
    echo "fetch-kernel: apt knows no linux-image-amd64; run apt-get update (Debian and its derivatives only)" >&2
    exit 1
fi
deb=$(find "$dir/deb" -name "${package}_*.deb" | head -n 1)
if [ -z "$deb" ]; then
    # apt's warning about its sandbox user concerns nobody here; its errors do.
    if ! (cd "$dir/deb" && apt-get download "$package") >"$dir/fetch.log" 2>&1; then
        cat "$dir/fetch.log" >&2
        exit 1
    fi
    deb=$(find "$dir/deb" -name "${package}_*.deb" | head -n 1)
fi
rm -rf "$dir/kernel" "$dir/release" "$dir"/base-*.cpio
mkdir -p "$dir/kernel"
dpkg -x "$deb" "$dir/kernel"
release=${package#linux-image-}
# Debian 13 and later have /lib as a link: the package says usr/lib.
if [ ! -d "$dir/kernel/lib/modules" ] && [ -d "$dir/kernel/usr/lib/modules" ]; then
    ln -s usr/lib "$dir/kernel/lib"
fi
python3 "$here/unpack-kernel.py" "$dir/kernel/boot/vmlinuz-$release" "$dir/vmlinux"
depmod -b "$dir/kernel" "$release"
echo "$release" >"$dir/release"
