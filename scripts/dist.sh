#!/bin/sh
# Makes build/dist/vhotplug-VERSION.tar.gz, the source archive, with its sha256 beside it, and with that checksum filled in the
# Buildroot tree and the Yocto layer for those who take them without the source; with the licence. Equal sources give equal bytes: names in
# order, one time for all (SOURCE_DATE_EPOCH), no owners. In a git checkout what is committed or changed goes in, else all but
# build/.
#
# usage: dist.sh VERSION
set -eu
[ $# -eq 1 ] || { echo "usage: dist.sh VERSION" >&2; exit 2; }
cd "$(dirname "$0")/.."
name=vhotplug-$1
out=$PWD/build/dist
: "${SOURCE_DATE_EPOCH:?}"
rm -rf "$out"
mkdir -p "$out"

if [ -e .git ] && git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files | while read -r file; do [ ! -e "$file" ] || echo "$file"; done
else
    find . -type d -name build -prune -o '(' -type f -o -type l ')' -print | sed 's|^\./||'
fi | LC_ALL=C sort >"$out/files"

pack() { # ARCHIVE PREFIX DIRECTORY, names on stdin
    tar -C "$3" --no-recursion --verbatim-files-from -T - --transform "flags=r;s|^|$2/|" --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 \
        --numeric-owner --mode=u+rwX,go+rX,go-w --format=ustar -cf - | gzip -9n >"$1"
}

pack "$out/$name.tar.gz" "$name" . <"$out/files"
sum=$(sha256sum "$out/$name.tar.gz" | cut -d ' ' -f 1)
echo "$sum  $name.tar.gz" >"$out/$name.tar.gz.sha256"

cp -R board/buildroot "$out/buildroot-vhotplug"
printf 'sha256  %s  %s\n' "$sum" "$name.tar.gz" >>"$out/buildroot-vhotplug/package/vhotplug/vhotplug.hash"
cp -R board/yocto/meta-vhotplug "$out/meta-vhotplug"
cp LICENSE "$out/buildroot-vhotplug/"
cp LICENSE SECURITY.md "$out/meta-vhotplug/"
echo "SRC_URI[sha256sum] = \"$sum\"" >"$out/meta-vhotplug/recipes-core/vhotplug/vhotplug-archive.inc"
for tree in buildroot-vhotplug meta-vhotplug; do
    (cd "$out/$tree" && find . '(' -type f -o -type l ')' | sed 's|^\./||' | LC_ALL=C sort) |
        pack "$out/$tree-$1.tar.gz" "$tree" "$out/$tree"
    rm -rf "${out:?}/$tree"
done
rm "$out/files"
(cd "$out" && sha256sum ./*.gz)
