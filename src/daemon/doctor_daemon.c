/*
 * doctor_daemon.c - what the daemon that runs says of itself: its worker processes, its log, its state file. Asks over
 * the API like any client, for `stats` alone, and judges the figures. Changes nothing.
 */
#include "daemon/doctor_daemon.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_wire.h"
#include "codec/json.h"
#include "daemon/doctor_say.h"

#include <errno.h>
#include <sys/mman.h>

enum { ANSWER_MS = 5000, TOKENS_MAX = 64 * (VH_MAX_VMS + 8) }; /* more than `stats` has */

/* -1: the daemon does not tell. */
static long long figure(const struct json *j, const char *group, const char *name) {
    int64_t n = -1;
    (void)json_int(j, json_get(j, json_get(j, 0, group), name), 0, INT64_MAX, &n);
    return n;
}

/* ---- the figures ---- */

/* A late worker comes back by itself if what it waits for does; one that has ended does not. */
static long long workers_of(const struct json *j, const char *group, const char *name, const char *late_advice) {
    long long running = figure(j, group, "running"), late = figure(j, group, "late"), ended = figure(j, group, "ended");
    if (late > 0)
        doctor_say(late == running ? PROBLEM : NOTE, "%s: %lld of %lld not answering in time (%s)", name, late,
                   running + ended, late_advice);
    if (ended > 0)
        doctor_say(PROBLEM, "%s: %lld of %lld ended (the log says why; restart the daemon)", name, ended,
                   running + ended);
    return late > 0 || ended > 0 ? -1 : running;
}

static void workers(const struct json *j) {
    static const char *const of[][3] = {
        {"device_workers", "device workers", "a device does not answer: the log names it; unplug it"},
        {"connectors", "connectors",
         "a VM's socket cannot be reached: the log names the VM; does its file system hang?"},
        {"opener", "opener", "no reload and no new socket meanwhile; does the file system of the configuration hang?"},
        {"disk_worker", "disk worker", "nothing is saved meanwhile; does the disk of the state file hang?"},
    };
    long long all = 0;
    bool fine = true;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        long long n = workers_of(j, of[i][0], of[i][1], of[i][2]);
        fine = fine && n >= 0;
        all += n;
    }
    if (fine)
        doctor_say(FINE, "workers: %lld run, each answers in time", all);
}

static void log_lines(const struct json *j) {
    long long dropped = figure(j, "log", "dropped");
    if (dropped > 0)
        doctor_say(NOTE, "log: %lld lines dropped since the start (standard error is full, or read too slowly)",
                   dropped);
    else
        doctor_say(FINE, "log: no line dropped");
}

static void saves(const struct json *j) {
    long long failed = figure(j, "state", "save_failed"), all = figure(j, "state", "saves");
    if (figure(j, "state", "failing") > 0)
        doctor_say(PROBLEM,
                   "saves: the last one failed, as %lld of %lld; decisions are refused (the log says why: is the disk "
                   "full, or read-only?)",
                   failed, all);
    else if (failed > 0)
        doctor_say(NOTE, "saves: %lld of %lld failed since the start, and the last one did not (the log says why)",
                   failed, all);
    else if (all > 0)
        doctor_say(FINE, "saves: none of %lld failed", all);
}

/* Absent while it is off. */
static void quarantine(const struct json *j) {
    int q = json_get(j, 0, "quarantine");
    char why[VH_TEXT_MAX] = "";
    bool works = true;
    long long refused = figure(j, "quarantine", "refused"), waiting = figure(j, "quarantine", "waiting");
    long long late = figure(j, "quarantine", "late"), ended = figure(j, "port_workers", "ended");
    if (q < 0)
        return;
    (void)json_bool(j, json_get(j, q, "works"), &works);
    (void)json_string(j, json_get(j, q, "reason"), why, sizeof why); /* null if it works */
    if (!works)
        doctor_say(PROBLEM, "quarantine: off: %s; the host's drivers see every device (restart the daemon)", why);
    else if (refused > 0)
        doctor_say(PROBLEM, "quarantine: another program holds %lld ports (the log names the hubs: what opens them?)",
                   refused);
    else if (ended > 0)
        doctor_say(NOTE, "quarantine: %lld port workers have ended; the others hold all ports (restart the daemon)",
                   ended);
    else if (late > 0)
        doctor_say(NOTE,
                   "quarantine: the kernel is busy with %lld hubs (the log names them: unplug what does not answer)",
                   late);
    else if (waiting > 0)
        doctor_say(NOTE, "quarantine: %lld hubs are not held yet (the kernel is busy with them)", waiting);
    else
        doctor_say(FINE, "quarantine: %lld ports of %lld hubs are held", figure(j, "quarantine", "ports"),
                   figure(j, "quarantine", "hubs"));
}

/* Absent while it is off. */
static void authorization(const struct json *j) {
    char why[VH_TEXT_MAX] = "";
    int a = json_get(j, 0, "usb_authorization");
    if (a < 0)
        return;
    (void)json_string(j, json_get(j, a, "reason"), why, sizeof why); /* null if it works */
    if (figure(j, "usb_authorization", "open") > 0)
        doctor_say(PROBLEM, "usbAuthorization: the kernel authorises what is plugged in at %lld buses: %s",
                   figure(j, "usb_authorization", "open"), why);
    else if (why[0] != '\0')
        doctor_say(PROBLEM, "usbAuthorization: off: %s; the kernel authorises what is plugged in", why);
    else
        doctor_say(FINE,
                   "usbAuthorization: at %lld buses the kernel authorises nothing by itself; devices that are not "
                   "authorised: %lld",
                   figure(j, "usb_authorization", "buses"), figure(j, "usb_authorization", "devices"));
}

/* ---- the conversation ---- */

static void judge(const struct json *j) {
    if (!json_string_is(j, json_get(j, 0, "result"), "ok")) {
        doctor_say(NOTE, "daemon: it does not tell this user of its workers (ask as an operator or admin)");
        return;
    }
    if (figure(j, "opener", "running") < 0) {
        doctor_say(NOTE, "daemon: of another version, it does not tell of its workers (restart it)");
        return;
    }
    workers(j);
    log_lines(j);
    saves(j);
    quarantine(j);
    authorization(j);
}

static void understand(const char *line, size_t len) {
    static const char *const results[] = {"ok", "failed"};
    struct json j;
    struct json_error err;
    size_t size = sizeof(jsmntok_t) * (size_t)TOKENS_MAX;
    jsmntok_t *tok = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool known = false;
    if (tok == MAP_FAILED) {
        doctor_say(PROBLEM, "daemon: no memory for its answer");
        return;
    }
    bool parsed = json_parse(&j, line, len, tok, TOKENS_MAX, &err);
    for (int i = 0; parsed && i < 2; i++)
        known = known || json_string_is(&j, json_get(&j, 0, "result"), results[i]);
    if (known)
        judge(&j);
    else
        doctor_say(PROBLEM, "daemon: what listens is not vhotplug (general.api.unixPath)");
    (void)munmap(tok, size);
}

void doctor_daemon(const char *path) {
    static const char request[] = "{\"action\": \"stats\"}\n";
    const struct cli_target at = {.transport = CLI_UNIX, .path = path};
    const char *line = NULL;
    char why[VH_ERROR_MAX];
    size_t len = 0;
    if (!cli_connect(&at, why, sizeof why)) {
        doctor_say(NOTE, "daemon: %s", why);
        return;
    }
    doctor_say(FINE, "daemon: somebody listens at %s", path);
    errno = 0;
    if (cli_send(request, sizeof request - 1, why, sizeof why) && cli_receive(&line, &len, ANSWER_MS, why, sizeof why))
        understand(line, len);
    else
        doctor_say(errno == ETIMEDOUT ? PROBLEM : NOTE, "daemon: %s (%s)", why,
                   errno == ETIMEDOUT ? "is it stopped? end it, and start it again" : "ask as an operator or admin");
    cli_close();
}
