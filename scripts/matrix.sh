#!/bin/sh
# The board's tests over versions of QEMU and of the kernel: each cell boots the emulated board with the kernel of one Debian
# release and runs the QEMU (and the python3) of one Debian release on it. Prints a table, and below it each test that failed or
# was skipped; a cell that could not be run has failed. Needs root, debootstrap, and what the board needs (scripts/need.sh board).
#
# usage: matrix.sh [CELL...]     qemu5.2:linux5.10 ...; all without. "qemu5.2:*" is a row.
#        MATRIX_TESTS="board life"   only these files of tests/board (as run.sh takes them)
#        MIRROR=URL                  of Debian, where debootstrap's own does not do
#
# What it makes stays in build/matrix: root/SUITE (debootstrap), linuxVERSION (a kernel, its initramfs), log/CELL.log.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
here=$top/build/matrix
PATH=$PATH:/usr/sbin:/sbin

qemus="5.2 7.2 10.0 11.1"
linuxes="5.10 6.1 6.12 7.2"

die() {
    echo "matrix: $*" >&2
    exit 1
}

suite_of() { # qemuVERSION or linuxVERSION
    case $1 in
    qemu5.2 | linux5.10) echo bullseye ;;
    qemu7.2 | linux6.1) echo bookworm ;;
    qemu10.0 | linux6.12) echo trixie ;;
    qemu11.1 | linux7.2) echo sid ;;
    *) die "no such version: $1 (qemu: $qemus; linux: $linuxes)" ;;
    esac
}

make_root() { # SUITE
    root=$here/root/$1
    [ -e "$root.done" ] && return
    echo "making a root directory of Debian $1: $root"
    rm -rf "$root"
    mkdir -p "$here/root"
    if ! { debootstrap --variant=minbase "$1" "$root" ${MIRROR:+"$MIRROR"} &&
        chroot "$root" apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends python3 qemu-system-x86 </dev/null; } >"$root.log" 2>&1; then
        die "no root directory of $1: $root.log says why"
    fi
    touch "$root.done"
}

# The version at hand must be that of the cell's name: Debian's newest moves on.
check_qemu() { # VERSION ROOT
    is=$(chroot "$2" qemu-system-x86_64 --version | sed -n 's/.*version \([0-9]*\.[0-9]*\).*/\1/p')
    [ "$is" = "$1" ] || { echo "matrix: $2 has QEMU $is, not $1" >&2; return 1; }
}
check_linux() { # VERSION DIR
    is=$(sed 's/^\([0-9]*\.[0-9]*\).*/\1/' "$2/release")
    [ "$is" = "$1" ] || { echo "matrix: $2 has Linux $is, not $1" >&2; return 1; }
}

# In a mount namespace of its own: the sources are visible inside the root at the path that they have here, and nowhere else.
run_cell() { # QEMU LINUX LOG
    root=$here/root/$(suite_of "qemu$1")
    kernel=$here/linux$2
    check_qemu "$1" "$root" || return 1
    sh board/qemu-x86_64/fetch-kernel.sh "$kernel" "$here/root/$(suite_of "linux$2")" || return 1
    check_linux "$2" "$kernel" || return 1
    mkdir -p "$root$top"
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; the tests are words
    VH_BOARD_ROOT=$root VH_BOARD_BUILD=$kernel VH_BOARD_LOGS=$here/log/qemu$1:linux$2 unshare -m --propagation private sh -c '
        mount --bind "$1" "$2$1" || exit 1
        shift 2
        if [ $# -eq 0 ]; then exec sh tests/board/run.sh; fi
        bad=0
        for file; do sh tests/board/run.sh "$file" || bad=1; done
        exit $bad' sh "$top" "$root" ${MATRIX_TESTS:-}
}

[ "$(id -u)" = 0 ] || die "needs root, for chroot"
for tool in debootstrap unshare qemu-system-x86_64; do
    command -v $tool >/dev/null || die "no $tool here"
done
for file in build/vhotplug build/test/fault/launch build/test/board/ejector; do
    [ -x $file ] || die "no $file: run make matrix, or make $file"
done

[ $# -gt 0 ] || set -- '*'
cells=
for q in $qemus; do
    for l in $linuxes; do
        for wanted; do
            # shellcheck disable=SC2254 # a pattern
            case qemu$q:linux$l in $wanted) cells="$cells qemu$q:linux$l" && break ;; esac
        done
    done
done
for wanted; do
    case $wanted in
    *'*'* | *'?'*) ;;
    *) case " $cells " in *" $wanted "*) ;; *) die "no such cell: $wanted (qemu: $qemus; linux: $linuxes)" ;; esac ;;
    esac
done
[ -n "$cells" ] || die "no cell fits: $*"

mkdir -p "$here/log"
for cell in $cells; do
    make_root "$(suite_of "${cell%:*}")"
    make_root "$(suite_of "${cell#*:}")"
done

count() { # CELL PATTERN
    grep -Ec "$2" "$here/log/$1.log" || :
}

bad=0
for cell in $cells; do
    since=$(date +%s)
    q=${cell%:*} l=${cell#*:}
    run_cell "${q#qemu}" "${l#linux}" >"$here/log/$cell.log" 2>&1 </dev/null
    echo $? >"$here/log/$cell.status"
    skipped=$(count "$cell" '^ok[[:space:]].*# *SKIP')
    passed=$(($(count "$cell" '^ok([[:space:]]|$)') - skipped))
    failed=$(count "$cell" '^not ok([[:space:]]|$)')
    # A file that dies prints no line for what it did not run.
    [ "$failed" -gt 0 ] || [ "$(cat "$here/log/$cell.status")" = 0 ] || failed=1
    [ $((passed + failed)) -gt 0 ] || failed=1
    [ "$failed" = 0 ] || bad=1
    text="$passed ok"
    [ "$failed" = 0 ] || text="$text, $failed bad"
    [ "$skipped" = 0 ] || text="$text, $skipped skip"
    echo "$text" >"$here/log/$cell.result"
    echo "$cell: $text, $(($(date +%s) - since)) s"
done

echo
printf '%-12s' ""
for l in $linuxes; do printf '| %-20s' "Linux $l"; done
echo
for q in $qemus; do
    printf '%-12s' "QEMU $q"
    for l in $linuxes; do
        case " $cells " in
        *" qemu$q:linux$l "*) printf '| %-20s' "$(cat "$here/log/qemu$q:linux$l.result")" ;;
        *) printf '| %-20s' "(not asked for)" ;;
        esac
    done
    echo
done
for cell in $cells; do
    grep -E '^not ok|^ok .*# *SKIP|^matrix:|^# a test hung' "$here/log/$cell.log" | sed "s/^/$cell: /"
done
exit $bad
