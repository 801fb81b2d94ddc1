/* sandbox_paths.c: the directories that follow from the configuration, and the lists of the daemon's and of a device
 * worker's paths. */
#include "base/str.h"
#include "bus/modules.h"
#include "daemon/sandbox_paths.h"
#include "os/sysfs.h"
#include "test.h"
#include "tree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
    struct opener_places p = sandbox_paths_opener("/etc/vhotplug-not-here.conf", &conf, "/tmp/test/uevents");
    CHECK_STR(p.conf_dir, "/etc");
    CHECK_STR(p.conf_target, "");
    CHECK_STR(p.sockets, "/run/vhotplug");
    CHECK_STR(p.uevents, "/tmp/test/uevents");
    CHECK_STR(p.uevents_dir, "/tmp/test");
}

static void what_is_not_configured_has_no_directory(void) {
    start(false, false);
    struct opener_places p = sandbox_paths_opener("x.conf", &conf, NULL);
    CHECK(p.sockets[0] == '\0' && p.uevents[0] == '\0');
    start(true, false);
    conf.api.unix_on = false;
    p = sandbox_paths_opener("x.conf", &conf, "uevents"); /* a path without a directory */
    CHECK(p.sockets[0] == '\0' && p.uevents_dir[0] == '\0');
    CHECK_STR(p.conf_dir, ".");
}

static const struct sandbox_path *find(const struct sandbox_path *paths, int n, const char *path) {
    for (int i = 0; i < n; i++) {
        if (str_eq(paths[i].path, path))
            return &paths[i];
    }
    return NULL;
}

/* As on systems where /etc is a tree of links: the file that the link will lead to is next to today's. */
static void a_configuration_that_is_a_link_is_read_where_it_leads(void) {
    char place[] = "/tmp/vh-paths-XXXXXX", name[64], target[64], here[128];
    CHECK(mkdtemp(place) != NULL);
    (void)snprintf(name, sizeof name, "%s/etc", place);
    (void)snprintf(target, sizeof target, "%s/store", place);
    CHECK(mkdir(name, 0755) == 0 && mkdir(target, 0755) == 0);
    (void)snprintf(here, sizeof here, "%s/1.conf", target);
    int fd = open(here, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/x.conf", name);
    CHECK(symlink("../store/1.conf", path) == 0);
    start(false, false);
    struct opener_places p = sandbox_paths_opener(path, &conf, NULL);
    CHECK_STR(p.conf_dir, name);
    CHECK_STR(p.conf_target, target);
    CHECK(unlink(path) == 0 && unlink(here) == 0 && rmdir(name) == 0 && rmdir(target) == 0 && rmdir(place) == 0);
}

/* A worker changes nodes of devices, three files of the USB bus, and what is below the buses that are there: landlock
 * knows no file that comes later. All that it reads is below the root of sysfs.h. */
static void a_device_worker_writes_to_nodes_and_what_revokes(void) {
    static const char *const files[] = {"/sys/bus/usb/drivers_probe", "/sys/bus/usb/drivers/usb/bind",
                                        "/sys/bus/usb/drivers/usb/unbind"};
    int n = 0, written = 0;
    CHECK(sysfs_root("/"));
    const struct sandbox_path *paths = sandbox_paths_device(false, &n);
    CHECK(n > MODULES_PATHS && find(paths, n, "/sys/devices") != NULL && find(paths, n, "/sys/bus") != NULL);
    for (int i = 0; i < n; i++) {
        unsigned changes =
            SANDBOX_WRITE | SANDBOX_IOCTL | SANDBOX_REPLACE | SANDBOX_SOCKET | SANDBOX_MKDIR | SANDBOX_REMOVE;
        unsigned may = 0;
        CHECK(paths[i].path != NULL);
        if (str_eq(paths[i].path, "/dev/bus/usb"))
            may = SANDBOX_WRITE | SANDBOX_IOCTL;
        for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
            if (str_eq(paths[i].path, files[k]))
                may = SANDBOX_WRITE;
        }
        written += may == SANDBOX_WRITE;
        if (str_starts(paths[i].path, "/sys/bus/usb/devices/usb"))
            may = SANDBOX_WRITE;
        CHECK_INT(paths[i].what & changes, may);
        CHECK((paths[i].what & SANDBOX_ROOTED) != 0);
        CHECK(may == SANDBOX_WRITE || (paths[i].what & SANDBOX_READ) != 0);
    }
    CHECK_INT(written, 3);
}

/* And nothing beside them: neither a device of such a bus by its own name, nor what only looks like a bus. */
static void of_the_buses_those_that_are_there(void) {
    int n = 0;
    make_directory("sys/bus/usb/devices/usb1");
    make_directory("sys/bus/usb/devices/usb12");
    make_directory("sys/bus/usb/devices/1-2");
    make_directory("sys/bus/usb/devices/usbx");
    CHECK(sysfs_root(top));
    const struct sandbox_path *paths = sandbox_paths_device(false, &n);
    CHECK(find(paths, n, "/sys/bus/usb/devices/usb1") != NULL && find(paths, n, "/sys/bus/usb/devices/usb12") != NULL);
    CHECK(find(paths, n, "/sys/bus/usb/devices/1-2") == NULL && find(paths, n, "/sys/bus/usb/devices/usbx") == NULL);
    CHECK(sysfs_root("/"));
}

int main(void) {
    RUN(the_opener_gets_the_directories_of_what_is_configured);
    RUN(what_is_not_configured_has_no_directory);
    RUN(a_configuration_that_is_a_link_is_read_where_it_leads);
    RUN(a_device_worker_writes_to_nodes_and_what_revokes);
    CHECK(mkdtemp(top) != NULL);
    RUN(of_the_buses_those_that_are_there);
    remove_tree();
    TEST_MAIN_END;
}
