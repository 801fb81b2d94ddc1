#!/bin/sh
# Puts Debian's current kernel under DIR: DIR/kernel (its packages, unpacked), DIR/vmlinux and DIR/release. What is there
# already is not fetched again. Needs: apt and dpkg with filled package lists, python3. With ROOT, a Debian root directory, that
# root's apt is asked, which needs root.
#
# vmlinux is the kernel without its decompressor: an emulated CPU spends more time unpacking than booting.
set -eu
PATH=$PATH:/usr/sbin:/sbin # kmod's programs, also for users

[ $# -eq 1 ] || [ $# -eq 2 ] || { echo "usage: fetch-kernel.sh DIR [ROOT]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/deb"
dir=$(cd "$1" && pwd)
root=${2:-}

if [ -s "$dir/release" ] && [ -s "$dir/vmlinux" ]; then
    exit 0
fi

depends() { # PACKAGE PATTERN: what it depends on
    ${root:+chroot "$root"} apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: \($2\)\$/\1/p"
}

download() { # PACKAGE: its file's name
    deb=$(find "$dir/deb" -name "${1}_*.deb" | head -n 1)
    if [ -z "$deb" ]; then
        # apt's warning about its sandbox user concerns nobody here; its errors do.
        # shellcheck disable=SC2016 # the inner shell expands
        if [ -n "$root" ]; then
            chroot "$root" sh -c 'cd /tmp && apt-get download "$1"' sh "$1" && mv "$root/tmp/$1"_*.deb "$dir/deb/"
        else
            (cd "$dir/deb" && apt-get download "$1")
        fi >"$dir/fetch.log" 2>&1 || { cat "$dir/fetch.log" >&2; exit 1; }
        deb=$(find "$dir/deb" -name "${1}_*.deb" | head -n 1)
    fi
    echo "$deb"
}

package=$(depends linux-image-amd64 'linux-image-[0-9].*' | head -n 1)
if [ -z "$package" ]; then
    echo "fetch-kernel: apt knows no linux-image-amd64; run apt-get update (Debian and its derivatives only)" >&2
    exit 1
fi
rm -rf "$dir/kernel" "$dir/release" "$dir"/base-*.cpio
mkdir -p "$dir/kernel"
# Since Debian's 7.2 the image's package is empty: its parts are packages of their own, and the image is beside the modules.
for part in "$package" $(depends "$package" 'linux-\(base\|binary\|modules\)-[0-9].*'); do
    dpkg -x "$(download "$part")" "$dir/kernel"
done
release=${package#linux-image-}
# Debian 13 and later have /lib as a link: the package says usr/lib.
if [ ! -d "$dir/kernel/lib/modules" ] && [ -d "$dir/kernel/usr/lib/modules" ]; then
    rm -rf "$dir/kernel/lib"
    ln -s usr/lib "$dir/kernel/lib"
fi
image=$dir/kernel/boot/vmlinuz-$release
[ -e "$image" ] || image=$dir/kernel/lib/modules/$release/vmlinuz
python3 "$here/unpack-kernel.py" "$image" "$dir/vmlinux"
depmod -b "$dir/kernel" "$release"
echo "$release" >"$dir/release"
