/*
 * fuzz_uevent.c - any datagram as a uevent: refused, or every string lies within it.
 */
#include "codec/uevent.h"
#include "must.h"

#include <string.h>

static void within(const char *s, const char *from, size_t size) {
    if (s[0] == '\0')
        return; /* absent */
    MUST(s >= from && s < from + size && s + strlen(s) < from + size);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct uevent ev;
    char *copy = malloc(size + 1);
    memcpy(copy, data, size);
    if (uevent_parse(&ev, copy, size)) {
        MUST(ev.action[0] != '\0' && ev.devpath[0] == '/');
        const char *all[] = {ev.action, ev.devpath, ev.subsystem, ev.devtype, ev.devname, ev.driver};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            within(all[i], copy, size);
        MUST(strchr(uevent_name(ev.devpath), '/') == NULL);
    }
    free(copy);
    return 0;
}
