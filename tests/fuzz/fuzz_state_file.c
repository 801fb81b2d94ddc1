/*
 * fuzz_state_file.c - any bytes as a state file, and a core that lives by it: whatever was remembered, invariants hold,
 * a device that a decision keeps away is not given away, and what the core then remembers can be written and read
 * again.
 *
 * Input: 32 bytes that choose what happens, then the file.
 */
#include "base/str.h"
#include "codec/state_format.h"
#include "corehost.h"

enum { CHOICES = 32, FACTS = 12 };

static const char boot[] = "00000000-1111-2222-3333-444444444444";

/* Nobody asks for anything in this world: what was taken away stays away. */
static void acted(const struct action *a) {
    const struct slot *s = a->slot >= 0 ? &core.slot[a->slot] : NULL;
    if (a->kind == ACT_OP && a->op.kind == OP_ATTACH)
        MUST(s != NULL && !s->disconnected && s->suspended < 0);
}

static void fact(void) {
    unsigned what = take(host.in), more = what >> 3;
    switch (what & 7) {
    case 0:
    case 1:
    case 2:
        host_device(more % HOST_PORTS, take(host.in), (what & 128) != 0);
        break;
    case 3:
        host_gone(more % HOST_PORTS);
        break;
    case 4:
        host_vm(FACT_VM_SOCKET, more % conf->nvms);
        break;
    case 5:
    case 6:
        host_op_done(more % conf->nvms);
        break;
    default:
        if ((more & 1) != 0)
            host_saved();
        else
            host_time();
    }
}

static void write_and_read_again(void) {
    static char text[VH_STATE_MAX];
    static struct remembered_set again;
    char why[VH_TEXT_MAX] = "";
    unsigned dropped = 0;
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    state_format_print(&core.remembered, boot, &sb);
    if (!sb_ok(&sb))
        return;
    memset(&again, 0, sizeof again);
    MUST(state_format_parse(&again, text, sb.len, boot, &dropped, why, sizeof why) && dropped == 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    char why[VH_TEXT_MAX] = "";
    unsigned dropped = 0;
    if (size < CHOICES)
        return 0;
    struct bytes choices = {data, CHOICES};
    host.acted = acted;
    host_begin(&choices);
    const char *file = (const char *)data + CHOICES;
    if (!state_format_parse(&core.remembered, file, size - CHOICES, boot, &dropped, why, sizeof why)) {
        MUST(why[0] != '\0');
        memset(&core.remembered, 0, sizeof core.remembered);
    }
    for (int i = 0; i < FACTS; i++)
        fact();
    write_and_read_again();
    return 0;
}
