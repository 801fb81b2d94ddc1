"""proofs.py - the proofs, one entry each. docs/proofs.md says what each one claims.

  name       HARNESS/PROOF: prove_PROOF() of prove_HARNESS.c
  how        "whole": the real code, inputs up to the bound; "step": one step from any state that the claims allow, so any
             number of steps
  bound      up to which size the claims hold
  unwind     of each loop; unwindset: of a loop by its name. Both are complete: cbmc claims it (unwinding assertions)
  small      with the tables of small.h
  replace    calls of a function go to another one of the harness
  with       further files of tests/prove
  flags      further flags of cbmc
  faults     (source, text, other text): each must make the proof fail
"""

PROOFS = [
    {
        "name": "access/may",
        "how": "whole",
        "bound": "every pair of roles and every kind of request, 32 bits each",
        "faults": [("config/access.c", "[ROLE_OBSERVER] = {\"not allowed: an observer may only list and listen\", MAY_LISTEN}",
                    "[ROLE_OBSERVER] = {\"not allowed: an observer may only list and listen\", MAY_LISTEN | MAY(REQ_STATS)}")],
    },
    {
        "name": "access/sees_all",
        "how": "whole",
        "bound": "every pair of roles",
        "faults": [("config/access.c", "p->role >= ROLE_OPERATOR;", "p->role == ROLE_OPERATOR;")],
    },
    {
        "name": "access/net",
        "how": "whole",
        "bound": "every pair of addresses, prefixes of 0 to 128 bits",
        "unwind": 130,
        "faults": [("config/access.c", "(7 - i % 8)", "(6 - i % 8)")],
    },
    {
        "name": "access/judge",
        "how": "whole",
        "bound": "every peer of up to 3 groups, every configuration of up to 3 clients and 3 CIDs, every set of VMs",
        "unwind": 5,
        "unwindset": {"memcmp.0": 17},
        "replace": {"in_net": "some_net"},
        "faults": [
            ("config/access.c", "f->transport == TRANSPORT_TCP)\n        p->role = ROLE_OPERATOR;",
             "f->transport == TRANSPORT_UNIX)\n        p->role = ROLE_OPERATOR;"),
            ("config/access.c", "(alive >> p->vm & 1) == 0", "alive == 0"),
        ],
    },
    {
        "name": "orders/opener_order",
        "how": "whole",
        "bound": "every order, 32-bit kinds",
        "faults": [("os/opener_order.c", "o->head.kind < OPEN_KINDS", "o->head.kind <= OPEN_KINDS")],
    },
    {
        "name": "orders/opener_reply",
        "how": "whole",
        "bound": "every reply of any length, every kind, any two descriptors",
        "faults": [("os/opener_order.c", "fds[1] < 0 &&", "fds[1] <= 0 &&")],
    },
    {
        "name": "orders/connector_order",
        "how": "whole",
        "bound": "every order",
        "unwind": 110,
        "with": ["libc.c"],
        "faults": [("vmm/connector_order.c", "!ENDS(o->vm) || ", "")],
    },
    {
        "name": "orders/connector_answer",
        "how": "whole",
        "bound": "every answer of any length, any two descriptors",
        "unwind": 258,
        "with": ["libc.c"],
        "faults": [("vmm/connector_order.c", "a->status < CONNECTOR_ANSWERS", "a->status <= CONNECTOR_ANSWERS")],
    },
    {
        "name": "orders/disk",
        "how": "whole",
        "bound": "every order, every answer of any length, any two descriptors",
        "faults": [("daemon/disk_order.c", "o->len <= VH_STATE_MAX", "o->len <= VH_STATE_MAX + 1")],
    },
    {
        "name": "orders/port_order",
        "how": "whole",
        "bound": "every order",
        "unwind": 34,
        "with": ["libc.c"],
        "replace": {"device_name_valid": "some_name"},
        "faults": [("bus/usb/port_order.c", "memchr(o->hub, '\\0', sizeof o->hub) == NULL || ", "")],
    },
    {
        "name": "orders/port_answer",
        "how": "whole",
        "bound": "every answer of any length to every order",
        "unwind": 258,
        "faults": [("bus/usb/port_order.c", "port <= o->ports;", "port <= o->ports + 1u;")],
    },
    {
        "name": "orders/port_set",
        "how": "whole",
        "bound": "every set of ports, every port",
        "faults": [("bus/usb/port_order.c", "(uint8_t)~bit", "(uint8_t)bit")],
    },
    {
        "name": "usb_desc/interface",
        "how": "step",
        "bound": "every interface descriptor, from every state with up to 4 rows",
        "small": True,
        "unwind": 6,
        "faults": [
            ("codec/usb_desc.c", "dev->ifaces[i].proto != p[7]", "dev->ifaces[i].proto > p[7]"),
            ("codec/usb_desc.c", "(p[3] == 0 && !w->first[p[2]])", "p[3] == 0"),
        ],
    },
    {
        "name": "usb_desc/one",
        "how": "step",
        "bound": "every descriptor in a file of up to 65536 bytes, from every state with up to 4 rows",
        "small": True,
        "unwind": 6,
        "replace": {"end_config": "some_end"},
        "faults": [
            ("codec/usb_desc.c", "    if (p[0] > left)\n", "    if (p[0] > left + 1)\n"),
            ("codec/usb_desc.c", "p[0] < CONFIG_LEN || w->dev->nconfigs == count", "p[0] < CONFIG_LEN"),
        ],
    },
    {
        "name": "linebuf/next",
        "how": "step",
        "bound": "every state of every buffer of 2 to 8 bytes",
        "unwind": 10,
        "with": ["libc.c"],
        "faults": [
            ("codec/linebuf.c", "lb->start = lb->scanned = (size_t)(newline - lb->buf) + 1;",
             "lb->start = lb->scanned = (size_t)(newline - lb->buf);"),
            ("codec/linebuf.c", "lb->skipping = false; /* the end", "; /* the end"),
        ],
    },
    {
        "name": "linebuf/space",
        "how": "step",
        "bound": "every state of every buffer of 2 to 8 bytes",
        "unwind": 10,
        "faults": [("codec/linebuf.c", "memmove(lb->buf, lb->buf + lb->start, lb->end - lb->start);",
                    "memmove(lb->buf, lb->buf + lb->start, lb->end - lb->start - 1);")],
    },
    {
        "name": "linebuf/added",
        "how": "step",
        "bound": "every state of every buffer of 2 to 8 bytes, as many bytes as fit",
        "unwind": 10,
        "faults": [("codec/linebuf.c", "    lb->end += n;", "    lb->end = lb->start + n;")],
    },
    {
        "name": "linebuf/finish",
        "how": "step",
        "bound": "every state of every buffer of 2 to 8 bytes",
        "unwind": 10,
        "faults": [("codec/linebuf.c", "if (room > 0) {", "if (room > 1) {")],
    },
    {
        "name": "linebuf/move",
        "how": "step",
        "bound": "every state of every buffer of 2 to 8 bytes",
        "unwind": 10,
        "faults": [("codec/linebuf.c", "lb->scanned -= lb->scanned < lb->start ? lb->scanned : lb->start;", "")],
    },
    {
        "name": "uevent/take",
        "how": "whole",
        "bound": "every string of up to 13 bytes, every set of keys seen before",
        "unwind": 16,
        "replace": {"str_uint": "some_number"},
        "with": ["../../src/base/str.c"],
        "faults": [
            ("codec/uevent.c", "s[n] == '=' ? s + n + 1 : NULL", "s[n] == '=' ? s + n : NULL"),
            ("codec/uevent.c", "if ((*seen & 1U << i) != 0)", "if ((*seen & 1U << i) > 1)"),
        ],
    },
    {
        "name": "uevent/header",
        "how": "whole",
        "bound": "every header of up to 7 bytes, actions of up to 2, paths of up to 3",
        "unwind": 10,
        "with": ["../../src/base/str.c"],
        "faults": [("codec/uevent.c", "header[n] == '@' &&", "")],
    },
    {
        "name": "uevent/walk",
        "how": "whole",
        "bound": "every message of up to 10 bytes, any answer to each of its strings",
        "unwind": 12,
        "replace": {"take": "some_take", "header_agrees": "some_header"},
        "with": ["../../src/base/str.c"],
        "faults": [("codec/uevent.c", "at < len; at += strlen(msg + at) + 1", "at <= len; at += strlen(msg + at) + 1")],
    },
]
