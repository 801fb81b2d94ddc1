#!/bin/sh
# The tests on the emulated board: a real kernel, real QEMU, real VSOCK. Prints TAP.
#
# usage: run.sh [TEST...]      names of test functions; all without
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -x build/vhotplug ] || { echo "run.sh: no build/vhotplug: run make first" >&2; exit 1; }
exec scripts/tap.sh board python3 tests/board/test_board.py "$@"
