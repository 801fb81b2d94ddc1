/*
 * cli_choose.c - asks at a terminal which VM gets a device that several may have. Owns the devices that are still to be
 * asked about. A question is put as the daemon sees it at that moment, and ends when the choice was made elsewhere.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_ask.h"
#include "cli/cli_call.h"
#include "cli/cli_device.h"
#include "cli/cli_show.h"
#include "cli/cli_subscribe.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct {
    char waiting[VH_MAX_DEVICES][VH_SYSNAME_MAX]; /* the first one is being asked about if `open` */
    int n;
    bool open;                         /* the question stands on the terminal */
    char vms[VH_MAX_VMS][VH_NAME_MAX]; /* its answers */
    int nvms;
} asked;

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* An interrupt ends what waits, and the second one the program. While the daemon is sought the first one does. */
static void heed_interrupts(bool seeking) {
    const struct sigaction seek = {.sa_handler = SIG_DFL};
    const struct sigaction wait = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}; /* no SA_RESTART */
    (void)sigaction(SIGINT, seeking ? &seek : &wait, NULL); /* fails for no signal that there is */
}

static int place_of(const char *name) {
    for (int i = 0; i < asked.n; i++) {
        if (str_eq(asked.waiting[i], name))
            return i;
    }
    return -1;
}

static void drop(int i) {
    asked.n--;
    memmove(asked.waiting[i], asked.waiting[i + 1], (size_t)(asked.n - i) * sizeof asked.waiting[0]);
    asked.open = asked.open && i > 0;
}

/* Keeps what is to be asked, and tells what was settled without an answer from here. */
static void on_event(const struct json *j) {
    char name[VH_SYSNAME_MAX], event[VH_NAME_MAX];
    int i = place_of(text_get(j, json_get(j, 0, "usb_device"), "sys_name", name, sizeof name));
    (void)text_get(j, 0, "event", event, sizeof event);
    if (str_eq(event, "usb_select_vm") && i < 0 && asked.n < VH_MAX_DEVICES) {
        (void)str_copy(asked.waiting[asked.n++], VH_SYSNAME_MAX, name); /* of the same size */
    } else if (i >= 0 && (str_eq(event, "usb_attached") || str_eq(event, "usb_disconnected"))) {
        fputs(asked.open && i == 0 ? "\n" : "", stdout);
        text_print(name);
        fputs(str_eq(event, "usb_attached") ? ": chosen elsewhere: " : ": unplugged", stdout);
        text_field(j, 0, "vm");
        putchar('\n');
        drop(i);
    }
}

/* What was typed until now was meant for another question, also if its line has not ended yet. */
static void put_question(const struct json *j, int d) {
    char text[DEVICE_TEXT];
    (void)tcflush(STDIN_FILENO, TCIFLUSH); /* it is a terminal; one that has gone is found by the next read */
    asked.nvms = 0;
    text_field(j, d, "sys_name");
    putchar(' ');
    text_print(device_name(j, d, text));
    printf(" (%s) needs a VM:\n", device_kind(j, d, text));
    for (int a = json_first(j, json_get(j, d, "allowed_vms")); a >= 0 && asked.nvms < VH_MAX_VMS; a = json_next(j, a)) {
        if (!json_string(j, a, asked.vms[asked.nvms], VH_NAME_MAX))
            continue;
        printf("  %d) ", ++asked.nvms);
        text_print(asked.vms[asked.nvms - 1]);
        putchar('\n');
    }
    fputs("Number or name (empty: none): ", stdout);
    asked.open = true;
}

/* Puts the next question, if the device is still there and in no VM. False if the daemon is lost. */
static bool next_question(char why[VH_ERROR_MAX]) {
    struct json j;
    int d = -1;
    if (asked.open || asked.n == 0)
        return true;
    int status = ask_daemon("{\"action\": \"usb_list\"}\n", on_event, &j, why);
    for (d = json_first(&j, json_get(&j, 0, "usb_devices")); status == CLI_OK && d >= 0; d = json_next(&j, d)) {
        if (json_string_is(&j, json_get(&j, d, "sys_name"), asked.waiting[0]))
            break;
    }
    if (status != CLI_OK)
        return status != CLI_UNREACHABLE;
    if (asked.n > 0 && d >= 0 && text_null(&j, d, "vm"))
        put_question(&j, d);
    else if (asked.n > 0)
        drop(0);
    return true;
}

/* The VM that somebody typed, NULL if it is none of those. */
static const char *answered(const char *line) {
    uint64_t number = 0;
    if (str_uint(line, strlen(line), (uint64_t)asked.nvms, &number) && number > 0)
        return asked.vms[number - 1];
    for (int i = 0; i < asked.nvms; i++) {
        if (str_eq(line, asked.vms[i]))
            return asked.vms[i];
    }
    return NULL;
}

static bool take_answer(const char *line, char why[VH_ERROR_MAX]) {
    char request[VH_LINE_MAX], name[VH_SYSNAME_MAX];
    struct json j;
    struct sbuf sb;
    const char *vm = answered(line);
    if (!asked.open)
        return true; /* typed ahead, or after it was settled elsewhere */
    if (line[0] != '\0' && vm == NULL) {
        printf("Expected a number from 1 to %d, or the name of one of these VMs: ", asked.nvms);
        return true;
    }
    (void)str_copy(name, sizeof name, asked.waiting[0]); /* of the same size */
    drop(0);
    if (vm == NULL)
        return true;
    sb_init(&sb, request, sizeof request); /* two short names fit */
    sb_fmt(&sb, "{\"action\": \"usb_attach\", \"sys_name\": ");
    sb_json(&sb, name);
    sb_str(&sb, ", \"vm\": ");
    sb_json(&sb, vm);
    sb_str(&sb, "}\n");
    int status = ask_daemon(request, on_event, &j, why);
    if (status != CLI_OK) {
        (void)text_failed(why);
        return status != CLI_UNREACHABLE;
    }
    text_print(name);
    fputs(": attached to ", stdout);
    text_print(vm);
    putchar('\n');
    return true;
}

/* A line of the terminal, which gives whole lines. False at its end. */
static bool read_line(char *line, size_t cap) {
    ssize_t n = read(STDIN_FILENO, line, cap - 1);
    if (n <= 0)
        return n < 0 && errno == EINTR && !interrupted;
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* Waits for the daemon or the terminal, and takes what comes. False if the daemon is lost or, with *done, at the end.
 */
static bool step(bool *done, char why[VH_ERROR_MAX]) {
    char typed[VH_TEXT_MAX] = "";
    const char *line = NULL;
    size_t len = 0;
    struct json j;
    (void)fflush(stdout);
    bool daemon = cli_wait(STDIN_FILENO) && !interrupted;
    if (daemon) {
        if (!cli_receive(&line, &len, CLI_REPLY_MS, why, VH_ERROR_MAX))
            return false;
        if (ask_parse(&j, line, len))
            on_event(&j);
        return true;
    }
    *done = interrupted || !read_line(typed, sizeof typed);
    return !*done && take_answer(typed, why);
}

int choose_vm(const struct call *c, const char *request) {
    char why[VH_ERROR_MAX];
    bool done = false;
    if (!isatty(STDIN_FILENO) || !term_is(stdout))
        return command_usage(c->command, "choose asks at a terminal: standard input and output have to be one");
    int status = subscribe_first(c, request, on_event);
    heed_interrupts(false);
    if (status == CLI_OK)
        puts("Waits for devices that need a VM; Ctrl-C ends.");
    while (status == CLI_OK && !done) {
        if (next_question(why) && step(&done, why))
            continue;
        if (done)
            break;
        asked.n = 0; /* what is still open is announced anew */
        asked.open = false;
        heed_interrupts(true);
        status = subscribe_again(c, request, on_event, why);
        heed_interrupts(false);
    }
    if (status == CLI_OK)
        putchar('\n');
    return status;
}
