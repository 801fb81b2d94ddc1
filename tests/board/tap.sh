# shellcheck shell=sh disable=SC2034,SC2154 # the script that sources this sets $tree and reads the counters
# Sourced by the tests that are shell scripts: one command is one test. Needs $tree, a directory that is there when a test runs;
# $lines says how much of a log is shown, as tail takes it (30). Sets $count, and $failed to 1 once a test has failed.
count=0 failed=0

test_that() { # NAME COMMAND...
    name=$1
    shift
    count=$((count + 1))
    if "$@" >"$tree/log" 2>&1; then
        echo "ok $count - $name"
    else
        echo "not ok $count - $name"
        sed 's/^/# /' "$tree/log" | tail -n "${lines:-30}"
        failed=1
    fi
}
