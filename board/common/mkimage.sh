#!/bin/sh
# Makes build/image/BOARD: kernel, initramfs.cpio (busybox, the daemon, rootfs-overlay/ as it is, modules), rootfs.ext4 (the
# same tree, without the initramfs's init) and run.sh, which boots it under QEMU. Debian's kernel and busybox of that
# architecture are fetched once, into build/board. No root needed; but the files in rootfs.ext4 then belong to who made it, and
# not to root as those of the initramfs do.
#
# usage: [IMAGE_OUT=DIR] [IMAGE_OVERLAY=DIR] mkimage.sh BOARD      after `make ARCH=...` for the board's architecture; qemu-x86_64 or qemu-aarch64
set -eu
PATH=$PATH:/usr/sbin:/sbin # kmod's and e2fsprogs' programs, also for users

if [ $# -ne 1 ] || ! [ -f "$(dirname "$0")/../$1/board.conf" ]; then
    echo "usage: mkimage.sh qemu-x86_64|qemu-aarch64" >&2
    exit 2
fi
cd "$(dirname "$0")/../.."
board=$1
# shellcheck source=/dev/null
. "board/$board/board.conf"
out=${IMAGE_OUT:-build/image/$board}
tree=$out/tree
: "${SOURCE_DATE_EPOCH:=0}"
export SOURCE_DATE_EPOCH
mkdir -p "$out"

# ---- what Debian has ----

if [ "$ARCH" = x86_64 ]; then
    sh board/qemu-x86_64/fetch-kernel.sh build/board
    kernel_tree=build/board/kernel
else
    kernel_tree=build/board/$ARCH/kernel
    if [ ! -s "$kernel_tree/packages" ]; then
        rm -rf "$kernel_tree"
        scripts/fetch-deb.sh "$DEBARCH" "$kernel_tree" "$KERNEL_PACKAGE"
    fi
fi
busybox_tree=build/board/$ARCH/busybox
if [ ! -s "$busybox_tree/packages" ]; then
    rm -rf "$busybox_tree"
    scripts/fetch-deb.sh "$DEBARCH" "$busybox_tree" busybox-static
fi
# Debian 13 and later have /lib as a link: the package says usr/lib.
if ! [ -d "$kernel_tree/lib/modules" ] && [ -d "$kernel_tree/usr/lib/modules" ]; then
    ln -s usr/lib "$kernel_tree/lib"
fi
release=$(basename "$(find "$kernel_tree/lib/modules/" -mindepth 1 -maxdepth 1 -type d | head -n 1)")
[ -e "$kernel_tree/lib/modules/$release/modules.dep" ] || depmod -b "$kernel_tree" "$release"
busybox=$(find "$busybox_tree" -path "*/bin/busybox" -type f | head -n 1)

# ---- the tree ----

rm -rf "$tree"
for dir in bin sbin usr/bin usr/sbin etc dev proc sys mnt tmp run var root home lib; do mkdir -p "$tree/$dir"; done
cp "$busybox" "$tree/bin/busybox"
emulator=
[ "$ARCH" = "$(uname -m)" ] || emulator=qemu-$ARCH-static
$emulator "$busybox" --list-full | while read -r applet; do
    mkdir -p "$tree/$(dirname "$applet")"
    [ -e "$tree/$applet" ] || ln -s /bin/busybox "$tree/$applet"
done
[ -e "$tree/sbin/init" ] || ln -s /bin/busybox "$tree/sbin/init"
ln -s ../run "$tree/var/run"
cp -a board/common/rootfs/. "$tree/"
cp -a rootfs-overlay/. "$tree/"
# Debian's busybox has no init of its own kind of runlevels: systemd's files would only lie about.
rm -rf "$tree/usr/lib/systemd"
install -m 755 "build/$ARCH/vhotplug" "$tree/usr/sbin/vhotplug"
ln -s ../sbin/vhotplug "$tree/usr/bin/vhotplugcli"
sed 's/#.*//' board/common/modules | tr -s ' ' '\n' | board/common/copy-modules.sh "$kernel_tree" "$release" "$tree"
# IMAGE_OVERLAY: more files of a user's or a test's, a directory laid over the tree.
[ -z "${IMAGE_OVERLAY:-}" ] || cp -a "$IMAGE_OVERLAY/." "$tree/"

# ---- the archives ----

size=$(($(du -sk "$tree" | cut -f 1) * 5 / 4 + 16384))
find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
rm -f "$out/rootfs.ext4"
E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -d "$tree" -L root -U 76686f74-706c-7567-0000-000000000001 \
    -E hash_seed=76686f74-706c-7567-0000-000000000002,root_owner=0:0 -O ^has_journal "$out/rootfs.ext4" "${size}k"
cp board/common/init "$tree/init"
touch -h -d "@$SOURCE_DATE_EPOCH" "$tree/init" "$tree"
(cd "$tree" && find . | LC_ALL=C sort | cpio --reproducible -o -H newc -R 0:0 --quiet) >"$out/initramfs.cpio"
rm -rf "$tree"
if [ "$ARCH" = x86_64 ]; then
    cp build/board/vmlinux "$out/kernel"
else
    image=$kernel_tree/boot/vmlinuz-$release
    [ -e "$image" ] || image=$kernel_tree/lib/modules/$release/vmlinuz # Debian's 7.2 and later
    cp "$image" "$out/kernel"
fi
cat >"$out/run.sh" <<EOF
#!/bin/sh
# Boots the $board image. usage: run.sh [initramfs] [QEMU-OPTION...]; the word initramfs boots without the root file system.
dir=\$(cd "\$(dirname "\$0")" && pwd)
root=root=/dev/vda
[ "\${1:-}" != initramfs ] || { root=; shift; }
exec $QEMU -accel tcg -m 512 -smp 2 -nodefaults -display none -no-reboot \\
    -kernel "\$dir/kernel" -initrd "\$dir/initramfs.cpio" -append "console=$CONSOLE quiet panic=-1 printk.devkmsg=on \$root \$BOARD_APPEND" \\
    -drive "file=\$dir/rootfs.ext4,if=none,id=root,format=raw,snapshot=on" -device virtio-blk-pci,drive=root \\
    -device qemu-xhci,id=xhci,p2=15,p3=15 -device virtio-serial-pci "\$@"
EOF
chmod +x "$out/run.sh"
echo "$out: kernel $release, $(cut -d ' ' -f 1,2 "$busybox_tree/packages")"
