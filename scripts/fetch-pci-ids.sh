#!/bin/sh
# Prints nothing and leaves the pci.ids of Debian's package of that name at OUT, from the machine's own apt sources. It is
# used only if it has the sha256 below. PCI_IDS_DEB=FILE takes a package at hand instead (other distributions, no network).
set -eu
[ $# -eq 1 ] || { echo "usage: fetch-pci-ids.sh OUT" >&2; exit 2; }
version=0.0~2023.04.11-1
sha256=61a0d7cbc6fbc4f615a48e4bdc4810975db15191aabdfcbfb8d4c7c2d3973cda

die() {
    echo "fetch-pci-ids: $*" >&2
    exit 1
}

mkdir -p "$(dirname "$1")"
dir=$(mktemp -d "$(dirname "$1")/pci-ids.XXXXXX")
trap 'rm -rf "$dir"' EXIT
deb=${PCI_IDS_DEB:-}
if [ -z "$deb" ]; then
    command -v apt-get >/dev/null || die "no apt-get here: name a pci.ids with PCI_IDS=, or a package with PCI_IDS_DEB="
    (cd "$dir" && apt-get -q -o APT::Sandbox::User= download "pci.ids=$version") >"$dir/log" 2>&1 </dev/null || {
        tail -n 5 "$dir/log" >&2
        die "apt has no pci.ids $version (Debian 12): name a pci.ids with PCI_IDS="
    }
    deb=$(find "$dir" -name '*.deb')
fi
dpkg-deb -x "$deb" "$dir/root"
found=$dir/root/usr/share/misc/pci.ids
[ "$(sha256sum <"$found" | cut -d ' ' -f 1)" = "$sha256" ] || die "the pci.ids of $deb is not that of $version: its sha256 differs"
mv "$found" "$1"
