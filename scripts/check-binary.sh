#!/bin/sh
# Is this the binary that we promise? Static-PIE, nothing loaded at run time, relocations sealed, no memory both writable
# and executable, no allocator but the fixed arena. Says every promise broken; exit 1 if any is.
#
# usage: check-binary.sh BINARY [UNSTRIPPED]     (the symbols are looked for in UNSTRIPPED, else in BINARY)
# READELF and NM name the tools of another architecture. PIE=no: a static executable at fixed addresses, for toolchains whose
# libraries allow no other; all else is as promised.
set -eu

[ $# -ge 1 ] || { echo "usage: check-binary.sh BINARY [UNSTRIPPED]" >&2; exit 2; }
binary=$1
symbols=${2:-$1}
bad=0

header=$("${READELF:-readelf}" -hW "$binary")
segments=$("${READELF:-readelf}" -lW "$binary")
dynamic=$("${READELF:-readelf}" -dW "$binary")
names=$("${NM:-nm}" "$symbols")

broken() {
    echo "check-binary: $binary: $*" >&2
    bad=1
}

has() { # TEXT PATTERN
    printf '%s\n' "$1" | grep -Eq -- "$2"
}

if [ "${PIE:-yes}" = yes ]; then
    has "$header" 'Type: +DYN' || broken "not position-independent (type is not DYN)"
    has "$dynamic" 'BIND_NOW|FLAGS_1\).* NOW' || broken "not bound at start (no BIND_NOW)"
    has "$dynamic" '\(FLAGS_1\).*PIE' || broken "not marked as a position-independent executable"
else
    has "$header" 'Type: +EXEC' || broken "neither position-independent nor a static executable"
fi
! has "$segments" 'INTERP' || broken "asks for a dynamic loader (PT_INTERP): a dynamic executable"
! has "$dynamic" '\(NEEDED\)' || broken "needs shared libraries (DT_NEEDED)"
has "$segments" '^ *GNU_RELRO' || broken "no GNU_RELRO segment"
! has "$dynamic" 'TEXTREL' || broken "relocations in the code (DT_TEXTREL)"
has "$segments" '^ *GNU_STACK' || broken "no GNU_STACK segment: the stack would be executable"
! has "$segments" '^ *(LOAD|GNU_STACK).*RWE' || broken "a segment is both writable and executable"

if [ -z "$names" ]; then
    broken "$symbols has no symbols: cannot tell which allocator is in it"
else
    # Names that only a C library's own allocator has: musl's mallocng and its start-up allocator, musl's old one, glibc's,
    # uClibc's.
    has "$names" ' [Tt] heap_malloc$' || broken "the fixed arena (heap.c) is not linked"
    libc=$(printf '%s\n' "$names" | awk '{print $NF}' | grep -Ex \
        '__malloc_alloc_meta|__malloc_context|__simple_malloc|__malloc_donate|__bin_chunk|__expand_heap|_int_malloc|__libc_memalign|__malloc_consolidate|__malloc_state|sbrk|__sbrk' || true)
    [ -z "$libc" ] || broken "the C library's allocator is linked: $(printf '%s' "$libc" | tr '\n' ' ')"
    # And malloc itself is the arena's.
    malloc_at=$(printf '%s\n' "$names" | awk '$3 == "malloc" {print $1}')
    arena_at=$(printf '%s\n' "$names" | awk '$3 == "heap_malloc" {print $1}')
    [ "${malloc_at:-none}" = "$arena_at" ] || broken "malloc is not the fixed arena's"
fi
exit $bad
