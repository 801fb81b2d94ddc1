#!/bin/sh
# Makes the Debian packages of the archive that dist.sh has made, in build/deb: the source package (the archive, libusb's as a
# second one, board/debian) and the binary one. lintian looks at both: what it calls an error or a warning is a failure.
# Needs dpkg-dev and debhelper, and what board/debian/control names (scripts/need.sh deb).
#
# usage: deb.sh VERSION
set -eu
[ $# -eq 1 ] || { echo "usage: deb.sh VERSION" >&2; exit 2; }
cd "$(dirname "$0")/.."
version=$1
archive=$PWD/build/dist/vhotplug-$version.tar.gz
libusb=$PWD/build/download/libusb-1.0.26.tar.bz2
out=$PWD/build/deb
for file in "$archive" "$libusb"; do
    [ -e "$file" ] || { echo "deb: no $file: run make and make dist first" >&2; exit 1; }
done
[ "$(dpkg-parsechangelog -l board/debian/changelog -S Version)" = "$version-1" ] ||
    { echo "deb: board/debian/changelog does not begin with version $version-1" >&2; exit 1; }

rm -rf "$out"
mkdir -p "$out/vhotplug-$version/libusb"
cp "$archive" "$out/vhotplug_$version.orig.tar.gz"
cp "$libusb" "$out/vhotplug_$version.orig-libusb.tar.bz2"
tar -xzf "$archive" -C "$out"
tar -xjf "$libusb" -C "$out/vhotplug-$version/libusb" --strip-components=1
cp -R "$out/vhotplug-$version/board/debian" "$out/vhotplug-$version/debian"

log=$out/build.log
# None of what make and a packager's shell have set for our own build is meant for this one.
if ! (cd "$out/vhotplug-$version" && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CFLAGS -u CC dpkg-buildpackage -us -uc >"$log" 2>&1); then
    tail -n 30 "$log" >&2
    echo "deb: failed; the whole log is $log" >&2
    exit 1
fi
rm -rf "$out/vhotplug-$version"
ls "$out"/*.deb "$out"/*.dsc
if ! command -v lintian >/dev/null 2>&1; then
    echo "deb: no lintian here: not looked at"
    exit 0
fi
lintian --fail-on error,warning "$out"/*.changes
