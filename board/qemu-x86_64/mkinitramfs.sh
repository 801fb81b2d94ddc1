#!/bin/sh
# Makes initramfs archives (uncompressed cpio: an emulated CPU copies faster than it unpacks).
#   mkinitramfs.sh board DIR OUT    busybox, init, and the modules named in ./modules
#   mkinitramfs.sh guest DIR OUT    the smallest that brings a guest's USB and VSOCK up; $GUEST_FILES are put into its /bin
# DIR is where fetch-kernel.sh put the kernel.
set -eu
PATH=$PATH:/usr/sbin:/sbin # kmod's programs, also for users

[ $# -eq 3 ] || { echo "usage: mkinitramfs.sh board|guest DIR OUT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
kind=$1 dir=$(cd "$2" && pwd) out=$3
release=$(cat "$dir/release")
work=$out.d

rm -rf "$work"
mkdir -p "$work/bin" "$work/sbin" "$work/usr/bin" "$work/usr/sbin" "$work/etc" "$work/dev" "$work/proc" "$work/sys" \
    "$work/mnt" "$work/tmp" "$work/run" "$work/var/lib" "$work/root" "$work/lib/modules/$release"
busybox=$(command -v busybox)
if ! "$busybox" ash -c : 2>/dev/null || ldd "$busybox" >/dev/null 2>&1; then
    echo "mkinitramfs: $busybox is no static busybox (Debian: busybox-static)" >&2
    exit 1
fi
cp "$busybox" "$work/bin/busybox"
"$busybox" --list-full | while read -r applet; do
    # On Debian some would shadow what they cannot replace; the board has no others.
    mkdir -p "$work/$(dirname "$applet")"
    [ -e "$work/$applet" ] || ln -s /bin/busybox "$work/$applet"
done

case $kind in
board)
    cp "$here/init" "$work/init"
    modules=$(sed 's/#.*//' "$here/modules")
    ;;
guest)
    cp "$here/guest-init" "$work/init"
    modules="virtio_pci vmw_vsock_virtio_transport xhci-pci"
    for file in ${GUEST_FILES:-}; do cp "$file" "$work/bin/"; done
    ;;
*)
    echo "mkinitramfs: unknown kind $kind" >&2
    exit 2
    ;;
esac
chmod 755 "$work/init"
# shellcheck disable=SC2086 # the names are words
printf '%s\n' $modules | "$here/../common/copy-modules.sh" "$dir/kernel" "$release" "$work"
(cd "$work" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 2>/dev/null) >"$out.new"
rm -rf "$work"
mv "$out.new" "$out"
