/*
 * fuzz_core.c - any sequence of facts: no invariant breaks, each request is answered once, and after a stop with VMs
 * that obey, no device that the core attached is left in any of them.
 */
#include "corehost.h"

enum { MAX_FACTS = 64, MAX_STOP = 400 };

static void stop(void) {
    struct fact f = {.kind = FACT_STOP};
    host_step(&f);
    for (int i = 0; i < MAX_STOP && core_holds(&core); i++) {
        bool any = false;
        host_orders_end();
        for (int v = 0; v < conf->nvms; v++) {
            if (core.vm[v].op == OP_NONE)
                continue;
            struct op_result r = {.serial = core.vm[v].op_serial, .vm = v, .status = OP_OK};
            struct fact done = {.kind = FACT_OP_DONE, .op = &r};
            host_step(&done);
            any = true;
        }
        if (!any) { /* it waits for time, or for a VM: let both pass */
            host.now += 3600ll * 1000 * VH_NSEC_PER_MSEC;
            struct fact time = {.kind = FACT_TIME};
            host_step(&time);
            for (int v = 0; v < conf->nvms; v++)
                host_vm(core.vm[v].busy ? FACT_VM_ANSWERS : FACT_VM_SOCKET, (unsigned)v);
        }
    }
    MUST(!core_holds(&core));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct bytes in = {data, size};
    host_begin(&in);
    for (int n = 0; n < MAX_FACTS && in.left > 0; n++)
        host_fact();
    stop();
    return 0;
}
