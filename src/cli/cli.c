/*
 * cli.c - the client: a command line becomes one request, the response becomes text and an exit status.
 *
 * Scripts rely on the exit status: 0 ok (an empty list too), 1 failed with the reason on stderr, 2 usage; an empty list
 * is an empty standard output. Decides nothing: names of devices and VMs go to the daemon as they were typed.
 */
#include "cli/cli.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_ask.h"
#include "cli/cli_call.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"
#include "cli/cli_wire.h"
#include "codec/json.h"

#include <stdio.h>
#include <time.h>

/* On a terminal for people, elsewhere for scripts. */
static void show_devices(const struct call *c, const struct json *j) {
    const char *vm = c->value[F_VM];
    bool tree = (c->given & BIT(F_TREE)) != 0;
    if (!tree && ((c->given & (BIT(F_PLAIN) | BIT(F_SHORT))) != 0 || !term_is(stdout)))
        show_list(j, vm, c->given & BIT(F_SHORT));
    else if (!(tree ? show_tree(j, vm) : show_table(j, vm)) && term_is(stdout) && term_is(stderr))
        fputs("no devices\n", stderr);
}

static void show_pci_devices(const struct call *c, const struct json *j) {
    bool tree = (c->given & BIT(F_TREE)) != 0;
    if (!tree && ((c->given & (BIT(F_PLAIN) | BIT(F_SHORT))) != 0 || !term_is(stdout)))
        show_pci(j, c->given & BIT(F_SHORT));
    else if (!(tree ? show_pci_tree(j) : show_pci_table(j)) && term_is(stdout) && term_is(stderr))
        fputs("no devices\n", stderr);
}

static void show(const struct call *c, const struct json *j) {
    switch (c->command->output) {
    case OUT_LIST:
        show_devices(c, j);
        break;
    case OUT_PCI:
        show_pci_devices(c, j);
        break;
    case OUT_EVDEV:
        show_evdev(j, c->given & BIT(F_SHORT));
        break;
    case OUT_VMS:
        show_vms(j);
        break;
    case OUT_VERSION:
        text_field(j, 0, "version");
        putchar('\n');
        break;
    case OUT_STATUS:
        show_daemon(j);
        break;
    case OUT_EXPLAIN:
        show_explanation(j);
        break;
    case OUT_STATS:
        if (c->given & BIT(F_PROMETHEUS))
            show_prometheus(j);
        else
            show_stats(j);
        break;
    case OUT_MOVED:
        if (term_is(stdout)) /* scripts get nothing, as they always did */
            show_moved(c);
        break;
    case OUT_HISTORY:
        show_history(j);
        break;
    case OUT_RULES:
        show_rules(j);
        break;
    case OUT_RELOAD:
        (void)show_reload(j);
        break;
    case OUT_NOTHING:
    case OUT_ARGS: /* shown by show_reply(), because it may fail */
    case OUT_EVENTS:
    case OUT_CHOOSE:
    case OUT_RULE:
        break;
    }
}

/* The reply of a request that was done. */
static int show_reply(const struct call *c, const struct json *j) {
    const char *tag = c->value[F_TAG];
    if (c->command->output == OUT_STATUS && tag != NULL)
        return show_tag(j, tag, c->json);
    if (c->command->output == OUT_LIST && tag != NULL && !show_tag_known(j, tag))
        return CLI_FAILED;
    if (c->json)
        return CLI_OK;
    if (c->command->output == OUT_ARGS && !show_words(j))
        return text_failed("an argument is empty or holds white space: who reads these would take it for several");
    show(c, j);
    return CLI_OK;
}

/* A VM may be started before the daemon: `vmm args` tries for a while. Others try once. */
static bool reach(const struct call *c, char *why, size_t cap) {
    const struct timespec second = {.tv_sec = 1};
    for (uint64_t left = c->command->output == OUT_ARGS ? c->timeout : 0; !cli_connect(&c->target, why, cap); left--) {
        if (left == 0)
            return false;
        (void)nanosleep(&second, NULL);
    }
    return true;
}

static int converse(const struct call *c, const char *request) {
    char why[VH_ERROR_MAX];
    struct json j;
    int status = reach(c, why, sizeof why) ? ask_daemon(request, NULL, &j, why) : CLI_UNREACHABLE;
    if (status == CLI_UNREACHABLE) {
        (void)text_failed(why);
        return c->command->output == OUT_STATUS ? CLI_UNREACHABLE : CLI_FAILED;
    }
    if (c->json && j.ntok > 0)
        puts(j.text);
    if (status == CLI_OK)
        return show_reply(c, &j);
    if (c->command->output == OUT_RELOAD && !c->json && show_reload(&j))
        (void)str_copy(why, sizeof why, "the configuration has errors: nothing was changed"); /* a short text */
    return text_failed(why);
}

int cli_main(int argc, char **argv) {
    struct call c = {.timeout = 30};
    char request[VH_LINE_MAX];
    struct sbuf sb;
    int status = args_read(&c, argc, argv);
    if (status >= 0)
        return status;
    if (c.debug)
        ask_debug();
    sb_init(&sb, request, sizeof request);
    request_build(&c, &sb);
    if (!sb_ok(&sb))
        return text_failed("the request is longer than a line may be");
    status = c.command->output == OUT_EVENTS   ? listen_for_ever(&c, request)
             : c.command->output == OUT_CHOOSE ? choose_vm(&c, request)
             : c.command->output == OUT_RULE   ? rule_for(&c)
                                               : converse(&c, request);
    cli_close();
    return status;
}
