#!/bin/sh
# Two builds of one source are alike, byte for byte: unpacked from `make dist` at two places with paths of different length, at
# different times, in different locales, time zones and umasks. Prints TAP.
#
# usage: test_reproducible.sh       after make
set -u
cd "$(dirname "$0")/../.." || exit 1
tree=$PWD/build/check/reproducible.d
# shellcheck source=tests/board/tap.sh
. tests/board/tap.sh

rm -rf "$tree"
mkdir -p "$tree"
LIBUSB_TARBALL=$PWD/build/download/libusb-1.0.26.tar.bz2
export LIBUSB_TARBALL
# One moment for both, an odd one: a date in the binary would be found.
SOURCE_DATE_EPOCH=1234567890
export SOURCE_DATE_EPOCH
unset MAKEFLAGS

test_that "make dist" make dist
archive=$(find build/dist -name 'vhotplug-*.tar.gz')
test_that "its checksum is its own" sh -c 'cd build/dist && sha256sum -c vhotplug-*.tar.gz.sha256'
cp "$archive" "$tree/first.tar.gz"
sum=$(cut -d ' ' -f 1 "$archive.sha256")
# shellcheck disable=SC2016 # for the inner shell
test_that "the packages that go with it have that checksum" sh -c '
    tar -xzOf build/dist/buildroot-vhotplug-*.tar.gz buildroot-vhotplug/package/vhotplug/vhotplug.hash | grep -q "^sha256  $1  vhotplug-" &&
    tar -xzOf build/dist/meta-vhotplug-*.tar.gz meta-vhotplug/recipes-core/vhotplug/vhotplug-archive.inc | grep -q "\"$1\""' sh "$sum"

# shellcheck disable=SC2317 # called through test_that
build() { # DIRECTORY UMASK ENVIRONMENT...
    directory=$1
    umask "$2"
    shift 2
    mkdir -p "$directory"
    tar -xzf "$tree/first.tar.gz" -C "$directory" --strip-components=1 &&
        env "$@" make -C "$directory" -j2 all sbom dist
}
a=$tree/a
b=$tree/another/much/longer/path/with.dots
test_that "builds here" build "$a" 022 LC_ALL=C TZ=UTC
test_that "builds there" build "$b" 002 LC_ALL=C.UTF-8 TZ=Asia/Tokyo HOME=/nonexistent
for file in "$(uname -m)/vhotplug" "$(uname -m)/vhotplug.full" "$(uname -m)/vhotplug.spdx.json" "dist/$(basename "$archive")"; do
    test_that "alike: $file" cmp "$a/build/$file" "$b/build/$file"
done
test_that "the archive made of the archive is the archive" cmp "$tree/first.tar.gz" "$a/build/dist/$(basename "$archive")"
# shellcheck disable=SC2016 # for the inner shell
test_that "no path of this machine is in the binary" sh -c '! grep -aq "$1" "$2"' sh "$tree" "$a/build/$(uname -m)/vhotplug.full"
# shellcheck disable=SC2016 # for the inner shell
test_that "the bill of materials is SPDX 2.3 as far as we read it" python3 -c '
import json, re, sys
d = json.load(open(sys.argv[1]))
assert d["spdxVersion"] == "SPDX-2.3" and d["dataLicense"] == "CC0-1.0" and d["SPDXID"] == "SPDXRef-DOCUMENT"
assert re.fullmatch(r"https?://\S+", d["documentNamespace"]) and "#" not in d["documentNamespace"]
assert d["creationInfo"]["created"] == "2009-02-13T23:31:30Z" and d["creationInfo"]["creators"]
ids = [p["SPDXID"] for p in d["packages"]]
assert len(ids) == len(set(ids)) and all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in ids)
for p in d["packages"]:
    assert p["name"] and p["downloadLocation"] and p["licenseDeclared"] and p["versionInfo"] != "NOASSERTION", p
    assert all(re.fullmatch("[0-9a-f]{64}", c["checksumValue"]) for c in p.get("checksums", [])), p
known = set(ids) | {"SPDXRef-DOCUMENT"}
assert all(r["spdxElementId"] in known and r["relatedSpdxElement"] in known for r in d["relationships"])
assert {"vhotplug", "libusb", "musl", "jsmn"} <= {p["name"] for p in d["packages"]}' "$a/build/$(uname -m)/vhotplug.spdx.json"
rm -rf "$tree"
echo "1..$count"
exit $failed
