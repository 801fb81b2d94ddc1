# shellcheck shell=sh
# For an initramfs's init: the daemon starts before drivers and disks, and goes on after switch_root. Sourced; needs busybox or
# any POSIX shell, mount and setsid.
#
#   . /usr/lib/vhotplug/initramfs.sh
#   vhotplug_early                      # /proc, /sys, /dev and /run are mounted
#   ... load modules, mount the root file system at /mnt ...
#   vhotplug_switch /mnt                # instead of moving /proc, /sys, /dev and /run there
#   exec switch_root /mnt /sbin/init
#
# How it lives on: the daemon keeps the initramfs as its root directory, whose files switch_root deletes. What the daemon
# needs are the four mounts, and those stay in its root because the new root gets them bound, not moved. Its configuration
# and its directory /var/lib/vhotplug are in /run.

# vhotplug_early [DIRECTORY]: a DIRECTORY on a disk that is mounted already makes what was decided in earlier boots hold
# from the first moment; without, it is /run/vhotplug and the state is this boot's until S25vhotplug takes over.
vhotplug_early() {
    VHOTPLUG_CONF=/etc/vhotplug.conf VHOTPLUG_ARGS='' VHOTPLUG_LOG=/dev/kmsg
    # shellcheck source=/dev/null
    [ ! -r /etc/default/vhotplug ] || . /etc/default/vhotplug
    vhotplug_state=${1:-/run/vhotplug}
    mkdir -p /run/vhotplug "$vhotplug_state" /var/lib/vhotplug
    mount --bind "$vhotplug_state" /var/lib/vhotplug || return 1
    if [ -r "$VHOTPLUG_CONF" ]; then
        cp "$VHOTPLUG_CONF" /run/vhotplug/vhotplug.conf
        VHOTPLUG_ARGS="-c /run/vhotplug/vhotplug.conf $VHOTPLUG_ARGS"
    fi
    # shellcheck disable=SC2086 # the arguments are words
    setsid /usr/sbin/vhotplug $VHOTPLUG_ARGS </dev/null >/dev/null 2>>"$VHOTPLUG_LOG" &
    echo $! >/run/vhotplug.pid
}

# vhotplug_switch NEWROOT: the last thing before switch_root.
vhotplug_switch() {
    for vhotplug_dir in /proc /sys /dev /run; do
        [ -d "$1$vhotplug_dir" ] || mkdir "$1$vhotplug_dir" || return 1
        mount --bind "$vhotplug_dir" "$1$vhotplug_dir" || return 1
    done
    # Clients find the socket where they look for it.
    [ ! -d "$1/var/lib/vhotplug" ] || mount --bind /var/lib/vhotplug "$1/var/lib/vhotplug"
}
