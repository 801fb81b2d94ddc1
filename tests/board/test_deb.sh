#!/bin/sh
# The Debian packages build from the archive, lintian accepts them, and what is in them is there: program, unit, manuals. The
# program of the package runs. Prints TAP; skips where debhelper is missing.
#
# usage: test_deb.sh       after make
set -u
cd "$(dirname "$0")/../.." || exit 1
tree=$PWD/build/check/deb.d
# shellcheck source=tests/board/tap.sh
. tests/board/tap.sh

if ! scripts/need.sh -n deb 2>/dev/null; then
    echo "ok 1 - the Debian packages # SKIP no debhelper here (scripts/need.sh deb)"
    echo "1..1"
    exit 0
fi
rm -rf "$tree"
mkdir -p "$tree"
unset MAKEFLAGS
test_that "the packages build, and lintian accepts them" make deb
has() { # PATH: in the package, a file or a link
    dpkg -c build/deb/vhotplug_*.deb | awk '{ print $6 }' | grep -qx "./$1"
}
for file in usr/sbin/vhotplug usr/bin/vhotplugcli etc/vhotplug.conf etc/default/vhotplug usr/share/man/man8/vhotplug.8.gz \
    usr/share/doc/vhotplug/examples/gui-vm.service; do
    test_that "it has $file" has $file
done
test_that "it has the unit, and its scripts start it" sh -c 'dpkg -c build/deb/vhotplug_*.deb | grep -q "lib/systemd/system/vhotplug.service$" &&
    dpkg-deb --ctrl-tarfile build/deb/vhotplug_*.deb | tar -xO ./postinst | grep -q "deb-systemd-invoke.*vhotplug.service"'
# shellcheck disable=SC2016 # the inner shell expands
test_that "its program runs" sh -c 'dpkg-deb -x build/deb/vhotplug_*.deb "$1" && "$1"/usr/sbin/vhotplug --version &&
    "$1"/usr/sbin/vhotplug --check -c "$1"/etc/vhotplug.conf' sh "$tree/root"
echo "1..$count"
[ "$failed" = 0 ]
