# shellcheck shell=bash
# Completion for vhotplug and vhotplugcli. Names of tags, VMs and nodes are asked of the daemon, which may not be there.

_vhotplug_values() { # KEY: its values in the list of all devices
    vhotplugcli --plain usb list --all 2>/dev/null | sed -n "s/^  $1 *: //p" | tr -d "[],'" | tr ' ' '\n' |
        grep -vx None | sort -u
}

_vhotplugcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words
    local selectors="--devnode --connector --bus --port --vid --pid"
    case $prev in
    --devnode) words=$(_vhotplug_values device_node) ;;
    --tag) words=$(_vhotplug_values tag) ;;
    --connector) words=$(_vhotplug_values connector) ;;
    --vm) words=$(_vhotplug_values allowed_vms) ;;
    --removable) words="fixed removable unknown" ;;
    --by) words="serial model class connector" ;;
    -t | --transport) words="unix tcp vsock" ;;
    -u | --path | --driver-path)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    -s | --host | -p | --net-port | -c | --cid | --address | --did | --qemu-bus-prefix | --qemu-bus-start-index | --timeout | --bus | --port | --vid | --pid | --serial | --vendor-name | --product-name | --class | --device-class) return ;;
    usb) words="list attach detach suspend resume history rule" ;;
    pci) words="list attach detach suspend resume" ;;
    evdev) words="list" ;;
    vmm) words="list args" ;;
    state) words="acknowledge" ;;
    *)
        case " ${COMP_WORDS[*]:0:COMP_CWORD} " in
        *" usb list "*) words="--short --plain --tree --connected --disconnected --tag --connector --vm --all" ;;
        *" usb attach "*) words="$selectors --tag --vm" ;;
        *" usb detach "*) words="$selectors --tag" ;;
        *" usb suspend "* | *" usb resume "*) words="--vm" ;;
        *" usb history "*) words="$selectors --tag" ;;
        *" usb rule "*) words="$selectors --by --vm" ;;
        *" pci list "*) words="--short --plain --tree --all --connected --disconnected --tag" ;;
        *" pci attach "*) words="--address --vid --did --tag --vm" ;;
        *" pci detach "*) words="--address --vid --did --tag" ;;
        *" pci suspend "* | *" pci resume "*) words="--vm" ;;
        *" evdev list "*) words="--short --tag --all" ;;
        *" vmm args "*) words="--vm --qemu-bus-prefix --qemu-bus-start-index --timeout --require-pci" ;;
        *" explain "*) words="$selectors --address --serial --vendor-name --product-name --removable --driver-path --class --device-class" ;;
        *" status "*) words="--tag" ;;
        *" stats "*) words="--prometheus" ;;
        *" listen "* | *" choose "* | *" rules "* | *" reload "* | *" version "* | *" state acknowledge "* | *" vmm list "*) words="" ;;
        *) words="usb pci evdev vmm state listen choose rules reload status explain stats version -t -u -s -p -c -d --transport --path --host \
            --net-port --cid --debug --no-debug --json --help --version" ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

_vhotplug() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    case $prev in
    -c | --config) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    --root) mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    *)
        if [ "${COMP_WORDS[1]}" = cli ] && [ "$COMP_CWORD" -gt 1 ]; then
            _vhotplugcli
        else
            mapfile -t COMPREPLY < <(compgen -W "doctor cli --config --attach-connected --no-attach-connected --debug \
                --no-debug --check --strict --live --connectors --limits --quarantine --no-sandbox --ready-fd --root \
                --uevents --version \
                --help" -- "$cur")
        fi
        ;;
    esac
}

complete -F _vhotplugcli vhotplugcli
complete -F _vhotplug vhotplug
