/*
 * limits.h - every bound of the program, each with its reason.
 *
 * There is no heap after start-up: these numbers are the program's memory. The list is an X-macro so
 * that `vhotplug --limits` prints exactly what was compiled in. Nothing else belongs here.
 */
#ifndef VHOTPLUG_LIMITS_H
#define VHOTPLUG_LIMITS_H

/* X(name, value, reason) */
#define VH_LIMITS(X)                                                                                              \
    X(VH_MAX_DEVICES, 256, "USB devices known at once, hubs included: two full buses")                            \
    X(VH_MAX_LEAVING, 64, "unplugged devices that still await removal from a VM")                                 \
    X(VH_MAX_VMS, 64, "VMs in the configuration: one bit each in a 64-bit set")                                   \
    X(VH_MAX_RULES, 512, "rules in the configuration")                                                            \
    X(VH_MAX_ENTRIES, 4096, "allow and deny entries over all rules")                                              \
    X(VH_MAX_CIDS, 64, "members of allowedCids")                                                                  \
    X(VH_MAX_ACCESS, 128, "entries of general.api.clients: twice as many as VMs")                                 \
    X(VH_MAX_GROUPS, 256, "groups of a unix client; one that is in more is sent away unjudged")                   \
    X(VH_MAX_REMEMBERED, 512, "devices whose selection or decision is remembered")                                \
    X(VH_MAX_TAG_DECISIONS, 64, "tags that a decision keeps away from every VM")                                  \
    X(VH_STATE_MAX, 2097152, "bytes of the state file: the table full of serials that JSON must escape")          \
    X(VH_STATE_TOKENS, 16384, "JSON tokens in the state file")                                                    \
    X(VH_STATE_EXTRA, 16384, "bytes of the state file's members that we do not know and keep")                    \
    X(VH_MAX_PORTS, 256, "ports whose leases and flapping are known")                                             \
    X(VH_MAX_CLIENTS, 64, "API connections at once over all transports")                                          \
    X(VH_ADMIN_CLIENTS, 8, "of these, kept for admins: whatever others do, an admin gets in")                     \
    X(VH_GUEST_REQUESTS, 16, "under way for one VM's guest, also of connections that it has closed since")        \
    X(VH_PEER_CLIENTS, 16, "default of connectionsPerPeer: so that no CID, uid or address takes all")             \
    X(VH_MAX_PEERS, 128, "peers whose requests are counted: all clients and as many that have left")              \
    X(VH_PEER_RATE, 100, "default of requestsPerSecond of a peer that is no admin; nobody clicks faster")         \
    X(VH_PEER_BURST, 2, "seconds' worth of requests that a peer may make at once")                                \
    X(VH_CHANGE_COST, 10, "a request that moves devices counts as so many: VMs and disk have work, too")          \
    X(VH_LINE_SECONDS, 10, "default of lineSeconds: an unfinished line ends its connection")                      \
    X(VH_LOG_KEYS, 64, "peers and devices whose log lines are counted")                                           \
    X(VH_LOG_BURST, 20, "log lines about one of them at once; then one a second, the rest is counted")            \
    X(VH_MAX_LISTENERS, 8, "listening sockets: unix, vsock, tcp over IPv4 and IPv6")                              \
    X(VH_MAX_IFACES, 64, "interfaces of one device over all its configurations; more is unclassifiable")          \
    X(VH_MAX_DRIVERS, 8, "kernel modules that may drive one device; more is unclassifiable")                      \
    X(VH_MODULE_PATHS, 131072, "bytes of modules' paths: a distribution has a thousand drivers for USB")          \
    X(VH_MODULE_BLOCK, 32768, "bytes of a list of modules read at once; a longer line is passed over")            \
    X(VH_MODULE_LIST_MAX, 16777216, "bytes of a list of modules: a distribution's have 2 MB together")            \
    X(VH_MODALIAS_MAX, 64, "a modalias as the kernel writes it, with NUL: 58")                                    \
    X(VH_MAX_FOUND, 256, "passed-through devices that a VM may report in one listing")                            \
    X(VH_MAX_FILTERS, 64, "filters by which VMs take devices without us, over all VMs")                           \
    X(VH_MAX_POLL, 224, "descriptors in one poll(): listeners, clients, links, process handles, and ours")        \
    X(VH_SYSNAME_MAX, 32, "a sysfs device name such as 1-2.3.4, with NUL; six hub tiers need 22")                 \
    X(VH_IFNAME_MAX, 64, "the name of an interface, as 1-2.3:1.0, or of a driver, with NUL")                      \
    X(VH_NODE_MAX, 32, "/dev/bus/usb/BBB/DDD with NUL")                                                           \
    X(VH_PORTPATH_MAX, 24, "a port path such as 2.3.4 with NUL")                                                  \
    X(VH_STRING_MAX, 160, "a USB string or name as UTF-8 with NUL: all of ASCII's 126, and usb.ids' longest")     \
    X(VH_PROTECT_MAX, 96, "why the host keeps a device, with NUL; a long mount point is cut")                     \
    X(VH_MALFORMED_MAX, 64, "why descriptors are not trusted, with NUL")                                          \
    X(VH_NAME_MAX, 64, "the name of a VM or a tag, with NUL")                                                     \
    X(VH_TEXT_MAX, 256, "a rule's description, a reason or an error text, with NUL")                              \
    X(VH_ERROR_MAX, 512, "an error reply's text, with NUL: it may list devices")                                  \
    X(VH_PATH_MAX, 1024, "a path that we build, with NUL")                                                        \
    X(VH_REALPATH_MAX, 4096, "what realpath() may fill: the kernel's PATH_MAX")                                   \
    X(VH_SUN_PATH_MAX, 108, "a unix socket path with NUL: the kernel's sun_path")                                 \
    X(VH_ID_MAX, 72, "a request's id as printed, with NUL")                                                       \
    X(VH_OPID_MAX, 64, "the id of a device in a VM, with NUL")                                                    \
    X(VH_CONF_MAX, 1048576, "bytes of the configuration file")                                                    \
    X(VH_CONF_TOKENS, 65536, "JSON tokens in the configuration file")                                             \
    X(VH_CONF_STRINGS, 262144, "bytes of strings kept from the configuration")                                    \
    X(VH_REGEX_PATTERN_MAX, 512, "bytes of one pattern")                                                          \
    X(VH_REGEX_PROG_MAX, 1024, "instructions of one compiled pattern; bounds {m,n}")                              \
    X(VH_REGEX_POOL, 32768, "instructions over all patterns of a configuration")                                  \
    X(VH_REGEX_SETS, 2048, "character classes over all patterns of a configuration")                              \
    X(VH_TABLE_LINE, 32768, "bytes of one line of a table of /proc: two paths, escaped, and overlay's options")   \
    X(VH_TABLE_MAX, 1048576, "bytes read of such a table: eight thousand mounts")                                 \
    X(VH_JSON_MAX, 2097152, "bytes of any JSON text that we read")                                                \
    X(VH_JSON_DEPTH, 32, "nesting of any JSON text that we read")                                                 \
    X(VH_LINE_MAX, 4096, "bytes of one API request line, newline included")                                       \
    X(VH_LINE_TOKENS, 256, "JSON tokens of one API request")                                                      \
    X(VH_REPLY_MAX, 16384, "bytes of one reply or event line; a list is sent object by object")                   \
    X(VH_AUDIT_MAX, 1920, "bytes of an audit line: a log line without its head")                                  \
    X(VH_LIST_KEPT, 262144, "bytes of a device list, made once for all who ask before something changes")         \
    X(VH_QUEUE_MAX, 32768, "bytes queued for one API client before events are dropped and counted")               \
    X(VH_QMP_LINE_MAX, 65536, "bytes of one line from a VMM; a longer one is skipped and the link reset")         \
    X(VH_QMP_TOKENS, 8192, "JSON tokens of one line from a VMM")                                                  \
    X(VH_LINK_TURN, 4096,                                                                                         \
      "bytes of lines of one VMM at once, and the rest of a line; then it pauses, VH_T_LINK_PAUSE")               \
    X(VH_LINKS_TURN, 16384, "likewise of all VMMs, before they all pause: half a millisecond's work")             \
    X(VH_QMP_OUT_MAX, 2048, "bytes of one command batch to a VMM")                                                \
    X(VH_UEVENT_MAX, 8192, "bytes of one uevent: the kernel's environment is 2048, its path less than 4096")      \
    X(VH_UEVENT_READ, 8, "uevents that one system call brings at most: a plug has about ten")                     \
    X(VH_UEVENT_BATCH, 256, "uevents read per wake-up before other work gets its turn: half a millisecond")       \
    X(VH_UEVENT_NOTED, 64, "devices looked at after a batch of uevents; if it names more, all are looked at")     \
    X(VH_DESC_MAX, 65536, "bytes of a device's descriptors file")                                                 \
    X(VH_ATTR_MAX, 4096, "bytes of a sysfs text attribute: one page")                                             \
    X(VH_SCAN_ENTRIES, 4096, "directory entries looked at in /sys/bus/usb/devices")                               \
    X(VH_POLL_FAILURES, 100, "poll() failing so often in a row ends the daemon; memory may be short for a while") \
    X(VH_ARENA_SIZE, 131072, "bytes of the fixed arena behind malloc: libusb and libc internals only")

enum vh_limit {
#define X(name, value, reason) name = (value),
    VH_LIMITS(X)
#undef X
};

/* Times, in milliseconds. */
#define VH_TIMES(X)                                                                                                 \
    X(VH_T_GREETING, 3000, "a VMM's greeting: QEMU answers a second client only after the first has left")          \
    X(VH_T_COMMAND, 10000, "a VMM's answer: device_add was seen to block QEMU for 1.8 s under emulation")           \
    X(VH_T_LINGER, 250, "an idle monitor connection is kept so long: then others may have the monitor")             \
    X(VH_T_LOST_MAX, 1000, "longest delay before a monitor that hung up is called again; from VH_T_CONNECT_MIN on") \
    X(VH_T_LINK_PAUSE, 1, "a VMM that says more than its turn is read again after so long: 4 MB a second at most")  \
    X(VH_T_RETRY_MIN, 250, "first delay before an operation is tried again; doubles")                               \
    X(VH_T_RETRY_MAX, 10000, "longest such delay: so late may a device come into a VM that has migrated")           \
    X(VH_T_CONNECT_MIN, 10, "first delay before a refused connection is tried again: bind to listen; doubles")      \
    X(VH_T_CONNECT_MAX, 5000, "longest delay before a refused or full listener is tried again")                     \
    X(VH_T_SETTLE, 1500, "a new device whose `bind` uevent has not come is used anyway after so long")              \
    X(VH_T_STALL, 1000, "the loop did not run for so long: that time counts for no deadline")                       \
    X(VH_T_SAVE_RETRY, 30000, "a state file that could not be written is tried again after so long; doubles")       \
    X(VH_T_SAVE_RETRY_MAX, 3600000, "longest delay before a state file is tried again")                             \
    X(VH_T_RELEASE, 20000, "a device that came back from a VM is used anyway if its reset takes longer")            \
    X(VH_T_STOP, 10000, "releaseOnExit: devices that are not out of their VMs after so long stay there")            \
    X(VH_T_FLAP_COST, 3000, "one plug on a port is forgotten after so long: nobody replugs faster for long")        \
    X(VH_T_FLAP_BURST, 24000, "a port with more plugs than are forgotten in so long flaps: nine at once")           \
    X(VH_T_FLAP_HOLD, 1000, "a device on a flapping port must stay so long before it is used; doubles")             \
    X(VH_T_FLAP_HOLD_MAX, 30000, "longest time that a device on a flapping port must stay")                         \
    X(VH_T_FLAP_FORGIVE, 60000, "bursts further apart than this are not one trouble: the hold starts anew")         \
    X(VH_T_LOG_REFILL, 1000, "one more log line about a peer or a device is allowed after so long")                 \
    X(VH_T_OPEN, 2000, "the opener's answer: the configuration is a local file, and no socket waits")               \
    X(VH_T_TCP_IDLE, 60000, "a TCP peer that says nothing for so long is asked by the kernel whether it is there")  \
    X(VH_T_TCP_PROBE, 15000, "and asked again after so long")                                                       \
    X(VH_T_TCP_DEAD, 120000, "a TCP peer that acknowledges nothing for so long is gone")                            \
    X(VH_T_LISTEN_RETRY, 5000, "a transport that could not be opened is tried again after so long")

enum vh_time_limit {
#define X(name, value, reason) name = (value),
    VH_TIMES(X)
#undef X
};

_Static_assert(VH_LIST_KEPT >= 4 * VH_REPLY_MAX, "there is room for parts");
_Static_assert(VH_MAX_VMS <= 64, "sets of VMs are uint64_t");
_Static_assert(VH_QUEUE_MAX >= VH_REPLY_MAX + 64, "a queue holds at least one reply and a loss notice");
_Static_assert(VH_MAX_POLL >= VH_MAX_LISTENERS + VH_MAX_CLIENTS + 2 * VH_MAX_VMS + 8, "poll() has room for all");
_Static_assert(VH_MAX_ACCESS >= VH_MAX_VMS, "every VM can have a CID");
_Static_assert(VH_MAX_PEERS >= 2 * VH_MAX_CLIENTS, "a peer that is connected is never forgotten");
_Static_assert(VH_ADMIN_CLIENTS < VH_MAX_CLIENTS, "others get in, too");
_Static_assert(VH_LINK_TURN <= VH_LINKS_TURN, "at least one VMM gets its whole turn");
_Static_assert(VH_NAME_MAX < VH_TEXT_MAX, "an error text can name a VM");

#endif
