#!/bin/sh
# Runs a test program that prints TAP, passes its output on, and makes sure that a failure cannot be missed: if the program
# dies, prints no test, or fewer than it planned, a "not ok" line is added. Exit 1 if any test failed.
#
# usage: tap.sh NAME COMMAND...
set -u
name=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The status of a command in a pipe is lost in plain sh; it goes through a descriptor.
exec 4>&1
status=$({ { "$@" 2>&1 3>&-; echo $? >&3; } | tee "$log" >&4; } 3>&1)
exec 4>&-
awk -v name="$name" -v status="$status" '
    /^ok([ \t]|$)/ { ok++ }
    /^not ok([ \t]|$)/ { bad++ }
    /^1\.\.[0-9]+/ { plan = substr($0, 4) + 0; planned = 1; skipped = $0 ~ /# *[Ss][Kk][Ii][Pp]/ }
    END {
        why = ""
        if (status != 0 && !bad)
            why = "ended with status " status
        else if (ok + bad == 0 && !skipped)
            why = "printed no test"
        else if (planned && plan != ok + bad)
            why = "planned " plan " tests, ran " (ok + bad + 0)
        if (why != "") {
            print "not ok - " name " " why
            bad++
        }
        exit bad > 0
    }' "$log"
