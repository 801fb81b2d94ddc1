/* sandbox_paths.c: the directories that follow from the configuration, and the list of the daemon's own paths. */
#include "base/str.h"
#include "bus/modules.h"
#include "daemon/sandbox_paths.h"
#include "test.h"

static struct conf conf;

static void start(bool api, bool persistency) {
    memset(&conf, 0, sizeof conf);
    conf.api.enable = conf.api.unix_on = api;
    conf.persistency = persistency;
    CHECK(str_copy(conf.api.unix_path, sizeof conf.api.unix_path, "/run/vhotplug/api.sock"));
    CHECK(str_copy(conf.state_path, sizeof conf.state_path, "/state.json"));
}

static void the_opener_gets_the_directories_of_what_is_configured(void) {
    start(true, true);
    struct opener_places p = sandbox_paths_opener("/etc/x.conf", &conf, "/tmp/test/uevents");
    CHECK_STR(p.conf, "/etc/x.conf");
    CHECK_STR(p.sockets, "/run/vhotplug");
    CHECK_STR(p.uevents, "/tmp/test");
    CHECK_STR(p.state, "/");
}

static void what_is_not_configured_has_no_directory(void) {
    start(false, false);
    struct opener_places p = sandbox_paths_opener("x.conf", &conf, NULL);
    CHECK(p.sockets[0] == '\0' && p.uevents[0] == '\0' && p.state[0] == '\0');
    start(true, false);
    conf.api.unix_on = false;
    p = sandbox_paths_opener("x.conf", &conf, "uevents"); /* a path without a directory */
    CHECK(p.sockets[0] == '\0' && p.uevents[0] == '\0');
}

static const struct sandbox_path *find(const struct sandbox_path *paths, int n, const char *path) {
    for (int i = 0; i < n; i++) {
        if (str_eq(paths[i].path, path))
            return &paths[i];
    }
    return NULL;
}

static void the_daemon_may_only_remove_its_sockets(void) {
    int n = 0;
    start(true, false);
    (void)sandbox_paths_opener("x.conf", &conf, "/tmp/test/uevents");
    const struct sandbox_path *paths = sandbox_paths_daemon(&n);
    const struct sandbox_path *sockets = find(paths, n, "/run/vhotplug"), *uevents = find(paths, n, "/tmp/test");
    CHECK(sockets != NULL && sockets->what == (SANDBOX_REMOVE | SANDBOX_ANCESTOR));
    CHECK(uevents != NULL && uevents->what == SANDBOX_REMOVE);
}

/* Outside /dev/bus/usb and the directories of its own files, the daemon reads below the root of sysfs.h only. */
static void everything_else_is_read_below_the_root(void) {
    int n = 0;
    start(false, false);
    (void)sandbox_paths_opener("x.conf", &conf, NULL);
    const struct sandbox_path *paths = sandbox_paths_daemon(&n);
    CHECK(n > MODULES_PATHS && find(paths, n, "/sys/devices") != NULL);
    for (int i = 0; i < n; i++) {
        unsigned changes = SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_REPLACE | SANDBOX_SOCKET | SANDBOX_MKDIR;
        CHECK(paths[i].path != NULL);
        if (paths[i].path[0] == '\0' || str_eq(paths[i].path, "/dev/bus/usb"))
            continue;
        CHECK((paths[i].what & (changes | SANDBOX_REMOVE)) == 0);
        CHECK((paths[i].what & SANDBOX_READ) != 0 && (paths[i].what & SANDBOX_ROOTED) != 0);
    }
}

int main(void) {
    RUN(the_opener_gets_the_directories_of_what_is_configured);
    RUN(what_is_not_configured_has_no_directory);
    RUN(the_daemon_may_only_remove_its_sockets);
    RUN(everything_else_is_read_below_the_root);
    TEST_MAIN_END;
}
