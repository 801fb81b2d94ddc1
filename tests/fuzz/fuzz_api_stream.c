/*
 * fuzz_api_stream.c - a client's bytes in pieces, on their way through linebuf and api_parse into a core and back as
 * lines, while devices and VMs come and go: each line is answered once, and every line of output is one line
 * of JSON.
 *
 * Input: the size of the pieces, 64 bytes that choose what happens between lines, then the stream.
 */
#include "api/api.h"
#include "api/api_history.h"
#include "api/audit.h"
#include "codec/json.h"
#include "codec/linebuf.h"
#include "corehost.h"

enum { CHOICES = 64, CLIENT = 0 };

static struct request request;
static unsigned lines, answers;
static bool echoes; /* the client itself says what it may not be told */
static bool asking; /* its line is under way: other requests of its place are the host's, with other principals */

static struct principal who;

static void check_line(const struct sbuf *sb) {
    static jsmntok_t tok[VH_QMP_TOKENS];
    struct json j;
    struct json_error err;
    MUST(sb_ok(sb) && sb->len > 0 && memchr(sb->p, '\n', sb->len) == sb->p + sb->len - 1);
    MUST(json_parse(&j, sb->p, sb->len, tok, VH_QMP_TOKENS, &err));
    MUST(echoes || access_sees_all(&who) || strstr(sb->p, HOST_SERIAL) == NULL);
}

static struct history history;

static bool part(uint64_t *cursor, const struct explained *e, struct sbuf *sb) {
    static const struct figures figures = {
        .uptime_ms = 5, .connected = 1, .reload_error = "", .quarantine_why = "", .quarantine_hubs = 1};
    if (request.kind == REQ_EXPLAIN)
        return api_explain_part(&core, &request, e, cursor, sb);
    if (request.kind == REQ_STATS)
        return api_stats_part(&core, &request, &figures, cursor, sb);
    if (request.kind == REQ_RULES)
        return api_rules_part(&core, &request, cursor, sb);
    if (request.kind == REQ_HISTORY)
        return api_history_part(&history, &core, &request, cursor, sb);
    return api_list_part(&core, &request, cursor, sb);
}

static void parts(int slot) {
    static char text[VH_REPLY_MAX * 4];
    static struct explained explained;
    struct sbuf whole;
    uint64_t cursor = 0;
    bool more = true;
    if (request.kind == REQ_EXPLAIN)
        api_explained(&explained, &core, &request, slot);
    sb_init(&whole, text, sizeof text);
    for (int n = 0; more; n++) {
        static char piece_text[VH_REPLY_MAX];
        struct sbuf sb;
        MUST(n < 4096);
        sb_init(&sb, piece_text, sizeof piece_text);
        more = part(&cursor, &explained, &sb);
        MUST(sb_ok(&sb));
        sb_str(&whole, piece_text);
    }
    if (sb_ok(&whole))
        check_line(&whole);
}

static void event(const struct action *a, struct sbuf *sb) {
    if (a->client.gen == 0)
        history_add(&history, &core, a, host.now / VH_NSEC_PER_MSEC);
    if (!api_event_concerns(&core, &who, a->event, a->slot, a->vm))
        return;
    api_event(sb, &core, &who, a->event, a->slot, a->vm);
    check_line(sb);
}

static void reloads(const struct conf *fresh, vm_set changed) {
    history_reload(&history, conf, fresh, changed);
}

static void audit(const struct action *a, struct sbuf *sb) {
    const struct audit *d = &out.audits[a->audit];
    const struct audit_entry e = {.who = &d->asked.who,
                                  .action = api_request_name(&d->asked),
                                  .outcome = audit_outcome_name(d->outcome),
                                  .reason = d->outcome == AUDIT_OK ? NULL : out.texts[a->text],
                                  .a = d};
    char line[VH_AUDIT_MAX];
    struct sbuf log;
    sb_init(&log, line, sizeof line);
    audit_line(&log, &core, &e);
    MUST(strpbrk(line, "\n\r") == NULL);
    audit_event(sb, &core, &e);
    if (who.role == ROLE_ADMIN)
        check_line(sb);
}

static void answer(const struct action *a, struct sbuf *sb) {
    answers++;
    if (a->kind == ACT_REPLY_PARTS) {
        parts(a->slot);
        return;
    }
    if (a->kind == ACT_REPLY_VERSION)
        api_version(sb, request.id);
    else if (a->ok || a->kind == ACT_SERVE)
        api_ok(sb, request.id);
    else
        api_failed(sb, request.id, out.texts[a->text]);
    check_line(sb);
}

static void acted(const struct action *a) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    bool reply =
        a->kind == ACT_REPLY || a->kind == ACT_REPLY_PARTS || a->kind == ACT_REPLY_VERSION || a->kind == ACT_SERVE;
    sb_init(&sb, text, sizeof text);
    if (a->kind == ACT_EVENT)
        event(a, &sb);
    else if (a->kind == ACT_AUDIT)
        audit(a, &sb);
    else if (reply && asking && a->client.gen != 0 && a->client.index == CLIENT)
        answer(a, &sb);
}

/* The client's lines are taken one at a time, as the server does: whatever the core waits for ends first, at the latest
 * with time. */
static void end_request(void) {
    struct fact time = {.kind = FACT_TIME};
    for (int i = 0; i < 64 && host.asked[CLIENT]; i++) {
        for (int v = 0; v < conf->nvms; v++) {
            struct op_result r = {.serial = core.vm[v].op_serial, .vm = v, .status = OP_OK};
            struct fact f = {.kind = FACT_OP_DONE, .op = &r};
            if (core.vm[v].op != OP_NONE)
                host_step(&f);
        }
        host_orders_end();
        host_vm(FACT_VM_DOWN, (unsigned)i % conf->nvms);
        if (host.saving)
            host_saved();
        if (core_deadline(&core) != VH_NEVER && core_deadline(&core) > host.now)
            host.now = core_deadline(&core);
        host_step(&time);
    }
    MUST(!host.asked[CLIENT]);
}

static void line_came(const char *line, size_t len) {
    static char text[VH_REPLY_MAX];
    char error[VH_ERROR_MAX] = "", *copy = malloc(len + 1);
    const char *why = error;
    struct sbuf sb;
    lines++;
    memcpy(copy, line, len);
    if (api_parse(&request, copy, len, error, sizeof error) && access_may(&who, request.kind, &why)) {
        request.who = who;
        MUST(host_client(&request, CLIENT));
        struct fact f = {.kind = FACT_REQUEST, .request = &request};
        asking = true;
        host_step(&f);
        end_request();
        asking = false;
    } else {
        MUST(why[0] != '\0');
        sb_init(&sb, text, sizeof text);
        api_failed(&sb, request.id, why);
        check_line(&sb);
        answers++;
    }
    free(copy);
}

static void taken(struct linebuf *lb) {
    enum line_result r;
    char *line = NULL;
    size_t len = 0;
    while ((r = linebuf_next(lb, &line, &len)) != LINE_NONE) {
        if (r == LINE_OK)
            line_came(line, len);
        if (host.in->left > 0) /* at its end all facts are one and the same */
            host_fact();
        end_request();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static char buf[VH_LINE_MAX];
    struct linebuf lb;
    if (size < 1 + CHOICES)
        return 0;
    struct bytes choices = {data + 1, CHOICES};
    size_t step = data[0] + 1u;
    lines = answers = 0;
    echoes = memmem(data, size, HOST_SERIAL, sizeof HOST_SERIAL - 1) != NULL;
    host.acted = acted;
    host.reloads = reloads;
    memset(&history, 0, sizeof history);
    host_begin(&choices);
    who = host_principal(take(&choices));
    for (int i = 0; i < 8 && choices.left > 0; i++)
        host_fact();
    end_request();
    answers = 0;
    linebuf_init(&lb, buf, sizeof buf);
    for (size_t at = 1 + CHOICES; at < size;) {
        size_t room = 0;
        char *space = linebuf_space(&lb, &room);
        size_t n = step < room ? step : room;
        n = n < size - at ? n : size - at;
        MUST(n > 0);
        memcpy(space, data + at, n);
        linebuf_added(&lb, n);
        at += n;
        taken(&lb);
    }
    MUST(answers >= lines);
    return 0;
}
