/*
 * limits.h - every bound of the program, each with its reason, in groups.
 *
 * There is no heap after start, so these numbers are the program's memory. The lists are X-macros: `vhotplug --limits`
 * prints exactly what was compiled in. A "peer" is the identity of an API client. Nothing else belongs here.
 */
#ifndef VHOTPLUG_LIMITS_H
#define VHOTPLUG_LIMITS_H

/* X(name, value, reason) */
#define VH_LIMITS(X)                                                                                                   \
    /* devices */                                                                                                      \
    X(VH_MAX_DEVICES, 256, "USB devices known at once, hubs included: two full buses")                                 \
    X(VH_MAX_PCI, 256, "PCI devices in one list, bridges included; the rest is left out, and the list says so")        \
    X(VH_MAX_GROUP, 32, "members of an IOMMU group of which a device goes to a VM: four devices with all functions")   \
    X(VH_MAX_EVDEV, 128,                                                                                               \
      "input devices in one list, those on USB included; the rest is left out, and the list says so")                  \
    X(VH_MAX_ACCESS_ENTRIES, 32,                                                                                       \
      "entries of the access list of an input device's node: the users of a seat, and a VM")                           \
    X(VH_MAX_LEAVING, 64, "unplugged devices that still await removal from a VM")                                      \
    X(VH_MAX_IFACES, 64, "classes over all interfaces of one device, each once; a device with more is unclassifiable") \
    X(VH_MAX_CONFIGS, 8, "configurations of one device: the kernel takes no more")                                     \
    X(VH_MAX_DRIVERS, 8, "kernel modules that may drive one device; a device with more is unclassifiable")             \
    X(VH_MAX_PORTS, 256, "ports whose leases and flapping are known")                                                  \
    X(VH_DESC_MAX, 65536, "bytes of a device's descriptors file")                                                      \
    X(VH_ATTR_MAX, 4096, "bytes of a sysfs text attribute: one page")                                                  \
    X(VH_MAX_BUSES, 64, "USB buses of the host: the kernel has no more (USB_MAXBUS)")                                  \
    X(VH_SCAN_ENTRIES, 4096, "entries read of one directory, such as /sys/bus/usb/devices")                            \
    X(VH_TABLE_LINE, 32768, "bytes of one line of a table of /proc: two escaped paths and the options of overlayfs")   \
    X(VH_MAX_LOWER, 64, "network interfaces below one that carries the default route: ports of a bridge, members")     \
    X(VH_TABLE_MAX, 1048576, "bytes read of a table of /proc: eight thousand mounts")                                  \
    X(VH_MODULE_PATHS, 131072, "bytes of the paths of kernel modules: a distribution has a thousand USB drivers")      \
    X(VH_DRIVERS_TEXT, 2048, "bytes of the paths of one device's kernel modules")                                      \
    X(VH_MODULE_BLOCK, 32768, "bytes of a list of kernel modules read at once; a longer line is skipped")              \
    X(VH_MODULE_LIST_MAX, 16777216,                                                                                    \
      "bytes of one list of kernel modules: all lists of a distribution have 2 MB together")                           \
    /* uevents */                                                                                                      \
    X(VH_UEVENT_MAX, 8192, "bytes of one uevent: the kernel's environment has 2048, its path less than 4096")          \
    X(VH_UEVENT_READ, 8, "uevents that one system call reads at most: a plug causes about ten")                        \
    X(VH_UEVENT_BATCH, 256, "uevents read in one pass before other work gets its turn: half a millisecond")            \
    X(VH_UEVENT_NOTED, 64, "devices looked at after a batch of uevents; if a batch names more, all devices are")       \
    /* configuration */                                                                                                \
    X(VH_MAX_VMS, 64, "VMs in the configuration: one bit each in a 64-bit set")                                        \
    X(VH_MAX_RULES, 512, "rules in the configuration")                                                                 \
    X(VH_MAX_ENTRIES, 4096, "allow and deny entries over all rules")                                                   \
    X(VH_MAX_PCI_RULES, 64, "rules of pciPassthrough: a host has a few devices that go to VMs")                        \
    X(VH_MAX_PCI_ENTRIES, 512, "allow and deny entries over all rules of pciPassthrough")                              \
    X(VH_MAX_CLASSES, 1024, "classes in allInterfaces over all entries")                                               \
    X(VH_NAMED_CONNECTORS, 128, "connectors that the configuration names: a rack of hubs")                             \
    X(VH_CONNECTOR_PORTS, 512, "ports of connectors in all: a socket has two, that of a laptop dock four")             \
    X(VH_CONNECTOR_PLACES, 1024, "connectors that entries of rules name, in all")                                      \
    X(VH_MAX_EVDEV_RULES, 64, "rules of evdevPassthrough: one for each VM")                                            \
    X(VH_MAX_EVDEV_ENTRIES, 256, "allow and deny entries over all rules of evdevPassthrough")                          \
    X(VH_MAX_ACPI_RULES, 64, "rules of acpiPassthrough: one for each VM")                                              \
    X(VH_MAX_ACPI_TABLES, 64, "ACPI tables over all rules of acpiPassthrough")                                         \
    X(VH_MAX_CIDS, 64, "members of allowedCids")                                                                       \
    X(VH_MAX_ACCESS, 128, "entries of general.api.clients: twice as many as VMs")                                      \
    X(VH_CONF_MAX, 1048576, "bytes of the configuration file")                                                         \
    X(VH_CONF_TOKENS, 65536, "JSON tokens in the configuration file")                                                  \
    X(VH_CONF_STRINGS, 262144, "bytes of strings kept from the configuration")                                         \
    X(VH_REGEX_PATTERN_MAX, 512, "bytes of one pattern")                                                               \
    X(VH_REGEX_PROG_MAX, 1024, "instructions of one compiled pattern; also bounds the counts in {m,n}")                \
    X(VH_REGEX_POOL, 32768, "instructions over all patterns of a configuration")                                       \
    X(VH_REGEX_SETS, 2048, "character classes over all patterns of a configuration")                                   \
    /* state file */                                                                                                   \
    X(VH_MAX_REMEMBERED, 513, "devices whose selection or decision is remembered; one is for an admin's decision")     \
    X(VH_MAX_TAG_DECISIONS, 64, "tags that a decision keeps away from every VM")                                       \
    X(VH_STATE_MAX, 2097152, "bytes of the state file: a full table whose serials JSON must escape")                   \
    X(VH_STATE_TOKENS, 24576, "JSON tokens in the state file")                                                         \
    X(VH_STATE_EXTRA, 16384, "bytes of what is not understood in the state file, as ids of PCI devices: it is kept")   \
    /* API clients */                                                                                                  \
    X(VH_MAX_LISTENERS, 8, "listening sockets: unix, vsock, tcp over IPv4 and IPv6")                                   \
    X(VH_MAX_CLIENTS, 64, "API connections at once over all transports")                                               \
    X(VH_ADMIN_CLIENTS, 8, "API connections reserved for admins, so that other clients cannot lock them out")          \
    X(VH_PEER_CLIENTS, 16, "default of connectionsPerPeer: no CID, uid or address can take all connections")           \
    X(VH_MAX_GROUPS, 256, "groups of a unix client; a client with more groups is refused")                             \
    X(VH_MAX_PEERS, 128, "peers whose requests are counted: all connected clients and as many that have left")         \
    X(VH_PEER_RATE, 100, "default of requestsPerSecond, for peers that are no admins: a person clicks more slowly")    \
    X(VH_PEER_BURST, 2, "requests that a peer may make at once, in seconds of its rate")                               \
    X(VH_CHANGE_COST, 10, "requests that one request counts as if it moves devices: VMs and the disk work, too")       \
    X(VH_GUEST_REQUESTS, 16, "requests under way for one VM's guest, those of closed connections included")            \
    X(VH_LINE_SECONDS, 10, "default of lineSeconds: a connection whose line stays unfinished for this time ends")      \
    X(VH_LINE_MAX, 4096, "bytes of one API request line, newline included")                                            \
    X(VH_LINE_TOKENS, 256, "JSON tokens of one API request")                                                           \
    X(VH_REPLY_MAX, 24576, "bytes of one reply or event line; a list of devices is sent object by object")             \
    X(VH_MAX_HISTORY, 256, "events of devices that the action history tells of")                                       \
    X(VH_HISTORY_NAME, 36, "bytes of a product's name there, with NUL; a longer one is cut")                           \
    X(VH_HISTORY_CONTROLLERS, 16, "USB controllers that those events name: of further ones the connector is not told") \
    X(VH_PROBLEMS_MAX, 16384, "bytes of the problems that the reply to a reload carries; the rest is counted")         \
    X(VH_LIST_KEPT, 262144, "bytes of the list of devices that is kept for all clients until something changes")       \
    X(VH_QUEUE_MAX, 32768, "bytes queued for one API client before events are dropped and counted")                    \
    /* VMMs */                                                                                                         \
    X(VH_MAX_VM_PCI, 64, "PCI devices of the host in one VM; also its root ports: a bus has 32 slots")                 \
    X(VH_MAX_FOUND, 256, "passed-through devices that a VM may report in one listing")                                 \
    X(VH_VM_FILTERS, 4, "filters of one VM by which it takes devices on its own; another VM needs its own share")      \
    X(VH_MAX_FILTERS, 256, "filters over all VMs: VH_VM_FILTERS for each")                                             \
    X(VH_VM_BUSES, 16, "USB controllers of one VM, companions included; the ports of a VM with more are not known")    \
    X(VH_VM_HUBS, 8, "USB hubs that somebody gave one VM; the ports of a VM with more are not known")                  \
    X(VH_VM_PORTS, 96, "USB ports of one VM, those of hubs included; the ports of a VM with more are not known")       \
    X(VH_VM_PORT_PATH, 16, "the path of a USB port in a VM with NUL: QEMU's own bound")                                \
    X(VH_VM_USB_TEXT, 16384, "bytes of QEMU's text about the USB devices of a VM: a line of each port")                \
    X(VH_QMP_LINE_MAX, 65536, "bytes of one line from a VMM; a longer line is skipped and the link is reset")          \
    X(VH_QMP_TOKENS, 8192, "JSON tokens of one line from a VMM")                                                       \
    X(VH_HTTP_HEAD_MAX, 2048, "bytes of the head of a VMM's HTTP answer: cloud-hypervisor's has about 150")            \
    X(VH_HTTP_BODY_MAX, 61440, "bytes of its body: a VM's configuration and its tree of devices")                      \
    X(VH_CLOUD_TOKENS, 8192, "JSON tokens of an answer of cloud-hypervisor")                                           \
    X(VH_CROSVM_TOKENS, 256, "JSON tokens of one answer of crosvm: its list of 16 ports has 117")                      \
    X(VH_QMP_OUT_MAX, 2048, "bytes of one batch of commands to a VMM")                                                 \
    X(VH_LINK_TURN, 4096, "bytes of lines read from one VMM at once, and the rest of a line; then VH_T_LINK_PAUSE")    \
    X(VH_LINKS_TURN, 16384, "bytes of lines read from all VMMs at once; then all pause: half a millisecond of work")   \
    /* log */                                                                                                          \
    X(VH_LOG_LINE, 2048, "bytes of a log line; a pipe takes 4096 at once or none, so lines of processes do not mix")   \
    X(VH_LOG_READ, 4096, "bytes of log lines that the logger reads at once: one page")                                 \
    X(VH_LOG_PIPE, 262144, "bytes of log lines that wait for standard error: start with all devices, at level debug")  \
    X(VH_LOG_KEYS, 64, "peers and devices whose log lines are counted")                                                \
    X(VH_LOG_BURST, 20, "log lines about one peer or device at once; then one a second, the rest is counted")          \
    X(VH_LOG_CHANGES, 10,                                                                                              \
      "times that for audit lines of what changed something: no client may change more by default")                    \
    X(VH_AUDIT_MAX, 1920, "bytes of an audit line: a log line without its prefix")                                     \
    /* texts, with their NUL */                                                                                        \
    X(VH_BOOT_ID_MAX, 64, "the kernel's boot id, a UUID of 36 characters, with NUL")                                   \
    X(VH_SYSNAME_MAX, 32, "a sysfs device name such as 1-2.3.4, with NUL; six hub tiers need 22")                      \
    X(VH_IFNAME_MAX, 64, "the name of an interface such as 1-2.3:1.0, or of a driver, with NUL")                       \
    X(VH_NODE_MAX, 32, "/dev/bus/usb/BBB/DDD with NUL")                                                                \
    X(VH_PORTPATH_MAX, 24, "a port path such as 2.3.4 with NUL")                                                       \
    X(VH_STABLE_PATH_MAX, 192, "a port's stable path with NUL: a controller behind five Thunderbolt docks has 166")    \
    X(VH_INPUT_NAME, 192, "the name of an input device, with NUL: HID has 128 and adds what it is for")                \
    X(VH_INPUT_PHYS, 96, "the place of an input device as its driver says it, with NUL: HID has 64")                   \
    X(VH_INPUT_PATH, 192, "ID_PATH of an input device, with NUL; behind six hubs it needs 60")                         \
    X(VH_MODALIAS_MAX, 64, "a modalias as the kernel writes it, with NUL: 50")                                         \
    X(VH_STRING_UNITS, 126, "UTF-16 units of a USB string: its descriptor has at most 255 bytes, and a head of two")   \
    X(VH_STRING_MAX, 379, "a USB string or name in UTF-8, with NUL: three bytes for each unit, as sysfs prints them")  \
    X(VH_PROTECT_MAX, 96, "the reason why the host keeps a device, with NUL; a long mount point is cut")               \
    X(VH_MALFORMED_MAX, 64, "the reason why descriptors are not trusted, with NUL")                                    \
    X(VH_NOTE_MAX, 96, "what is odd about the descriptors and strings of a device, with NUL")                          \
    X(VH_NAME_MAX, 64, "the name of a VM or a tag, with NUL")                                                          \
    X(VH_TEXT_MAX, 256, "the description of a rule, a reason or an error text, with NUL")                              \
    X(VH_ERROR_MAX, 512, "the text of an error reply, with NUL: some texts list devices")                              \
    X(VH_ID_MAX, 72, "the id of a request as printed, with NUL")                                                       \
    X(VH_OPID_MAX, 64, "the id of a device in a VM, with NUL")                                                         \
    X(VH_PATH_MAX, 1024, "a path that vhotplug builds, with NUL")                                                      \
    X(VH_MAX_LINKS, 8, "symbolic links from the path of a VM's socket to the socket")                                  \
    X(VH_REALPATH_MAX, 4096, "a result of realpath(), with NUL: the kernel's PATH_MAX")                                \
    X(VH_HOST_MAX, 64, "a numeric address or \"localhost\", with NUL: IPv6 needs 46")                                  \
    X(VH_SUN_PATH_MAX, 108, "a unix socket path with NUL: the kernel's sun_path")                                      \
    /* the process */                                                                                                  \
    X(VH_JSON_MAX, 2097152, "bytes of any JSON text that is read")                                                     \
    X(VH_JSON_DEPTH, 32, "nesting of any JSON text that is read")                                                      \
    X(VH_MAX_POLL, 224, "descriptors in one poll(): listeners, clients, links, process handles and vhotplug's own")    \
    X(VH_MAX_CONNECTORS, 2,                                                                                            \
      "processes that connect to VMs: one may hang at one VM's path while the other serves the rest")                  \
    X(VH_DEVICE_WORKERS, 4, "processes that read, open and reset devices: each device can occupy one of them")         \
    X(VH_MAX_ORDERS, 640, "orders that wait for a device worker: a read and a reset of each device, and more")         \
    X(VH_LATE_PORTS, 32, "root ports known to answer late: they never get the last free device worker")                \
    X(VH_VFIO_WORKERS, 2, "processes that change drivers of PCI devices: one that hangs costs its IOMMU group alone")  \
    X(VH_MAX_PCI_ORDERS, 64,                                                                                           \
      "orders that wait for a VFIO worker: one for each device that goes to a VM or comes back")                       \
    X(VH_PORT_WORKERS, 3, "processes that hold the hubs' ports: a hub can occupy one of them (general.quarantine)")    \
    X(VH_MAX_HUBS, 128, "hubs whose ports are held: every second device known is one")                                 \
    X(VH_PORT_TRIES, 20, "claims of a port, VH_T_RETRY_MIN apart, before whoever has it is no process that ends")      \
    X(VH_MAX_PORT_ORDERS, 512, "orders that wait for a port worker: one of each device, two of each hub")              \
    X(VH_MAX_HELPERS, 16, "processes beside the one that decides")                                                     \
    X(VH_MAX_HIDDEN, 3, "descriptors of no helper: the host's lock, the service manager's socket, --ready-fd")         \
    X(VH_STATUS_MAX, 128, "the line that a service manager shows, with NUL")                                           \
    X(VH_NOTIFY_MAX, 256, "bytes of a message to a service manager: every state once, and that line")                  \
    X(VH_POLL_FAILURES, 100, "failures of poll() in a row that end the daemon: a short lack of memory must not")       \
    X(VH_ARENA_SIZE, 131072, "bytes of the fixed arena behind malloc: libusb and libc internals only")

enum vh_limit {
#define X(name, value, reason) name = (value),
    VH_LIMITS(X)
#undef X
};

/* Times in milliseconds; X as above. */
#define VH_TIMES(X)                                                                                                   \
    /* VMMs */                                                                                                        \
    X(VH_T_GREETING, 3000, "wait for a VMM's greeting: QEMU answers a second client only after the first has left")   \
    X(VH_T_COMMAND, 10000, "wait for a VMM's answer: device_add was seen to block QEMU for 1.8 s under emulation")    \
    X(VH_T_ADD_PCI, 60000,                                                                                            \
      "wait for device_add of a PCI device: QEMU locks all memory of the VM first, in 7 s for 192 MB")                \
    X(VH_T_CROSVM, 10000, "wait for crosvm's answer: it hands USB requests on to another thread, with 2 s for each")  \
    X(VH_T_LINGER, 250, "time that an idle monitor connection stays open; then others can use the monitor")           \
    X(VH_T_LISTEN, 5000,                                                                                              \
      "a guest was asked for a PCI device: the monitor stays connected, since most guests let go of it by then")      \
    X(VH_T_CONNECT, 2000, "wait for a connection to a VM, the queue included: only a path that hangs takes long")     \
    X(VH_T_CONNECT_MIN, 10, "first delay before a refused connection is tried again: bind() to listen(); doubles")    \
    X(VH_T_CONNECT_MAX, 5000, "longest delay before a refused or full listener is tried again")                       \
    X(VH_T_LOST_MAX, 1000, "longest delay before a monitor that hung up is connected again; first VH_T_CONNECT_MIN")  \
    X(VH_T_LINK_PAUSE, 1, "pause of a link after VH_LINK_TURN: a VMM can send at most 4 MB a second")                 \
    /* devices */                                                                                                     \
    X(VH_T_SETTLE, 1500, "wait for the `bind` uevent of a new device; then the device is used without it")            \
    X(VH_T_RETRY_MIN, 250, "first delay before a failed operation is tried again; doubles")                           \
    X(VH_T_RETRY_MAX, 10000, "longest retry delay; bounds how long a device waits after a migration")                 \
    X(VH_T_USES_MAX, 60000, "longest time until a use by the host whose end no event tells is looked for again")      \
    X(VH_T_EJECT, 10000, "a guest that does not let go of a device is asked again; QEMU cancels after less than 5 s") \
    X(VH_T_REQUEST, 30000, "wait of a request for its VMs and devices; what it has not moved by then has failed")     \
    X(VH_T_VERIFY, 10000, "wait of a list with \"verify\"; it says what is not known by then")                        \
    X(VH_T_ANNOUNCE, 150,                                                                                             \
      "pause before a new subscriber hears of open choices: older clients drop what comes at once")                   \
    X(VH_T_RELEASE, 20000, "wait for the reset of a device that came back from a VM; then the device is used anyway") \
    X(VH_T_REVOKE, 12000,                                                                                             \
      "revocation: a neighbour at the same hub that says nothing keeps the kernel from it for 9 s")                   \
    X(VH_T_OFFER, 20000, "a device is configured for the host: its drivers may wait for the device as long as this")  \
    X(VH_T_PORT, 5000,                                                                                                \
      "claim of a port, until its hub is late: the kernel holds a hub's lock while it reads a device")                \
    X(VH_T_VFIO, 30000,                                                                                               \
      "a PCI device changes its driver: one that does not answer keeps its old driver busy for as long as this")      \
    X(VH_T_STOP, 10000, "wait of releaseOnExit: devices that have not left their VMs by then stay there")             \
    X(VH_T_LEAVE, 30000, "after the daemon's end: ports that a hanging process holds are waited for to be let go")    \
    X(VH_T_FLAP_COST, 3000, "time until one plug on a port is forgotten: nobody replugs faster for long")             \
    X(VH_T_FLAP_BURST, 24000, "sum of VH_T_FLAP_COST above which a port flaps: nine plugs at once")                   \
    X(VH_T_FLAP_HOLD, 1000, "first time that a device on a flapping port must stay before use; doubles")              \
    X(VH_T_FLAP_HOLD_MAX, 30000, "longest time that a device on a flapping port must stay before use")                \
    X(VH_T_FLAP_FORGIVE, 60000, "time between two bursts after which the hold starts anew with VH_T_FLAP_HOLD")       \
    /* state file, log */                                                                                             \
    X(VH_T_DISK, 5000, "wait for the disk to take the state; then the decision fails and its client is told")         \
    X(VH_T_DISK_STOP, 1000, "wait at the end for a save that is under way; the disk worker finishes it in any case")  \
    X(VH_T_SAVE_RETRY, 30000, "first delay before a state file that could not be written is tried again; doubles")    \
    X(VH_T_SAVE_RETRY_MAX, 3600000, "longest delay before a state file is tried again")                               \
    X(VH_T_LOG_RETRY, 1000, "time between two attempts to log how many log lines were dropped")                       \
    X(VH_T_LOG_DRAIN, 1000, "time that the logger has for the last lines after the end of the daemon")                \
    X(VH_T_LOG_REFILL, 1000, "time until one more log line about a peer or a device is allowed")                      \
    /* API clients */                                                                                                 \
    X(VH_T_LISTEN_RETRY, 5000, "delay before a transport that could not be opened is tried again")                    \
    X(VH_T_TCP_IDLE, 60000, "silence of a TCP client after which the kernel probes the connection")                   \
    X(VH_T_TCP_PROBE, 15000, "time between two probes")                                                               \
    X(VH_T_TCP_DEAD, 120000, "time without an acknowledgement after which a TCP client is gone")                      \
    /* the process */                                                                                                 \
    X(VH_T_READ, 2000, "a device worker's reading of a device: the kernel may hold its lock while it probes")         \
    X(VH_T_NODE, 5000, "opening the node of a device, which resumes the device")                                      \
    X(VH_T_LIST, 5000, "listing devices, or what the host uses")                                                      \
    X(VH_T_IDLE, 1000, "a worker without an order, or a server without a request, for this time gives memory back")   \
    X(VH_T_OPEN, 2000, "wait for the opener's answer: the configuration is a local file, and no socket waits")        \
    X(VH_T_TELL_AGAIN, 200, "delay before a full socket of a service manager is tried again")                         \
    X(VH_T_WATCHDOG_MIN, 10, "shortest WATCHDOG_USEC that is served")                                                 \
    X(VH_T_STALL, 1000, "shortest time without a pass of the loop that is left out of all deadlines")

enum vh_time_limit {
#define X(name, value, reason) name = (value),
    VH_TIMES(X)
#undef X
};

_Static_assert(VH_LIST_KEPT >= 4 * VH_REPLY_MAX, "a kept list has several parts");
_Static_assert(VH_MAX_VMS <= 64, "sets of VMs are uint64_t");
_Static_assert(VH_QUEUE_MAX >= VH_REPLY_MAX + 64, "a queue holds at least one reply and a loss notice");
_Static_assert(VH_MAX_POLL >= VH_MAX_LISTENERS + VH_MAX_CLIENTS + 2 * VH_MAX_VMS + 8,
               "one poll() takes all descriptors");
_Static_assert(VH_MAX_ACCESS >= VH_MAX_VMS, "every VM can have a CID");
_Static_assert(VH_MAX_PEERS >= 2 * VH_MAX_CLIENTS, "no connected peer is forgotten");
_Static_assert(VH_ADMIN_CLIENTS < VH_MAX_CLIENTS, "clients that are no admins can connect");
_Static_assert(VH_MAX_FILTERS == VH_MAX_VMS * VH_VM_FILTERS, "no VM takes the filters of another one");
_Static_assert(VH_LINK_TURN <= VH_LINKS_TURN, "at least one VMM gets its whole turn");
_Static_assert(VH_AUDIT_MAX < VH_LOG_LINE, "an audit line is a log line");
_Static_assert(VH_LOG_LINE <= VH_LOG_READ, "the logger copies whole lines");
_Static_assert(VH_MAX_IFACES < 255 && VH_MAX_CONFIGS <= 8, "a row is a byte, and so is a set of configurations");
_Static_assert(VH_NAME_MAX < VH_TEXT_MAX, "an error text can name a VM");
_Static_assert(VH_STRING_MAX == 3 * VH_STRING_UNITS + 1, "no string that USB allows is cut");
_Static_assert(VH_ATTR_MAX > VH_STRING_MAX, "a string that is too long is seen to be");
_Static_assert(VH_STRING_MAX <= VH_ERROR_MAX, "the client prints whole strings");
_Static_assert(VH_LOG_LINE >= 2 * VH_STRING_MAX + VH_NAME_MAX + 512, "a log line has both names of a device");
_Static_assert(VH_LINE_MAX >= 3 * 6 * VH_STRING_UNITS + 7 * VH_MAX_IFACES + 2 * VH_TEXT_MAX + 512,
               "a request can describe a device with three strings of escapes");
_Static_assert(VH_REPLY_MAX >= 3 * 6 * VH_STRING_UNITS + 7 * VH_MAX_IFACES + VH_MAX_VMS * (3 * VH_NAME_MAX + 4) +
                                   6 * (VH_ERROR_MAX + VH_TEXT_MAX) + 6 * VH_NAME_MAX + 2 * VH_STABLE_PATH_MAX + 2048,
               "a reply has three strings of escapes, all VMs, a reason, and why a device is not surely taken away");
_Static_assert(VH_STATE_MAX >= VH_MAX_REMEMBERED * (3 * (6 * VH_STRING_UNITS + 32) + 2 * (VH_STRING_UNITS + 32) +
                                                    12 * VH_NAME_MAX + VH_STABLE_PATH_MAX + 384) +
                                   VH_STATE_EXTRA,
               "the state file has each device's serial number three times, and udev's form twice");
_Static_assert(VH_STATE_MAX <= VH_JSON_MAX, "the state file is JSON that can be read");

#endif
