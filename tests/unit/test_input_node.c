/*
 * test_input_node.c - input_node.c with a made-up sysfs and a list of the test's own: who may open a node, that it is
 * of the plug that is meant, and what a failure says.
 */
#include "bus/input_node.h"
#include "codec/access_list.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <sys/syscall.h>

static struct access_list kept; /* of the node; n 0: none */
static char why[VH_TEXT_MAX];

/* The node's own list, whatever the file system of the tests can do. */
static bool attributes(long nr, const long *a, long *result) {
    if (nr == SYS_fgetxattr) {
        *result = kept.n > 0 ? (long)kept.n : -1;
        errno = ENODATA;
        memcpy((void *)a[2], kept.bytes, kept.n);
        return true;
    }
    if (nr == SYS_fsetxattr) {
        kept.n = (size_t)a[3];
        memcpy(kept.bytes, (const void *)a[2], kept.n);
        *result = 0;
        return true;
    }
    return false;
}

static void host(void) {
    kept.n = 0;
    heal();
    on_syscall = attributes;
    make_file("sys/class/input/event4/dev", "13:68\n");
    make_file("dev/input/event4", "");
    CHECK(chmod(at("dev/input/event4"), 0660) == 0);
    CHECK(sysfs_root(top));
}

static enum input_node_end let(uint64_t incarnation, uint32_t uid) {
    return input_node_let(4, incarnation, uid, why);
}

static void a_user_is_let_in_and_no_longer(void) {
    host();
    uint64_t plug = input_node_incarnation(4);
    CHECK(plug != 0 && input_node_incarnation(5) == 0);
    CHECK_INT(let(plug, 12345), INPUT_NODE_DONE);
    CHECK_INT((long)kept.n, 4 + 5 * 8);
    CHECK_INT(let(plug, 12345), INPUT_NODE_SAME);
    CHECK_INT(input_node_bar(4, plug, 12345, why), INPUT_NODE_DONE);
    CHECK_INT((long)kept.n, 4 + 3 * 8);
    CHECK_INT(input_node_bar(4, plug, 12345, why), INPUT_NODE_SAME);
    CHECK_STR(why, "");
    CHECK_INT(let(plug, (uint32_t)getuid()), INPUT_NODE_SAME); /* its owner */
}

static void a_node_of_another_plug_is_let_alone(void) {
    host();
    uint64_t plug = input_node_incarnation(4);
    CHECK_INT(let(0, 12345), INPUT_NODE_GONE);
    CHECK_INT(let(plug + 1, 12345), INPUT_NODE_GONE);
    CHECK(unlink(at("dev/input/event4")) == 0);
    CHECK_INT(let(plug, 12345), INPUT_NODE_GONE);
    CHECK(symlink("event5", at("dev/input/event4")) == 0);
    make_file("dev/input/event5", "");
    CHECK_INT(let(plug, 12345), INPUT_NODE_FAILED); /* no node of the kernel is a link */
    CHECK(strstr(why, "cannot open /dev/input/event4: ") != NULL);
    CHECK(unlink(at("dev/input/event4")) == 0);
    CHECK_INT((long)kept.n, 0);
}

static void a_failure_says_why(void) {
    host();
    uint64_t plug = input_node_incarnation(4);
    fail_nr(SYS_fgetxattr, 1, EOPNOTSUPP);
    CHECK_INT(let(plug, 12345), INPUT_NODE_FAILED);
    CHECK(strstr(why, "cannot read the access list of /dev/input/event4: ") != NULL);
    heal();
    fail_nr(SYS_fsetxattr, 1, EPERM);
    CHECK_INT(let(plug, 12345), INPUT_NODE_FAILED);
    CHECK(strstr(why, "cannot change the access list of /dev/input/event4: ") != NULL);
    heal();
    kept.n = 12;
    memset(kept.bytes, 0xff, kept.n);
    CHECK_INT(let(plug, 12345), INPUT_NODE_FAILED);
    CHECK_INT(input_node_bar(4, plug, 12345, why), INPUT_NODE_FAILED);
    kept.n = 0;
    for (uint32_t uid = 20000; uid < 20000 + VH_MAX_ACCESS_ENTRIES - 4; uid++)
        CHECK_INT(let(plug, uid), INPUT_NODE_DONE);
    CHECK_INT(let(plug, 12345), INPUT_NODE_FAILED);
    CHECK(strstr(why, "cannot change the access list of /dev/input/event4: ") != NULL &&
          strstr(why, strerror(ENOSPC)) != NULL);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    RUN(a_user_is_let_in_and_no_longer);
    RUN(a_node_of_another_plug_is_let_alone);
    RUN(a_failure_says_why);
    remove_tree();
    TEST_MAIN_END;
}
