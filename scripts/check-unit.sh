#!/bin/sh
# The systemd unit: its exposure by systemd-analyze's reckoning is at most 2.0, and its filter lets through every system call
# of the list given (one a line), as tests/fault prints it. Without systemd-analyze nothing is said, and exit is 0.
#
# usage: check-unit.sh [CALLS]
set -eu
cd "$(dirname "$0")/.."
unit=rootfs-overlay/usr/lib/systemd/system/vhotplug.service
command -v systemd-analyze >/dev/null 2>&1 || { echo "check-unit: no systemd-analyze here: not checked"; exit 0; }

report=$(systemd-analyze security --offline=yes --threshold=100 "$unit")
level=$(printf '%s\n' "$report" | sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
[ -n "$level" ] || { echo "check-unit: systemd-analyze said no level" >&2; exit 1; }
if ! awk "BEGIN { exit !($level <= 2.0) }"; then
    printf '%s\n' "$report" | grep '✗' >&2 || true
    echo "check-unit: $unit is at $level, wanted at most 2.0" >&2
    exit 1
fi
echo "check-unit: $unit is at $level"
[ $# -ge 1 ] || exit 0

# "+ name" and "- name", later lines win; sets are opened up.
expand() { # NAME
    case $1 in
    @*) systemd-analyze syscall-filter "$1" 2>/dev/null | sed 1d | tr -d ' ' | grep -v '^#' | while read -r name; do expand "$name"; done ;;
    *) echo "$1" ;;
    esac
}
allowed=$(sed -n 's/^SystemCallFilter=//p' "$unit" | while read -r line; do
    sign=+
    case $line in "~"*) sign=- line=${line#?} ;; esac
    for word in $line; do
        expand "$word" | sed "s/^/$sign /"
    done
done | awk '{ last[$2] = $1 } END { for (name in last) if (last[name] == "+") print name }')
bad=0
while read -r name; do
    printf '%s\n' "$allowed" | grep -qx "$name" || { echo "check-unit: the unit's filter lacks $name" >&2; bad=1; }
done <"$1"
exit $bad
