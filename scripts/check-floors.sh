#!/bin/sh
# Holds src/ to the floors of docs/architecture.md, whose table is read here: no file includes a header of a higher floor,
# headers do not include each other in circles, every file has a floor. With OBJDIR also: the objects of the pure floors
# ("brain", "codecs", and str) call nothing but each other and memory, string and formatting functions.
#
# usage: check-floors.sh [OBJDIR]      Says everything found; exit 1 if anything was.
set -eu
cd "$(dirname "$0")/.."
table=docs/architecture.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# "| 3 rooms | server, client*, ... | ... |" to lines "3 rooms server", the wildcards expanded
sed -n 's/^| *\([0-9]\) \([a-z]*\) *| *\([a-z0-9_*, ]*[a-z0-9_*]\) *|.*/\1 \2 \3/p' "$table" | while read -r floor name files; do
    for pattern in $(printf '%s' "$files" | tr -d ',' | sed 's/\*/%/g'); do
        # shellcheck disable=SC2086 # the pattern is one of our own file names, with a wildcard
        for f in $(printf 'src/%s' "$pattern" | sed 's/%/*/g; s/.*/&.c &.h/'); do
            for g in $f; do
                [ ! -f "$g" ] || echo "$floor $name $(basename "${g%.?}")"
            done
        done
    done
done | sort -u >"$tmp/floors"
[ -s "$tmp/floors" ] || { echo "check-floors: no table of floors in $table" >&2; exit 1; }

# "src/core.c conf.h" for each quoted include; only those name our own files
grep -H '^ *# *include *"' src/*.[ch] | sed 's/^\([^:]*\):.*"\(.*\)".*/\1 \2/' >"$tmp/includes"

awk -v table="$table" '
    FILENAME ~ /floors$/ {
        if ($3 in floor && floor[$3] != $1)
            say("src/" $3 " is on two floors of " table)
        floor[$3] = $1; room[$1] = $2
        next
    }
    function base(f) { sub(/^.*\//, "", f); sub(/\.[ch]$/, "", f); return f }
    function say(text) { print "check-floors: " text > "/dev/stderr"; bad = 1 }
    {
        from = base($1); to = base($2)
        for (i = 1; i <= 2; i++) {
            m = i == 1 ? from : to
            if (!(m in floor) && !(m in told) && !(i == 2 && m ~ /_table$|_data$/)) {
                say($i " has no floor in " table)
                told[m] = 1
            }
        }
        if (from in floor && to in floor && floor[to] > floor[from])
            say($1 " (" floor[from] " " room[floor[from]] ") includes " $2 " (" floor[to] " " room[floor[to]] "): upward")
    }
    END { exit bad }' "$tmp/floors" "$tmp/includes" || touch "$tmp/bad"

sed -n 's/^src\/\(.*\.h\) /\1 /p' "$tmp/includes" | tsort >/dev/null 2>"$tmp/circle" || true
if [ -s "$tmp/circle" ]; then
    sed 's/^tsort: -*:*/check-floors: headers include each other:/' "$tmp/circle" >&2
    touch "$tmp/bad"
fi

if [ $# -ge 1 ]; then
    awk '$2 == "brain" || $2 == "codecs" || $3 == "str" {print $3}' "$tmp/floors" | sort -u | while read -r m; do
        [ ! -f "src/$m.c" ] || echo "$1/$m.o"
    done >"$tmp/pure"
    # shellcheck disable=SC2046 # one object a line, no blanks in them
    "${NM:-nm}" -A -g $(cat "$tmp/pure") >"$tmp/names"
    awk '
        # Nothing here makes a system call, reads a clock or keeps state of its own.
        BEGIN {
            split("memcpy memmove memset memcmp memchr memrchr memmem strlen strnlen strcmp strncmp strcasecmp strncasecmp " \
                "strchr strrchr strstr strspn strcspn strpbrk stpcpy snprintf vsnprintf bsearch qsort tolower toupper isdigit " \
                "isxdigit isalpha isalnum isspace isprint __stack_chk_fail __stack_chk_guard _GLOBAL_OFFSET_TABLE_ " \
                "__memcpy_chk __memmove_chk __memset_chk __snprintf_chk __vsnprintf_chk vh_assert_failed " \
                "inet_pton ntohl __popcountdi2", list, " ")
            for (i in list) allowed[list[i]] = 1
        }
        $(NF - 1) == "U" { wanted[$NF] = wanted[$NF] " " $1; next }
        { allowed[$NF] = 1 }
        END {
            for (name in wanted)
                if (!(name in allowed) && name !~ /^usbids_/) { # the table of names, made by the build
                    gsub(/[^ ]*\//, "", wanted[name]); gsub(/:/, "", wanted[name])
                    print "check-floors: not pure:" wanted[name] " calls " name > "/dev/stderr"
                    bad = 1
                }
            exit bad
        }' "$tmp/names" || touch "$tmp/bad"
fi
[ ! -e "$tmp/bad" ]
