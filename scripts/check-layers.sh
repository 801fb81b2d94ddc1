#!/bin/sh
# Holds src/ to its layers: a file includes headers of its own folder and of folders on lower layers, never of others; and no
# two files have one base name. With OBJDIR also: no file calls into one that calls it, straight or through others; and the
# objects of the pure folders call nothing but each other and memory, string and formatting functions.
#
# usage: check-layers.sh [OBJDIR]      Says everything found; exit 1 if anything was.
set -eu
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/layers" <<'END'
1 base
2 codec
2 os
3 config
3 cli
4 core
4 bus
4 vmm
5 api
5 server
6 daemon
7 main.c
END

# "core/core.c" for each file, and "core/core.c config/policy.h" for each quoted include
find src -name '*.[ch]' | sed 's/^src\///' >"$tmp/files"
grep -rH '^ *# *include *"' src | sed 's/^src\/\([^:]*\):.*"\(.*\)".*/\1 \2/' >"$tmp/includes"
awk '
    FILENAME ~ /layers$/ { layer[$2] = $1; next }
    function top(f) { sub(/\/.*$/, "", f); return f }
    function say(text) { print "check-layers: " text > "/dev/stderr"; bad = 1 }
    {
        from = top($1); to = top($2)
        if (NF == 1) {
            if (!(from in layer)) say("src/" $1 " has no layer")
        } else if (!(from in layer)) next
        else if (!(to in layer)) say("src/" $1 " includes \"" $2 "\": no folder of src/")
        else if (from != to && layer[to] >= layer[from]) say("src/" $1 " includes " $2 ": not a lower layer")
    }
    END { exit bad }' "$tmp/layers" "$tmp/files" "$tmp/includes" || touch "$tmp/bad"

# A base name says which file is meant: coverage, maps of the linker and back traces know no folders.
sed 's/.*\///' "$tmp/files" | sort | uniq -d | sed 's/^/check-layers: two files of src are named /' >"$tmp/twice"
if [ -s "$tmp/twice" ]; then
    cat "$tmp/twice" >&2
    touch "$tmp/bad"
fi

if [ $# -ge 1 ]; then
    find "$1" -name '*.o' ! -name '*_ids_table.o' | sort >"$tmp/objects"
    # shellcheck disable=SC2046 # one object a line, no blanks in them
    "${NM:-nm}" -A -g $(cat "$tmp/objects") | sed "s|^$1/||; s/\.o:/ /" >"$tmp/names"
    awk '$(NF - 1) != "U" { where[$NF] = $1; next } { wanted[++n] = $1 " " $NF }
        END { for (i = 1; i <= n; i++) { split(wanted[i], w, " "); if (w[2] in where && where[w[2]] != w[1]) print w[1], where[w[2]] } }' \
        "$tmp/names" | sort -u >"$tmp/calls"
    tsort <"$tmp/calls" >/dev/null 2>"$tmp/circle" || true
    if [ -s "$tmp/circle" ]; then
        sed 's/^tsort: -*:*/check-layers: files call each other:/' "$tmp/circle" >&2
        touch "$tmp/bad"
    fi
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
        function pure(f) {
            return f ~ /^(codec|config|core|api)\// && f != "config/conf_print" || f == "base/str" || f == "base/vm_ports" || f == "vmm/qemu_ports" || f == "vmm/qemu_info_usb" || f == "base/model" || f == "base/duration" || f == "vmm/vmm_qemu" || f == "vmm/vmm_crosvm" || f == "vmm/vmm_cloud" || f == "vmm/qemu_pci" || f == "bus/device_order" || f == "bus/vfio_order" || f == "os/opener_order" || f == "vmm/connector_order" || f == "daemon/disk_order"
        }
        !pure($1) { next }
        $(NF - 1) == "U" { wanted[$NF] = wanted[$NF] " " $1; next }
        { allowed[$NF] = 1 }
        END {
            for (name in wanted)
                if (!(name in allowed) && name !~ /^(usb|pci)_ids_table$/) { # the table of names, made by the build
                    print "check-layers: not pure:" wanted[name] " calls " name > "/dev/stderr"
                    bad = 1
                }
            exit bad
        }' "$tmp/names" || touch "$tmp/bad"
fi
[ ! -e "$tmp/bad" ]
