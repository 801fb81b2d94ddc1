#!/bin/sh
# Runs one fuzzer: first every committed input, then new ones for some seconds. One TAP line; on a finding the fuzzer's
# report follows, and the input stands beside the program as NAME-crash-...
#
# usage: fuzz.sh PROGRAM SECONDS
set -u
program=$1
seconds=$2
name=$(basename "$program")
what=${name#fuzz_}
here=$(cd "$(dirname "$0")/.." && pwd)
found=$program.corpus # grows from run to run
log=$program.log
mkdir -p "$found"

set -- -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$program-"
# Facts and files of a device are a few bytes each: a longer input is mutated where nobody reads, or only takes longer.
case $what in
core | api_stream | sysfs) set -- "$@" -max_len=512 ;;
state_file) set -- "$@" -max_len=1024 ;;
esac
# Nothing outlives its input: what was freed need not be watched for long.
export ASAN_OPTIONS="quarantine_size_mb=8${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
# A stream has the words of its lines.
dict=$here/tests/fuzz/${what%_stream}.dict
[ ! -f "$dict" ] || set -- "$@" -dict="$dict"
set -- "$@" "$found"
committed=0
if [ -d "$here/tests/fuzz/corpus/$what" ]; then
    set -- "$@" "$here/tests/fuzz/corpus/$what"
    committed=$(find "$here/tests/fuzz/corpus/$what" -type f | wc -l)
fi

if "$program" "$@" >"$log" 2>&1; then
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    echo "ok - $name: $committed committed inputs, ${runs:-0} executions in $seconds s"
else
    echo "not ok - $name: see $log"
    grep -v '^#[0-9]' "$log" | tail -n 40 | sed 's/^/# /'
    exit 1
fi
