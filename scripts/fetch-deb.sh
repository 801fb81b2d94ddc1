#!/bin/sh
# Unpacks Debian packages of any architecture below DIR, from the machine's own apt sources. Nothing is installed, no foreign
# architecture is added to the machine and no root is needed: the apt state is a private one (build/download/apt-ARCH).
#
# usage: fetch-deb.sh DEBARCH DIR PACKAGE...      A PACKAGE that only depends on another ("linux-image-arm64") gives that one.
#        fetch-deb.sh DEBARCH DIR --files FILE... unpacks .deb files at hand instead (no network)
# DIR/packages then lists what was unpacked, one "name version architecture" a line. What is there already stays.
set -eu

[ $# -ge 3 ] || { echo "usage: fetch-deb.sh DEBARCH DIR PACKAGE... | --files FILE..." >&2; exit 2; }
arch=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")/.." && pwd)
apt=$here/build/download/apt-$arch

die() {
    echo "fetch-deb: $*" >&2
    exit 1
}

unpack() { # DEB
    [ "$(dpkg-deb -f "$1" Architecture)" = "$arch" ] || die "$1 is not for $arch"
    dpkg-deb -x "$1" "$dir"
    dpkg-deb -f "$1" Package Version Architecture | sed 's/^[^:]*: *//' | paste -sd ' ' - >>"$dir/packages"
}

if [ "$1" = --files ]; then
    shift
    for deb; do unpack "$deb"; done
    exit 0
fi
{ command -v apt-get && command -v dpkg-deb; } >/dev/null ||
    die "no apt-get and dpkg-deb here: unpack $* of Debian for $arch below $dir yourself (or see --files)"

# One at a time: two parts of a build may want packages of the same architecture.
mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/deb"
exec 9>"$apt/lock"
flock 9
: >"$apt/status"
private() { # COMMAND ARG...
    command=$1
    shift
    "$command" -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$apt" -o "Dir::State::lists=$apt/lists" \
        -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User= -o Acquire::Languages=none \
        -o Acquire::Retries=3 "$@"
}

run() { # apt-get with options before its arguments
    private "$@" >>"$apt/log" 2>&1 </dev/null
}

: >"$apt/log"
# Lists older than a day may name files that are gone.
if [ -z "$(find "$apt/updated" -mmin -1440 2>/dev/null)" ]; then
    run apt-get -q update || true # a source that has no such architecture is no harm if the package is found
    touch "$apt/updated"
fi

depends() { # PACKAGE PATTERN
    private apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: \($2\)\$/\1/p"
}

# A package without files of its own stands for what it depends on. Since Debian's 7.2 a kernel's image is one, too.
real_names() {
    case $1 in
    linux-image-*)
        image=$(depends "$1" 'linux-image-[0-9].*' | head -n 1)
        echo "$image"
        [ -z "$image" ] || depends "$image" 'linux-\(base\|binary\|modules\)-[0-9].*'
        ;;
    *) echo "$1" ;;
    esac
}

get() { # NAME
    name=$1
    find "$apt/deb" -name "${name}_*.deb" -mmin +1440 -exec rm {} +
    if ! (cd "$apt/deb" && run apt-get -q download "$name"); then
        tail -n 5 "$apt/log" >&2
        die "apt has no $name for $arch (see $apt/log)"
    fi
    deb=$(find "$apt/deb" -name "${name}_*.deb" | sort | tail -n 1)
    [ -n "$deb" ] || die "$name was not downloaded (see $apt/log)"
    unpack "$deb"
}

for package; do
    names=$(real_names "$package")
    [ -n "$names" ] || die "apt knows no $package for $arch"
    for name in $names; do get "$name"; done
done
