/*
 * cli.c - the client: a command line becomes one request, the response becomes text and an exit status.
 *
 * Scripts rely on the exit status: 0 ok (an empty list too), 1 failed with the reason on stderr, 2 usage; an empty list
 * is an empty standard output. Decides nothing: names of devices and VMs go to the daemon as they were typed.
 */
#include "cli/cli.h"

#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_call.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"
#include "cli/cli_wire.h"
#include "codec/json.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

enum { TOKENS_MAX = 1 << 18 }; /* enough to explain every entry of the largest configuration */

/* On a terminal for people, elsewhere for scripts. */
static void show_devices(const struct call *c, const struct json *j) {
    const char *vm = c->value[F_VM];
    bool tree = (c->given & BIT(F_TREE)) != 0;
    if (!tree && ((c->given & (BIT(F_PLAIN) | BIT(F_SHORT))) != 0 || !term_is(stdout)))
        show_list(j, vm, c->given & BIT(F_SHORT));
    else if (!(tree ? show_tree(j, vm) : show_table(j, vm)) && term_is(stdout) && term_is(stderr))
        fputs("no devices\n", stderr);
}

static void show(const struct call *c, const struct json *j) {
    switch (c->command->output) {
    case OUT_LIST:
        show_devices(c, j);
        break;
    case OUT_PCI:
        show_pci(j, c->given & BIT(F_SHORT));
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
    case OUT_NOTHING:
    case OUT_ARGS: /* shown by show_reply(), because it may fail */
    case OUT_EVENTS:
        break;
    }
}

static int show_reply(const struct call *c, const char *line, size_t len) {
    struct json j;
    struct json_error err;
    char text[VH_ERROR_MAX + 64] = "the daemon's answer is not understood";
    size_t size = sizeof(jsmntok_t) * (size_t)TOKENS_MAX;
    jsmntok_t *tok = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tok == MAP_FAILED)
        return text_failed("no memory");
    if (!json_parse(&j, line, len, tok, TOKENS_MAX, &err))
        return text_failed(text);
    bool ok = json_string_is(&j, json_get(&j, 0, "result"), "ok");
    if (c->json)
        printf("%s\n", line);
    if (!ok) {
        char error[VH_ERROR_MAX];
        if (json_string(&j, json_get(&j, 0, "error"), error, sizeof error))
            (void)str_copy(text, sizeof text, error);
        return text_failed(text);
    }
    if (c->command->output == OUT_STATUS && (c->given & BIT(F_TAG)) != 0)
        return show_tag(&j, c->value[F_TAG], c->json);
    if (c->command->output == OUT_LIST && (c->given & BIT(F_TAG)) != 0 && !show_tag_known(&j, c->value[F_TAG]))
        return CLI_FAILED;
    if (!c->json && c->command->output == OUT_ARGS && !show_words(&j))
        return text_failed("an argument is empty or holds white space: who reads these would take it for several");
    if (!c->json)
        show(c, &j);
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

static int ask(const struct call *c, const char *request, size_t n) {
    char why[VH_ERROR_MAX];
    const char *line = NULL;
    size_t len = 0;
    if (c->debug)
        fprintf(stderr, "> %s", request);
    if (!reach(c, why, sizeof why) || !cli_send(request, n, why, sizeof why) ||
        !cli_receive(&line, &len, CLI_REPLY_MS, why, sizeof why)) {
        int status = text_failed(why);
        return c->command->output == OUT_STATUS ? CLI_UNREACHABLE : status;
    }
    if (c->debug)
        fprintf(stderr, "< %s\n", line);
    return show_reply(c, line, len);
}

int cli_main(int argc, char **argv) {
    struct call c = {.timeout = 30};
    char request[VH_LINE_MAX];
    struct sbuf sb;
    int status = args_read(&c, argc, argv);
    if (status >= 0)
        return status;
    sb_init(&sb, request, sizeof request);
    request_build(&c, &sb);
    if (!sb_ok(&sb))
        return text_failed("the request is longer than a line may be");
    status = c.command->output == OUT_EVENTS ? listen_for_ever(&c, request, sb.len) : ask(&c, request, sb.len);
    cli_close();
    return status;
}
