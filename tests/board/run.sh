#!/bin/sh
# The tests on the emulated board: a real kernel, real QEMU, real VSOCK. Prints TAP. Each file of tests boots its own.
#
# usage: run.sh [FILE [TEST...]]      FILE: board, life, ... (tests/board/test_FILE.py); TEST: a function in it; all without
#        BOARD_JOBS=2                 so many files side by side; the output of each comes when it has ended
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -x build/vhotplug ] || { echo "run.sh: no build/vhotplug: run make first" >&2; exit 1; }
if [ $# -gt 0 ]; then
    file=$1
    shift
    exec scripts/tap.sh "$file" python3 "tests/board/test_$file.py" "$@"
fi
# The files that take longest go first. test_image.py boots the images as shipped: part "images" of scripts/check.sh.
files="board endurance $(find tests/board -name 'test_*.py' | sed 's|.*/test_\(.*\)\.py|\1|' | grep -vxE 'board|endurance|image' | sort)"
bad=0
if [ "${BOARD_JOBS:-1}" = 1 ]; then
    for file in $files; do
        echo "# test_$file.py"
        scripts/tap.sh "$file" python3 "tests/board/test_$file.py" || bad=1
    done
    exit $bad
fi
mkdir -p build/check
exec 9>build/check/board.lock
# shellcheck disable=SC2016,SC2086 # the inner shell expands; the list is words
printf '%s\n' $files | xargs -P "$BOARD_JOBS" -I{} sh -c '
    log=$(mktemp)
    scripts/tap.sh {} python3 tests/board/test_{}.py >"$log" 2>&1 9>&- || bad=1
    flock 9
    echo "# test_{}.py"
    cat "$log"
    rm "$log"
    exit "${bad:-0}"'
