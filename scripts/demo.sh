#!/bin/sh
# Shows the daemon at work on an emulated board: boots it, plugs devices in, moves them between two VMs. Installs what is missing
# (Debian; elsewhere it names it), builds if need be, and leaves the story to demo.py.
#
# usage: demo.sh [--shell] [--keep]
# exit: 0 all went well, 1 something failed, 2 options not understood
set -u

usage() {
    cat <<'EOF'
usage: demo.sh [--shell] [--keep]
Boots an emulated board with vhotplug and two VMs, plugs USB devices in, and shows the API conversation as it happens.

  --shell    then connects this terminal to the board's console; Ctrl-] leaves
  --keep     then keeps the board running, its API reachable from here, until Ctrl-C
  --help     this

Needs a Debian machine with apt, and root or sudo if packages are missing. The first run also builds the daemon and fetches a kernel.
Logs are in build/demo/. Exit status: 0 ok, 1 failed, 2 usage.
EOF
}

for option in "$@"; do
    case $option in
    --shell)
        if ! [ -t 0 ] || ! [ -t 1 ]; then
            echo "demo: --shell needs a terminal" >&2
            exit 2
        fi
        ;;
    --keep) ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        echo "demo: what is $option?" >&2
        usage >&2
        exit 2
        ;;
    esac
done

cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin # kmod's programs, also for users
export PATH

scripts/need.sh build board || exit 1

is_current() {
    [ -x build/vhotplug ] && [ -z "$(find -H src Makefile scripts/ids.py -newer build/vhotplug | head -n 1)" ]
}
if ! is_current; then
    echo "building build/vhotplug"
    make -j"$(nproc 2>/dev/null || echo 1)" || {
        echo "demo: the build failed" >&2
        exit 1
    }
fi

# Package lists may be absent or old: then once more after an update.
fetch() {
    sh board/qemu-x86_64/fetch-kernel.sh build/board
}
if ! [ -s build/board/release ] || ! [ -s build/board/vmlinux ]; then
    echo "fetching Debian's kernel for the board (about 70 MB, once)"
    if ! why=$(fetch 2>&1); then
        sudo=
        [ "$(id -u)" = 0 ] || sudo=sudo
        echo "updating the package lists first"
        if ! $sudo apt-get -q update >/dev/null || ! fetch; then
            printf '%s\n' "$why" "demo: no kernel for the board" >&2
            exit 1
        fi
    fi
fi

exec python3 scripts/demo.py "$@"
