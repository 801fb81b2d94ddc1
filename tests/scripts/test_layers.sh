#!/bin/sh
# Plants violations in a copy of src/, one at a time, and sees that check-layers.sh finds and names each. The files planted are
# compiled here; the other objects are those of the build. Prints TAP.
#
# usage: test_layers.sh OBJDIR      the objects of src/, as make lint-layers takes them
set -u
cd "$(dirname "$0")/../.." || exit 1
objects=$(realpath "$1") || exit 1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
count=0 failed=0

fresh() {
    rm -rf "$tree/src" "$tree/obj"
    mkdir -p "$tree/scripts"
    cp scripts/check-layers.sh "$tree/scripts/"
    cp -R src "$tree/src"
    cp -R "$objects" "$tree/obj"
}

plant() { # FILE, its text on stdin: added to a file of src, or a new file; a .c file is compiled
    mkdir -p "$tree/src/$(dirname "$1")" "$tree/obj/$(dirname "$1")"
    cat >>"$tree/src/$1"
    case $1 in
    *.c) (cd "$tree" && ${TEST_CC:-gcc} -std=c11 -D_GNU_SOURCE -iquote src -c -o "obj/${1%.c}.o" "src/$1") || failed=1 ;;
    esac
}

result() { # TRUTH NAME
    count=$((count + 1))
    if [ "$1" = 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        sed 's/^/# /' "$tree/said"
        failed=1
    fi
}

# The check fails, and each text is in what it says.
names() { # NAME TEXT...
    name=$1 truth=0
    shift
    (cd "$tree" && scripts/check-layers.sh obj) >"$tree/said" 2>&1 && truth=1
    for text; do
        grep -qF -e "$text" "$tree/said" || truth=1
    done
    result $truth "$name"
}

include() { # FILE HEADER NAME TEXT: a fresh tree, in which the file includes the header
    fresh
    echo "#include \"$2\"" | plant "$1"
    names "$3" "$4"
}

fresh
(cd "$tree" && scripts/check-layers.sh obj) >"$tree/said" 2>&1
result $? "the tree as it is passes"
test ! -s "$tree/said"
result $? "the tree as it is: nothing is said"

include codec/modalias.c config/policy.h "an include of a higher layer" \
    "src/codec/modalias.c includes config/policy.h: not a lower layer"
include core/core_view.c vmm/vmm.h "an include of a folder of the same layer" \
    "src/core/core_view.c includes vmm/vmm.h: not a lower layer"
include vmm/planted.h server/server.h "an include in a header" \
    "src/vmm/planted.h includes server/server.h: not a lower layer"
include codec/planted.h gone/gone.h "an include of no folder" \
    'src/codec/planted.h includes "gone/gone.h": no folder of src/'

fresh
plant codec/planted_one.c <<'END'
int planted_two(int n);
int planted_one(int n);
int planted_one(int n) { return planted_two(n); }
END
plant codec/planted_two.c <<'END'
int planted_one(int n);
int planted_two(int n);
int planted_two(int n) { return n > 0 ? planted_one(n - 1) : 0; }
END
names "two files that call each other" "files call each other" codec/planted_one codec/planted_two

fresh
plant codec/planted_one.c <<'END'
int planted_two(int n);
int planted_one(int n);
int planted_one(int n) { return planted_two(n); }
END
plant codec/planted_two.c <<'END'
int planted_three(int n);
int planted_two(int n);
int planted_two(int n) { return planted_three(n); }
END
plant codec/planted_three.c <<'END'
extern int (*planted_hook)(int n);
int planted_one(int n);
int planted_three(int n);
int (*planted_hook)(int n) = planted_one;
int planted_three(int n) { return planted_hook(n); }
END
names "a circle of three, closed by a function pointer" "files call each other" codec/planted_one codec/planted_two codec/planted_three

fresh
plant core/planted.c <<'END'
#include <time.h>
long planted(void);
long planted(void) { return (long)time(0); }
END
names "a clock in a pure file" "not pure: core/planted calls time"

fresh
plant base/str.c <<'END'
#include <unistd.h>
long planted(int fd);
long planted(int fd) { char c; return read(fd, &c, 1); }
END
names "a system call in a pure file of base/" "not pure: base/str calls read"

include tools/planted.c base/str.h "a file in a folder without a layer" "src/tools/planted.c has no layer"
include planted.c base/str.h "a file beside main.c" "src/planted.c has no layer"

fresh
plant tools/planted.c <<'END'
int planted(void);
int planted(void) { return 0; }
END
names "a file without a layer that includes nothing" "src/tools/planted.c has no layer"

fresh
plant os/core.h <<'END'
END
names "two files of one base name" "two files of src are named core.h"

echo "1..$count"
exit $failed
