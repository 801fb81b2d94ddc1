#!/bin/sh
# Prints nothing and leaves the upstream tarball of Debian's source package libusb-1.0 at DIR/libusb-1.0.26.tar.bz2.
#
# It comes from the machine's own apt sources, read as source-package entries in a private apt state below DIR: the
# machine's configuration is not touched and no root is needed. Whatever the way, the tarball is used only if it has the
# sha256 below. LIBUSB_TARBALL=FILE takes a file at hand instead (other distributions, no network).
set -eu

PACKAGE=libusb-1.0
VERSION=2:1.0.26-1
DSC=libusb-1.0_1.0.26-1.dsc
DSC_SHA256=3d75673e367fab1d0ca1ef29276ff4ea31dd7678c9573c10975e8d80bdbd0b14
ORIG=libusb-1.0_1.0.26.orig.tar.bz2
ORIG_SHA256=12ce7a61fc9854d1d2a1ffe095f7b5fac19ddba095c259e6067a46500381b5a5

[ $# -eq 1 ] || { echo "usage: fetch-libusb.sh DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
out=$dir/libusb-1.0.26.tar.bz2

die() {
    echo "fetch-libusb: $*" >&2
    exit 1
}

has_sha256() { # FILE SUM
    [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]
}

keep() { # FILE: verified, then in place at once
    has_sha256 "$1" "$ORIG_SHA256" || die "$1 is not $ORIG of $PACKAGE $VERSION: its sha256 differs"
    cp "$1" "$out.new"
    mv "$out.new" "$out"
}

# Both kinds of apt source files, binary entries turned into source entries. Other lines stay as they are.
source_entries() { # TO
    mkdir -p "$1"
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    for f in "${list:-/etc/apt/sources.list}" "${parts:=/etc/apt/sources.list.d}"/*.list; do
        [ -f "$f" ] || continue
        sed -n 's/^[[:space:]]*deb\(-src\)\{0,1\}[[:space:]]/deb-src /p' "$f" | sort -u >"$1/$(basename "$f" .list).list"
    done
    for f in "$parts"/*.sources; do
        [ -f "$f" ] || continue
        sed 's/^[Tt]ypes:.*/Types: deb-src/' "$f" >"$1/$(basename "$f")"
    done
}

fetch() {
    command -v apt-get >/dev/null ||
        die "no apt-get here: set LIBUSB_TARBALL to libusb 1.0.26's release tarball, or use a libusb of yours (LIBUSB=system)"
    apt=$dir/apt
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/get"
    source_entries "$apt/sources"
    # The download runs as the caller, since apt's own user may not enter this directory.
    set -- -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State::lists=$apt/lists" \
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3
    # A source entry that fails is no harm if the package is found all the same.
    apt-get "$@" -q update >"$apt/log" 2>&1 </dev/null || true
    (cd "$apt/get" && apt-get "$@" -q source --download-only "$PACKAGE=$VERSION") >>"$apt/log" 2>&1 </dev/null || {
        tail -n 5 "$apt/log" >&2
        die "apt has no source package $PACKAGE $VERSION (Debian 12); set LIBUSB_TARBALL or LIBUSB=system instead"
    }
    has_sha256 "$apt/get/$DSC" "$DSC_SHA256" || die "$DSC differs from the one pinned here"
    keep "$apt/get/$ORIG"
    rm -rf "$apt"
}

if has_sha256 "$out" "$ORIG_SHA256"; then
    exit 0
fi
if [ -n "${LIBUSB_TARBALL:-}" ]; then
    keep "$LIBUSB_TARBALL"
else
    fetch
fi
