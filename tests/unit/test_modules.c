/*
 * test_modules.c - modules.c: where the module lists of the running kernel are looked for, which files are no lists,
 * and paths that do not fit.
 */
#include "base/limits.h"
#include "bus/modules.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <stdio.h>
#include <sys/wait.h>

/* A device without a class that names its driver. */
static struct device device(unsigned vid) {
    struct device d = {.usb.nifaces = 1, .vid = (uint16_t)vid, .pid = 0x1666};
    d.usb.ifaces[0].cls = 255;
    return d;
}

static const char *driver(unsigned vid) {
    static char text[VH_PATH_MAX];
    struct device d = device(vid);
    const char *why = "";
    if (!modules_of(&d, &why))
        return why;
    (void)snprintf(text, sizeof text, "%s", d.driver_path[0] != NULL ? d.driver_path[0] : "(none)");
    return text;
}

/* Each in its own process, because the lists are looked for once. */
static bool alone(void (*test)(void)) {
    int status = 1;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        test_ok = true;
        test();
        (void)fflush(stdout);
        _exit(test_ok ? 0 : 1);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

#define IN_ITS_OWN_PROCESS(name) \
    static void name##_(void);   \
    static void name(void) {     \
        CHECK(alone(name##_));   \
    }                            \
    static void name##_(void)

IN_ITS_OWN_PROCESS(the_release_comes_from_proc_or_from_uname) {
    const char *dir = "";
    struct utsname u;
    CHECK(uname(&u) == 0);
    CHECK(!modules_there(&dir));
    modules_open();
    CHECK(!modules_there(&dir));
    CHECK(strstr(dir, "/lib/modules/") == dir && strstr(dir, u.release) != NULL);
    fail_call("uname", 1, EFAULT);
    modules_open();
    CHECK(all_failed());
    CHECK(!modules_there(&dir));
    CHECK_STR(dir, "/lib/modules/");
    heal();
    CHECK_STR(driver(8), "(none)");
}

static void make_lists(const char *where) {
    char path[256];
    make_file("proc/sys/kernel/osrelease", "9.9\n");
    (void)snprintf(path, sizeof path, "%s/9.9/modules.alias", where);
    make_file(path,
              "# aliases\nalias usb:v0008p*d*dc*dsc*dp*ic*isc*ip*in* storage\n"
              "alias usb:v000Ep*d*dc*dsc*dp*ic*isc*ip*in* video\nalias usb:v000Ep*d*dc*dsc*dp*ic*isc*ip*in* video\n"
              "alias usb:v0002p*d*dc*dsc*dp*ic*isc*ip*in* absent\n");
    (void)snprintf(path, sizeof path, "%s/9.9/modules.dep", where);
    make_file(path, "kernel/storage.ko.xz: kernel/scsi.ko\n/elsewhere/video.ko:\n");
}

IN_ITS_OWN_PROCESS(a_driver_is_told_by_its_path) {
    const char *dir = "";
    make_lists("usr/lib/modules"); /* the second place */
    modules_open();
    CHECK(modules_there(&dir));
    CHECK_STR(dir, "/usr/lib/modules/9.9");
    CHECK_STR(driver(8), "/usr/lib/modules/9.9/kernel/storage.ko.xz");
    CHECK_STR(driver(8), "/usr/lib/modules/9.9/kernel/storage.ko.xz");
    CHECK_STR(driver(14), "/elsewhere/video.ko");
    CHECK_STR(driver(2), "(none)"); /* not installed */
    CHECK_STR(driver(3), "(none)");
    fail_call("madvise", 0, EINVAL);
    CHECK_STR(driver(14), "/elsewhere/video.ko");
    CHECK(all_failed());
    heal();
    struct device sure = device(8), hub = device(8);
    const char *why = "";
    sure.usb.ifaces[0].cls = 3; /* the class names the driver: no list is read */
    hub.usb.nifaces = 0;
    CHECK(modules_of(&sure, &why) && sure.driver_path[0] == NULL);
    CHECK(modules_of(&hub, &why) && hub.driver_path[0] == NULL);
}

IN_ITS_OWN_PROCESS(the_driver_is_that_of_the_active_configuration) {
    const char *why = "";
    make_file("proc/sys/kernel/osrelease", "9.9\n");
    make_file("usr/lib/modules/9.9/modules.alias", "alias usb:v0008p*d*dc*dsc*dp*icFFisc*ip*in* own\n"
                                                   "alias usb:v0008p*d*dc*dsc*dp*ic02isc*ip*in* cdc\n");
    make_file("usr/lib/modules/9.9/modules.dep", "kernel/own.ko:\nkernel/cdc.ko:\n");
    modules_open();
    struct device d = device(8);
    d.usb.nifaces = 2;
    d.usb.ifaces[1] = (struct usb_iface){.cls = 2};
    CHECK(modules_of(&d, &why) && d.driver_path[0] == NULL); /* of one configuration, with a class */
    d.usb.nconfigs = 2;
    d.usb.config_value[0] = d.usb.bound_in[0] = 1;
    d.usb.config_value[1] = d.usb.bound_in[1] = 2;
    for (uint8_t config = 0; config < 3; config++) {
        d.usb.config = config;
        CHECK(modules_of(&d, &why));
        CHECK_STR(d.driver_path[0] != NULL ? d.driver_path[0] : "(none)",
                  config == 2 ? "(none)" : "/usr/lib/modules/9.9/kernel/own.ko");
        CHECK(d.driver_path[1] == NULL);
    }
}

IN_ITS_OWN_PROCESS(what_cannot_be_looked_at_is_no_list) {
    const char *dir = "";
    int files = open_files();
    fail_call("fstat", 0, ENOMEM);
    modules_open();
    CHECK(all_failed());
    CHECK(!modules_there(&dir));
    CHECK_STR(dir, "/lib/modules/9.9");
    heal();
    CHECK_INT(open_files(), files);
    CHECK_STR(driver(8), "(none)");
    CHECK_STR(modules_path(0), "");
}

/* The driver is unknown then, and the failure is noted. */
IN_ITS_OWN_PROCESS(a_list_that_cannot_be_read_is_no_answer) {
    static const struct {
        const char *call;
        int at;
    } wrong[] = {{"openat", 1}, {"openat", 2}, {"read", 1}, {"read", 2}, {"read", 3}};
    make_lists("usr/lib/modules");
    modules_open();
    int files = open_files();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unsigned troubles = sysfs_troubles();
        fail_call(wrong[i].call, wrong[i].at, EIO);
        CHECK_STR(driver(8), "the lists of kernel modules cannot be read");
        CHECK(all_failed());
        heal();
        CHECK(sysfs_troubles() != troubles);
        CHECK_INT(open_files(), files);
        CHECK_STR(driver(8), "/usr/lib/modules/9.9/kernel/storage.ko.xz");
    }
    fail_call("read", 1, EINTR);
    CHECK_STR(driver(8), "/usr/lib/modules/9.9/kernel/storage.ko.xz");
    CHECK(all_failed());
    heal();
    CHECK_STR(modules_path(0), "/usr/lib/modules/9.9/modules.alias");
    CHECK_STR(modules_path(2), ""); /* no list of built-in modules */
    CHECK_STR(modules_path(MODULES_PATHS - 1), "/usr/lib/modules/9.9");
}

/* Empty, or no file at all. */
IN_ITS_OWN_PROCESS(what_has_no_content_is_no_list) {
    const char *dir = "";
    make_file("usr/lib/modules/9.9/modules.alias", "");
    make_file("usr/lib/modules/9.9/modules.dep", "");
    make_file("lib/modules/9.9/modules.alias/x", "");
    modules_open();
    CHECK(!modules_there(&dir));
}

/* A path that is too long is not returned. */
IN_ITS_OWN_PROCESS(a_path_that_does_not_fit_is_said) {
    static char text[VH_PATH_MAX + 64];
    make_lists("usr/lib/modules");
    memset(text, 'x', sizeof text - 1);
    memcpy(text + VH_PATH_MAX - 16, "/storage.ko:\n", 14);
    make_file("usr/lib/modules/9.9/modules.dep", text);
    modules_open();
    CHECK_STR(driver(8), "no room for the path of its driver");
}

/* Paths are kept until exit, up to a bound. */
IN_ITS_OWN_PROCESS(too_many_paths_are_said) {
    static char aliases[1 << 20], paths[1 << 20];
    size_t na = 0, np = 0;
    const char *why = "";
    int fits = 0;
    for (int i = 0; i < 4096; i++) {
        na += (size_t)snprintf(aliases + na, sizeof aliases - na, "alias usb:v%04Xp*d*dc*dsc*dp*ic*isc*ip*in* m%d\n",
                               (unsigned)i, i);
        np += (size_t)snprintf(paths + np, sizeof paths - np,
                               "kernel/drivers/usb/of/a/long/path/that/goes/on/m%d.ko:\n", i);
    }
    make_file("usr/lib/modules/9.9/modules.alias", aliases);
    make_file("usr/lib/modules/9.9/modules.dep", paths);
    modules_open();
    for (int i = 0; i < 4096; i++) {
        struct device d = device((unsigned)i);
        CHECK(modules_of(&d, &why) && d.driver_path[0] != NULL);
        const char *kept = d.driver_path[0] != NULL ? modules_intern(d.driver_path[0]) : NULL;
        if (kept == NULL)
            break;
        CHECK_STR(kept, d.driver_path[0]);
        CHECK(modules_intern(d.driver_path[0]) == kept); /* once */
        fits++;
    }
    CHECK(fits > 100 && fits < 4096);
    struct device first = device(0);
    CHECK(modules_of(&first, &why) && modules_intern(first.driver_path[0]) != NULL);
}

IN_ITS_OWN_PROCESS(more_drivers_than_can_be_told_apart_are_said) {
    char aliases[2048] = "", paths[2048] = "";
    for (int i = 0; i <= VH_MAX_DRIVERS; i++) {
        (void)snprintf(aliases + strlen(aliases), sizeof aliases - strlen(aliases),
                       "alias usb:v0008p*d*dc*dsc*dp*ic*isc*ip*in* m%d\n", i);
        (void)snprintf(paths + strlen(paths), sizeof paths - strlen(paths), "m%d.ko:\n", i);
    }
    make_file("usr/lib/modules/9.9/modules.alias", aliases);
    make_file("usr/lib/modules/9.9/modules.dep", paths);
    modules_open();
    CHECK_STR(driver(8), "more drivers fit it than can be told apart");
}

/* A release name longer than a path: no list is looked for. */
IN_ITS_OWN_PROCESS(a_release_that_is_too_long_has_no_lists) {
    static char text[VH_NAME_MAX * 2];
    const char *dir = "";
    memset(text, 'r', sizeof text - 1);
    text[VH_TEXT_MAX < sizeof text - 2 ? VH_TEXT_MAX : sizeof text - 2] = '\0';
    make_file("proc/sys/kernel/osrelease", text);
    modules_open();
    CHECK(!modules_there(&dir));
    make_file("proc/sys/kernel/osrelease", "9.9\n");
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root(top));
    RUN(the_release_comes_from_proc_or_from_uname);
    RUN(a_driver_is_told_by_its_path);
    RUN(the_driver_is_that_of_the_active_configuration);
    RUN(what_cannot_be_looked_at_is_no_list);
    RUN(a_list_that_cannot_be_read_is_no_answer);
    RUN(a_path_that_does_not_fit_is_said);
    RUN(too_many_paths_are_said);
    RUN(more_drivers_than_can_be_told_apart_are_said);
    RUN(what_has_no_content_is_no_list);
    RUN(a_release_that_is_too_long_has_no_lists);
    remove_tree();
    TEST_MAIN_END;
}
