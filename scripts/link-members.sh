#!/bin/sh
# Prints the line for make that says which objects of an archive a program was linked with, as the linker's map tells. With that
# line a program is linked anew when one of those objects changes, not when any object of the archive does. A map that this
# script cannot read gives all objects.
#
# usage: link-members.sh PROGRAM MAP OBJECT...      the archive's objects; their base names are unique
set -eu
program=$1
map=$2
shift 2
printf '%s\n' "$@" | awk -v program="$program" -v map="$map" '
    # The members stand at the beginning of the map, each at the beginning of a line: "DIRECTORY/libvhotplug.a(core.o)".
    BEGIN {
        while ((getline line <map) > 0 && line !~ /^(Discarded input sections|Memory Configuration)/)
            if (match(line, /^[^ ]*libvhotplug\.a\([a-z0-9_]+\.o\)/)) {
                name = substr(line, 1, RLENGTH - 1)
                sub(/.*\(/, "", name)
                taken[name] = 1
                found = 1
            }
    }
    {
        name = $0
        sub(/.*\//, "", name)
        # The second line keeps make going when the object is no more.
        if (!found || name in taken) printf "%s: %s\n%s:\n", program, $0, $0
    }'
