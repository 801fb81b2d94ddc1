#!/bin/sh
# Copies kernel modules, each with what it depends on, into a directory that becomes an image, with the lists that modprobe
# reads there. A module that the kernel has not is named, and left out.
#
# usage: copy-modules.sh KERNEL_TREE RELEASE DIRECTORY <NAMES      names on stdin, one a line
set -eu
kernel_tree=$1
release=$2
directory=$3

while read -r module; do
    [ -z "$module" ] || modprobe -d "$kernel_tree" -S "$release" --show-depends "$module" ||
        echo "copy-modules: no module $module" >&2
done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
    to=$directory/lib/${file#*/lib/}
    mkdir -p "$(dirname "$to")"
    # busybox's modprobe takes no compressed ones, which Debian has from 13 on.
    case $file in
    *.xz) xz -dc "$file" >"${to%.xz}" ;;
    *.zst) zstd -dcq "$file" >"${to%.zst}" ;;
    *.gz) gzip -dc "$file" >"${to%.gz}" ;;
    *) cp "$file" "$to" ;;
    esac
done
cp "$kernel_tree/lib/modules/$release"/modules.order "$kernel_tree/lib/modules/$release"/modules.builtin* \
    "$directory/lib/modules/$release/"
depmod -b "$directory" "$release"
