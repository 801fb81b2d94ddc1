#!/bin/sh
# Runs everything that counts for coverage, and prints the table. What each part says is in DIR/*.log; a part that fails is
# named, since its counters may be missing, but the verdict is about the minima.
#
# usage: coverage.sh DIR       where make coverage has put its programs
set -u
cd "$(dirname "$0")/.." || exit 1
dir=$1

find "$dir/obj" -name '*.gcda' -exec rm -f {} +
run() { # NAME COMMAND...
    log=$dir/$1.log
    shift
    "$@" >"$log" 2>&1 </dev/null || echo "# failed: $*; see $log"
}
echo "# units"
for program in "$dir"/test_*; do
    [ -x "$program" ] && run "$(basename "$program")" "$program"
done
echo "# corpora"
for program in "$dir"/fuzz_*; do
    [ -x "$program" ] && run "$(basename "$program")" "$program" "tests/fuzz/corpus/$(basename "$program" | sed s/fuzz_//)"
done
echo "# simulation"
run sim "$dir/sim" -s 1 -n 4 -f 50000
echo "# system tests"
for t in tests/system/test_*.py; do
    run "$(basename "$t" .py)" env VHOTPLUG="$PWD/$dir/vhotplug" VHOTPLUGCLI="$PWD/$dir/vhotplugcli" \
        VH_TEST_PATIENCE="${VH_TEST_PATIENCE:-6}" timeout 300 python3 "$t"
done
echo "# failing system calls"
run faults env VHOTPLUG="$PWD/$dir/vhotplug" VH_TEST_PATIENCE="${VH_TEST_PATIENCE:-6}" VH_FAULTS_ONCE=1 \
    python3 tests/fault/test_faults.py "${FAULT_TIME:-90}"
python3 tests/coverage/coverage.py "$dir/obj"
