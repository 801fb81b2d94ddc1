#!/bin/sh
# Prints nothing and leaves the upstream tarball of a Debian source package at OUT.
#
# It comes from the machine's own apt sources, read as source-package entries in a private apt state beside OUT: the
# machine's configuration is not touched and no root is needed. Whatever the way, the tarball is used only if it has the
# sha256 given. FILE, if not empty, is taken instead of a download (other distributions, no network).
#
# usage: fetch-source.sh OUT FILE PACKAGE VERSION DSC DSC_SHA256 ORIG ORIG_SHA256
set -eu

[ $# -eq 8 ] || { echo "usage: fetch-source.sh OUT FILE PACKAGE VERSION DSC DSC_SHA256 ORIG ORIG_SHA256" >&2; exit 2; }
mkdir -p "$(dirname "$1")"
dir=$(cd "$(dirname "$1")" && pwd)
out=$dir/$(basename "$1")
file=$2 package=$3 version=$4 dsc=$5 dsc_sha256=$6 orig=$7 orig_sha256=$8

die() {
    echo "fetch-source: $*" >&2
    exit 1
}

has_sha256() { # FILE SUM
    [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d ' ' -f 1)" = "$2" ]
}

keep() { # FILE: verified, then in place at once
    has_sha256 "$1" "$orig_sha256" || die "$1 is not $orig of $package $version: its sha256 differs"
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
    apt=$dir/apt-source-$package
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/get"
    source_entries "$apt/sources"
    # The download runs as the caller, since apt's own user may not enter this directory.
    set -- -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State::lists=$apt/lists" \
        -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3
    # A source entry that fails is no harm if the package is found all the same.
    apt-get "$@" -q update >"$apt/log" 2>&1 </dev/null || true
    (cd "$apt/get" && apt-get "$@" -q source --download-only "$package=$version") >>"$apt/log" 2>&1 </dev/null || {
        tail -n 5 "$apt/log" >&2
        die "apt has no source package $package $version (Debian 12)"
    }
    has_sha256 "$apt/get/$dsc" "$dsc_sha256" || die "$dsc differs from the one pinned here"
    keep "$apt/get/$orig"
    rm -rf "$apt"
}

if has_sha256 "$out" "$orig_sha256"; then
    exit 0
fi
if [ -n "$file" ]; then
    keep "$file"
else
    command -v apt-get >/dev/null || die "no apt-get here: $orig of $package $version must be given as a file"
    fetch
fi
