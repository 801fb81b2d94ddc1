#!/bin/sh
# The tests on the emulated board: a real kernel, real QEMU, real VSOCK. Prints TAP. Each file of tests boots its own.
#
# usage: run.sh [FILE [TEST...]]      FILE: board, life, ... (tests/board/test_FILE.py); TEST: a function in it; all without
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -x build/vhotplug ] || { echo "run.sh: no build/vhotplug: run make first" >&2; exit 1; }
if [ $# -gt 0 ]; then
    file=$1
    shift
    exec scripts/tap.sh "$file" python3 "tests/board/test_$file.py" "$@"
fi
bad=0
# test_image.py boots the images as shipped: part "images" of scripts/check.sh.
for t in tests/board/test_*.py; do
    [ "$t" != tests/board/test_image.py ] || continue
    echo "# $t"
    scripts/tap.sh "$(basename "$t" .py)" python3 "$t" || bad=1
done
exit $bad
