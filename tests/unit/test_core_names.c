/*
 * test_core_names.c - names of states: the tables of src/core/README.md have the same ones in the same order. Also the
 * reasons for which a device stays with the host, alone and in their order.
 */
#include "base/str.h"
#include "core/core_internal.h"
#include "core/core_names.h"
#include "test.h"

static char readme[32 * 1024];

static bool read_readme(void) {
    FILE *f = fopen("src/core/README.md", "r");
    size_t n = f != NULL ? fread(readme, 1, sizeof readme - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    readme[n] = '\0';
    return n > 0 && n < sizeof readme - 1;
}

/* The first table under this heading: its first column is these names. */
static void check_table(const char *heading, const char *const *names, int n) {
    const char *row = strstr(readme, heading);
    CHECK(row != NULL);
    if (row == NULL)
        return;
    row = strstr(row, "\n| --- ");
    for (int i = 0; i < n && row != NULL; i++) {
        char expected[64];
        row = strchr(row + 1, '\n');
        CHECK(str_fmt(expected, sizeof expected, "\n| %s | ", names[i]));
        CHECK(row != NULL && str_starts(row, expected));
    }
    row = row != NULL ? strchr(row + 1, '\n') : NULL;
    CHECK(row != NULL && row[1] != '|'); /* no row more */
}

static void the_readme_names_every_state(void) {
    CHECK(read_readme());
    check_table("\n## Slot\n", slot_state_name, SLOT_STATES);
    check_table("\n## Question\n", question_state_name, QUESTION_STATES);
    check_table("\n## VM\n", vm_state_name, VM_STATES);
    check_table("\n## Operation\n", op_kind_name, OP_KINDS);
    check_table("\n## Revocation\n", revoke_state_name, REVOKE_STATES);
}

static void names_belong_to_their_values(void) {
    CHECK_STR(slot_state_name[SLOT_FREE], "free");
    CHECK_STR(slot_state_name[SLOT_PRESENT], "present");
    CHECK_STR(slot_state_name[SLOT_LEAVING], "leaving");
    CHECK_STR(slot_state_name[SLOT_DEAD], "dead");
    CHECK_STR(question_state_name[QUESTION_NONE], "none");
    CHECK_STR(question_state_name[QUESTION_OPEN], "open");
    CHECK_STR(question_state_name[QUESTION_CLOSED], "closed");
    CHECK_STR(vm_state_name[VM_DOWN], "down");
    CHECK_STR(vm_state_name[VM_UNKNOWN], "unknown");
    CHECK_STR(vm_state_name[VM_UP], "up");
    CHECK_STR(op_kind_name[OP_NONE], "none");
    CHECK_STR(op_kind_name[OP_LIST], "list");
    CHECK_STR(op_kind_name[OP_ATTACH], "attach");
    CHECK_STR(op_kind_name[OP_DETACH], "detach");
    CHECK_STR(revoke_state_name[REVOKE_NONE], "none");
    CHECK_STR(revoke_state_name[REVOKE_UNDER_WAY], "under way");
    CHECK_STR(revoke_state_name[REVOKE_CERTAIN], "certain");
    CHECK_STR(revoke_state_name[REVOKE_UNCERTAIN], "uncertain");
}

/* ---- why a device stays with the host ---- */

static struct conf conf;
static struct core core = {.conf = &conf};
static struct slot slot;

/* A slot and a core for which these reasons hold and no other. */
static void make(unsigned reasons) {
    memset(&slot, 0, sizeof slot);
    device_clear(&slot.dev);
    slot.dev.malformed = (reasons & STAY_MALFORMED) != 0 ? "bLength 0" : "";
    slot.dev.protect = (reasons & STAY_PROTECTED) != 0 ? "holds /boot" : "";
    slot.hub = (reasons & STAY_HUB) != 0;
    slot.dev.settled = (reasons & STAY_UNSETTLED) == 0;
    slot.dev.unauthorised = (reasons & STAY_UNAUTHORISED) != 0;
    slot.dev.unresponsive = (reasons & STAY_UNRESPONSIVE) != 0;
    slot.foreign = (reasons & STAY_FOREIGN) != 0 ? 0 : -1;
    slot.hold_until = (reasons & STAY_HELD) != 0 ? 1 : 0;
    conf.closed_on_loss = (reasons & STAY_CLOSED) != 0;
    (void)str_copy(core.remembered.corrupt, sizeof core.remembered.corrupt, "not JSON");
    core.stopping = (reasons & STAY_STOPPING) != 0;
}

/* Every union of reasons is made, and every union of reasons is asked for. */
static void the_first_reason_asked_for_is_found(void) {
    bool all = true;
    for (unsigned holds = 0; holds < 2 * STAY_STOPPING; holds++) {
        make(holds);
        for (unsigned asked = 0; asked < 2 * STAY_STOPPING; asked++) {
            unsigned first = 1;
            while (first <= STAY_STOPPING && (holds & asked & first) == 0)
                first *= 2;
            enum stay expected = first <= STAY_STOPPING ? (enum stay)first : STAY_NO;
            all = all && slot_stays_with_host(&core, &slot, asked) == expected;
        }
    }
    CHECK(all);
}

int main(void) {
    RUN(the_readme_names_every_state);
    RUN(names_belong_to_their_values);
    RUN(the_first_reason_asked_for_is_found);
    TEST_MAIN_END;
}
