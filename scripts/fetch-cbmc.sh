#!/bin/sh
# Leaves cbmc, goto-cc and goto-instrument of Debian 13 (amd64) at DIR/bin, with the C library of their release below
# DIR/root: nothing is installed, and no root is needed. The packages come by name from the machine's own Debian sources,
# read as entries of Debian 13 in a private apt state; each is used only if it has the sha256 given here.
# CBMC_DEBS=DIR takes the .deb files in that directory instead (other distributions, no network, or a package that the
# mirror has replaced by a newer one).
#
# usage: fetch-cbmc.sh DIR
set -eu

[ $# -eq 1 ] || { echo "usage: fetch-cbmc.sh DIR" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)

pinned() {
    cat <<EOF
cbmc 6.6.0-4 02560859a17049c976961c232c4fc58f0747b57f9b751a466b1f368a438b0e41
minisat 1:2.2.1-8 0b3a870202e022bea8b04d140ded40d9137363566706750b4540518bc0eb63d7
libc6 2.41-12+deb13u5 b59b0625cd1a791375d40dab23a4d5d3d0641e3d0a773501becdc3725b7f99cf
libgcc-s1 14.2.0-19 3c71917b490d1a17aed43196a2787a256ecf060526cdb20216a74bedc061b150
libstdc++6 14.2.0-19 ab1fa05837aa7a92aae748fd07a18a35f7d18bb4a71c4724fe2bbf0e32089de0
EOF
}

die() {
    echo "fetch-cbmc: $*" >&2
    exit 1
}

if pinned | cmp -s - "$dir/pinned"; then
    exit 0
fi
command -v dpkg-deb >/dev/null || die "no dpkg-deb here: install cbmc 6.6 by other means, and set PROVE_BIN to where its programs are"

# The machine's entries for Debian itself, as entries of Debian 13.
entries() { # TO
    mkdir -p "$1"
    eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
    parts=${parts:-/etc/apt/sources.list.d}
    for f in "${list:-/etc/apt/sources.list}" "$parts"/*.list; do
        [ -f "$f" ] || continue
        sed -n 's#^[[:space:]]*deb[[:space:]]\(.*/debian/\{0,1\}\)[[:space:]].*#deb \1 trixie main#p' "$f"
    done | sort -u >"$1/debian.list"
    for f in "$parts"/*.sources; do
        [ -f "$f" ] || continue
        # Only paragraphs whose URIs end in /debian.
        awk -v RS= -v ORS='\n\n' '/(^|\n)URIs:[^\n]*\/debian\/?[ \t]*(\n|$)/' "$f" |
            sed 's/^[Tt]ypes:.*/Types: deb/; s/^[Ss]uites:.*/Suites: trixie/; s/^[Cc]omponents:.*/Components: main/' \
                >"$1/$(basename "$f")"
    done
}

download() {
    command -v apt-get >/dev/null || die "no apt-get here: set CBMC_DEBS to a directory with the packages of this script"
    apt=$dir/apt
    rm -rf "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    entries "$apt/sources"
    : >"$apt/status"
    set -- -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o Dir::Etc::sourcelist=/dev/null \
        -o "Dir::Etc::sourceparts=$apt/sources" -o "Dir::State=$apt" -o "Dir::State::lists=$apt/lists" \
        -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User= -o Acquire::Languages=none \
        -o Acquire::Retries=3
    apt-get "$@" -q update >"$apt/log" 2>&1 </dev/null || true # an entry that fails is no harm if the packages are found
    pinned | while read -r name version _; do
        (cd "$dir/deb" && apt-get "$@" -q download "$name=$version") >>"$apt/log" 2>&1 </dev/null || {
            tail -n 5 "$apt/log" >&2
            die "apt has no $name $version (Debian 13); CBMC_DEBS takes a file at hand"
        }
    done
    rm -rf "$apt"
}

rm -rf "${dir:?}/root" "${dir:?}/bin" "${dir:?}/deb" "${dir:?}/pinned"
mkdir -p "$dir/root" "$dir/bin" "$dir/deb"
if [ -n "${CBMC_DEBS:-}" ]; then
    cp "$CBMC_DEBS"/*.deb "$dir/deb/"
else
    download
fi
pinned | while read -r name version sum; do
    deb=$(find "$dir/deb" -name "${name}_*.deb" | head -n 1)
    [ -n "$deb" ] || die "no file of $name"
    [ "$(sha256sum <"$deb" | cut -d ' ' -f 1)" = "$sum" ] || die "$deb is not $name $version: its sha256 differs"
    dpkg-deb -x "$deb" "$dir/root"
done
rm -rf "$dir/deb"

# By that release's own loader, with its libraries for that program alone: cbmc runs this machine's gcc as its preprocessor.
for tool in cbmc goto-cc goto-instrument; do
    cat >"$dir/bin/$tool" <<EOF
#!/bin/sh
exec "$dir/root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" --argv0 $tool \\
    --library-path "$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/usr/lib" "$dir/root/usr/bin/$tool" "\$@"
EOF
    chmod +x "$dir/bin/$tool"
done
"$dir/bin/cbmc" --version >/dev/null || die "cbmc does not run here"
pinned >"$dir/pinned"
