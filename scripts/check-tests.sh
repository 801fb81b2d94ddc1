#!/bin/sh
# Holds tests/README.md to the tree: each src/**/NAME.c has tests/unit/test_NAME.c or a row in the table of sources, each
# unit test is named after a source or stands in that table, and whatever the table names exists. Holds the proofs to the
# sources: what they replace is there.
#
# usage: check-tests.sh      Says everything found; exit 1 if anything was.
set -eu
cd "$(dirname "$0")/.."
table=$(sed -n '/^| source |/,$s/^| *\(.*[.].*\)$/\1/p' tests/README.md)
bad=0

say() {
    echo "$1" >&2
    bad=1
}

# column N: the names in the table's Nth column, one a line
column() {
    echo "$table" | cut -d'|' -f"$1" | tr '\140, ' '[\n*]' | grep '[.]'
}

sources=$(column 1) tests=$(column 2)
for f in $sources; do
    [ -f "src/$f" ] || say "tests/README.md: no src/$f"
done
for f in $tests; do
    [ -f "tests/$f" ] || say "tests/README.md: no tests/$f"
done
names=
for f in $(find src -name '*.c' | sort); do
    name=$(basename "$f" .c)
    names="$names $name"
    [ -f "tests/unit/test_$name.c" ] || echo "$sources" | grep -qx "${f#src/}" ||
        say "$f: no tests/unit/test_$name.c, and no row in tests/README.md"
done
for f in tests/unit/test_*.c; do
    name=$(basename "$f" .c)
    case "$names " in
    *" ${name#test_} "*) ;;
    *) echo "$tests" | grep -qx "unit/$name.c" || say "$f: named after no file of src/, and in no row of tests/README.md" ;;
    esac
done
"${PYTHON:-python3}" -B tests/prove/prove.py --texts || bad=1
exit $bad
