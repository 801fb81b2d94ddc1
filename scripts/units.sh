#!/bin/sh
# Runs unit programs one after the other and passes on their TAP. All of them run even if one fails. A program that passed
# keeps its output beside itself as PROGRAM.tap; until the program is linked anew, that output is printed again, marked
# "unchanged since", and the program is not run.
#
# usage: units.sh PROGRAM...
#        RERUN=1      runs all of them
#        QUIET=1      only counts those that are unchanged
set -u
bad=0 unchanged=0
for program; do
    name=${program##*/}
    tap=$program.tap
    if [ "${RERUN:-0}" = 0 ] && [ -n "$(find "$tap" -newer "$program" 2>/dev/null)" ]; then
        unchanged=$((unchanged + 1))
        [ "${QUIET:-0}" != 0 ] || { echo "# $name: unchanged since $(date -r "$tap" '+%Y-%m-%d %H:%M:%S'), not run again" && cat "$tap"; }
        continue
    fi
    echo "# $name"
    rm -f "$tap"
    if scripts/tap.sh "$name" "$program" >"$tap.new"; then
        cat "$tap.new"
        # What was skipped may be possible next time.
        if grep -qi '# *skip' "$tap.new"; then
            rm "$tap.new"
        else
            mv "$tap.new" "$tap"
        fi
    else
        bad=1
        cat "$tap.new"
        rm "$tap.new"
    fi
done
[ $unchanged = 0 ] || echo "# $unchanged of $# unit programs are unchanged since they passed and were not run again (RERUN=1 runs them)"
exit $bad
