/*
 * prove_state_id.c - udev's form of a serial number, which is computed in two ways that must agree.
 */
#include "codec/state_id.c"
#include "prove.h"

enum { SERIAL = 3, PAIR = 2 };

static const char *any_string(char *room, size_t size) {
    size_t from = nondet_size();
    __CPROVER_havoc_object(room);
    ASSUME(from < size && room[size - 1] == '\0');
    return room + from;
}

/* "is it the form of this serial number?" is answered as if the form were written and compared. */
PROOF(udev) {
    static char s[PAIR + 1], t[PAIR + 1];
    char form[VH_STRING_MAX];
    const char *serial = any_string(s, sizeof s), *text = any_string(t, sizeof t);
    state_id_udev(serial, form);
    CLAIM(state_id_is_udev(serial, text) == str_eq(form, text));
}

/* The form is never longer than the serial number, and has printable ASCII alone. */
PROOF(form) {
    static char s[SERIAL + 1];
    char form[VH_STRING_MAX];
    const char *serial = any_string(s, sizeof s);
    state_id_udev(serial, form);
    size_t n = strlen(form), any = nondet_size();
    CLAIM(n <= strlen(serial));
    ASSUME(any < n);
    CLAIM(form[any] > ' ' && form[any] <= '~' && form[any] != ',');
}
