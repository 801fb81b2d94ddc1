#!/bin/sh
# Builds and tests everything. Needs a Debian machine with apt and root or sudo: what is missing is installed; elsewhere it is
# named. Each part's output is kept in build/check/PART.log. The last line is "N passed, N failed"; exit 1 if any failed.
#
# usage: check.sh [PART...]      all of them: build layers unit fuzz simulation system faults cross board images demo
#        FUZZ_TIME=10            seconds for each fuzzer
set -u
cd "$(dirname "$0")/.." || exit 1

FUZZ_TIME=${FUZZ_TIME:-10}
logs=build/check
passed=0 failed=0 skipped=0
begin=$(date +%s)
jobs=$(nproc 2>/dev/null || echo 1)
child=

elapsed() {
    s=$(($(date +%s) - ${1:-$begin}))
    printf '%d:%02d' $((s / 60)) $((s % 60))
}

count() { # FILE PATTERN
    grep -Ec "$2" "$1"
}

# The child is its own process group (timeout sees to that), so an interrupt reaches all of it.
# shellcheck disable=SC2317 # called by the trap
stop() {
    [ -z "$child" ] || kill "$child" 2>/dev/null
    echo "interrupted after $(elapsed)"
    exit 130
}
trap stop INT TERM

# Waits for $child; says now and then how far it is.
watch() { # LOG SINCE
    said=$2
    while kill -0 "$child" 2>/dev/null; do
        sleep 1
        now=$(date +%s)
        [ $((now - said)) -ge 30 ] || continue
        said=$now
        echo "         ... $(elapsed "$2"), $(count "$1" '^ok') passed so far"
    done
    wait "$child"
}

# Runs a part to its log and adds up its TAP lines. A part that dies, or prints no test, is a failure more.
part() { # NAME SECONDS TITLE COMMAND...
    name=$1 limit=$2 title=$3
    shift 3
    log=$logs/$name.log
    since=$(date +%s)
    printf '[%5s] %s\n' "$(elapsed)" "$title"
    timeout -k 10 "$limit" "$@" >"$log" 2>&1 </dev/null &
    child=$!
    watch "$log" "$since"
    status=$?
    child=
    ok=$(count "$log" '^ok([[:space:]]|$)')
    bad=$(count "$log" '^not ok([[:space:]]|$)')
    skip=$(count "$log" '^ok[[:space:]].*# *[Ss][Kk][Ii][Pp]')
    why=
    if [ "$status" = 124 ]; then
        why="not finished after $limit s"
    elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        why="ended with status $status"
    elif [ $((ok + bad)) = 0 ]; then
        why="printed no test"
    fi
    [ -z "$why" ] || bad=$((bad + 1))
    ok=$((ok - skip))
    passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
    printf '         %s: %d passed, %d failed%s, %s\n' "$name" "$ok" "$bad" \
        "$([ "$skip" = 0 ] || echo ", $skip skipped")" "$(elapsed "$since")"
    [ "$bad" = 0 ] && return
    echo "         --- $name${why:+: $why}; $log says:"
    if [ "$bad" -gt 0 ] && grep -Eq '^not ok' "$log"; then
        # A harness says why above its line or below it.
        grep -E -B 12 -A 12 '^not ok([[:space:]]|$)' "$log" | grep -Ev '^ok ' | tail -n 120
    fi
    [ -z "$why" ] || tail -n 40 "$log"
    echo "         ---"
}

need() { # NAME PURPOSE: installs; if it cannot, that part has failed
    scripts/need.sh "$2" && return
    failed=$((failed + 1))
    echo "         $1: not run, see above"
    return 1
}

do_build() {
    need build build || finish
    part build 900 "build: static binary for this machine" sh -c 'make -j'"$jobs"' &&
        echo "ok - builds" && scripts/check-binary.sh build/vhotplug build/*/vhotplug.full && echo "ok - static-PIE, sealed, no allocator of libc" &&
        build/vhotplug --version && echo "ok - runs"'
    [ -x build/vhotplug ] || finish
}

do_layers() {
    part layers 120 "layers: includes go down only, no circle of files, pure files are pure" sh -c 'make lint-layers && echo "ok - layers"
        make test-layers
        scripts/check-unit.sh && echo "ok - systemd unit"'
}

do_unit() {
    need unit test || return
    part unit 1200 "unit tests: address and undefined-behaviour sanitizers" make -j"$jobs" unit RERUN=1
}

do_fuzz() {
    need fuzz fuzz || return
    part fuzz 1800 "fuzzers: committed inputs, then $FUZZ_TIME s of new ones each" make -j"$jobs" fuzz FUZZ_TIME="$FUZZ_TIME"
}

do_faults() {
    need faults test || return
    part faults 300 "faults: system calls of the static binary made to fail, and killed at" make faults FAULT_TIME=60
}

do_simulation() {
    need simulation test || return
    part simulation 600 "core simulation: 2 million facts with faults" make -j"$jobs" simulate SEED=1 SEEDS=20 FACTS=100000
}

do_system() {
    part promtool 300 "promtool, for the figures in the format of Prometheus" sh -c 'make promtool && echo "ok - promtool is here"'
    part system 900 "system tests: the static binary, scripted VMMs and clients" make -k -j"$jobs" -O system
    need bench bench || return
    part bench 180 "benchmarks: every figure is there; its value is not judged" make -j"$jobs" bench-smoke
}

# shellcheck disable=SC2016 # the inner shell expands
do_cross() {
    need cross cross && need cross deb || return
    part cross 1200 "aarch64: cross build, its unit tests; foreign sysroots; two builds alike; package files" sh -c '
        bad=0
        make -j'"$jobs"' ARCH=aarch64 && echo "ok - aarch64 builds" || exit 1
        make -j'"$jobs"' ARCH=aarch64 cross-unit || bad=1
        for t in foreign reproducible deb; do
            scripts/tap.sh $t sh tests/board/test_$t.sh || bad=1
        done
        scripts/tap.sh packages python3 scripts/check-packages.py || bad=1
        scripts/tap.sh packages-planted python3 tests/scripts/test_packages.py || bad=1
        exit $bad'
}

# shellcheck disable=SC2016 # the inner shell expands
do_images() {
    need images image || return
    part images 1200 "images of both boards, as shipped: boot, switch_root, init script, plug and attach" sh -c '
        bad=0
        for arch in aarch64 x86_64; do
            make -j'"$jobs"' ARCH=$arch all fakeqmp on-board || exit 1
            BOARD=qemu-$arch scripts/tap.sh qemu-$arch python3 tests/board/test_image.py || bad=1
        done
        exit $bad'
}

do_demo() {
    need demo board || return
    part demo 600 "the demonstration, as README.md has it" sh -c '
        if sh scripts/demo.sh </dev/null; then
            echo "ok 1 - the demonstration"
        else
            echo "not ok 1 - the demonstration"
            exit 1
        fi'
}

do_board() {
    need board board && need board test || return
    part board 3600 "emulated board: a real kernel, real uevents, real QEMU, real VSOCK" sh -c '
        make build/test/fault/launch build/test/board/ejector vfiotool && exec sh tests/board/run.sh'
}

finish() {
    [ "$skipped" = 0 ] || echo "$skipped skipped"
    echo "[$(elapsed)] logs are in $logs/"
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

all="build layers unit fuzz simulation system faults cross board images demo"
for p in "$@"; do
    case " $all " in
    *" $p "*) ;;
    *)
        echo "usage: check.sh [PART...], of: $all" >&2
        exit 2
        ;;
    esac
done
mkdir -p "$logs"
[ $# -gt 0 ] || {
    # shellcheck disable=SC2086 # the list is words
    set -- $all
}
for p in "$@"; do
    case $p in
    build) do_build ;;
    layers) do_layers ;;
    unit) do_unit ;;
    fuzz) do_fuzz ;;
    simulation) do_simulation ;;
    system) do_system ;;
    faults) do_faults ;;
    cross) do_cross ;;
    board) do_board ;;
    images) do_images ;;
    demo) do_demo ;;
    esac
done
finish
