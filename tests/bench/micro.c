/*
 * micro.c - pure code by itself: JSON, patterns, steps of the core, and the scan of sysfs against the bare calls.
 * Prints "name value" lines: nanoseconds, or ratios of two times taken in turns.
 *
 * usage: micro QUICK ROOT      QUICK 1: a tenth of the rounds; ROOT: a made-up host, its devices are scanned
 */
/* jsmn's functions, built as json.c builds them; before json.h, which asks for declarations alone. */
/* clang-format off */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#include <jsmn.h>
#include "codec/json.h"
/* clang-format on */

#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/bus_usb.h"
#include "codec/regex.h"
#include "config/conf.h"
#include "core/core.h"
#include "kept.h"
#include "os/clock.h"
#include "os/sysfs.h"
#include "tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/wait.h>

static int tenths = 10; /* of the full number of rounds */

static volatile unsigned long sink; /* what is worked out is used */

static int rounds_of(int full) {
    int n = full * tenths / 10;
    return n > 0 ? n : 1;
}

/* ---- medians ---- */

#define SAMPLES 15

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n) {
    qsort(v, (size_t)n, sizeof *v, by_size);
    return v[n / 2];
}

typedef void work_fn(void);

/* Nanoseconds of one call. */
static double once(work_fn *work, int rounds) {
    int64_t begun = now_ns();
    for (int i = 0; i < rounds; i++)
        work();
    return (double)(now_ns() - begun) / rounds;
}

/* One and the other in turns. */
static void compare(work_fn *a, work_fn *b, int rounds, double *ma, double *mb) {
    double va[SAMPLES], vb[SAMPLES];
    for (int i = 0; i < SAMPLES; i++) {
        va[i] = once(a, rounds);
        vb[i] = once(b, rounds);
    }
    *ma = median(va, SAMPLES);
    *mb = median(vb, SAMPLES);
}

/* ---- JSON ---- */

static char json_text[65536], json_copy[65536];
static size_t json_len;
static jsmntok_t tokens[8192];

static void do_copy(void) {
    memcpy(json_copy, json_text, json_len);
    __asm__ volatile("" : : "r"(json_copy) : "memory");
}

static void do_jsmn(void) {
    jsmn_parser p;
    jsmn_init(&p);
    sink += (unsigned long)jsmn_parse(&p, json_text, json_len, tokens, sizeof tokens / sizeof *tokens);
}

static void do_json(void) {
    struct json j;
    struct json_error e;
    if (!json_parse(&j, json_text, json_len, tokens, (int)(sizeof tokens / sizeof *tokens), &e))
        die(e.why);
    static const char *const keys[] = {"action", "id", "device_node", "bus", "port", "vid", "pid", "tag", "vm"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        sink += (unsigned long)json_get(&j, 0, keys[i]);
}

static void json_case(const char *name, int rounds) {
    double copy, ours, bare;
    compare(do_copy, do_json, rounds_of(rounds), &copy, &ours);
    compare(do_jsmn, do_json, rounds_of(rounds), &bare, &ours);
    printf("json_%s_bytes %zu\n", name, json_len);
    printf("json_%s_memcpy %.4f\njson_%s_jsmn %.4f\njson_%s_ours %.4f\n", name, copy / (double)json_len, name,
           bare / (double)json_len, name, ours / (double)json_len);
}

static void json_cases(void) {
    struct sbuf sb;
    json_len = (size_t)snprintf(
        json_text, sizeof json_text,
        "{\"action\": \"usb_attach\", \"device_node\": \"/dev/bus/usb/003/078\", \"vm\": \"desktop\", \"id\": 17}");
    json_case("request", 20000);
    sb_init(&sb, json_text, sizeof json_text);
    sb_str(&sb, "{\"return\": [");
    for (int i = 0; i < 500; i++)
        sb_fmt(&sb, "%s{\"name\": \"property-%d\", \"type\": \"uint32\", \"description\": \"what it is\"}",
               i > 0 ? ", " : "", i);
    sb_str(&sb, "], \"id\": \"1.5\"}");
    json_len = sb.len;
    json_case("answer", 60);
}

/* ---- patterns ---- */

static struct regex_pool pool;
static struct regex patterns[64];
static const char *const names[] = {"Logitech, Inc.", "SanDisk Corp.", "C920 HD Pro Webcam",
                                    "Ultra Fit",      "Intel Corp.",   "Bluetooth 9460/9560 Jefferson Peak (JfP)",
                                    "Keyboard K120",  "Unknown vendor"};

static void do_patterns(void) {
    for (int i = 0; i < 64; i++) {
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            sink += regex_match(&pool, &patterns[i], names[k], strlen(names[k]));
    }
}

static struct regex hard;
static size_t hard_len;
static char hard_text[8192];

static void do_hard(void) {
    sink += regex_match(&pool, &hard, hard_text, hard_len);
}

static void do_hard_twice(void) {
    sink += regex_match(&pool, &hard, hard_text + sizeof hard_text / 2 - hard_len, 2 * hard_len);
}

static void compile(struct regex *re, const char *pattern) {
    struct regex_error e;
    if (!regex_compile(&pool, re, pattern, strlen(pattern), &e))
        die(e.why);
}

static void regex_cases(void) {
    static const char *const forms[] = {".*logitech.*",   "(sandisk|kingston)\\b.*",   ".*webcam.*",
                                        "[a-z ]+\\d",     "^Intel.*(AX2|Bluetooth).*", "\\w+\\s(inc|corp)\\.?",
                                        ".*keyboard k.*", "(?:ultra|flash){1,3}.*"};
    static const char *const classics[] = {"(a+)+$",       "(a|a)*$",    "(a|aa)+$", "(a*)*$", "(.*)(.*)(.*)(.*)x$",
                                           "([a-z]+)*\\d", "(a|b|ab)*c", "(x+x+)+y"};
    double growth = 0, one, two;
    regex_pool_reset(&pool);
    for (int i = 0; i < 64; i++) {
        char pattern[64];
        (void)snprintf(pattern, sizeof pattern, "%s%d?", forms[i % 8], i);
        compile(&patterns[i], pattern);
    }
    compare(do_patterns, do_patterns, rounds_of(20), &one, &two);
    printf("regex_64_patterns %.1f\n", one / (64 * sizeof names / sizeof *names));
    hard_len = sizeof hard_text / 4;
    for (size_t i = 0; i < sizeof classics / sizeof *classics; i++) {
        compile(&hard, classics[i]);
        memset(hard_text, classics[i][1] == 'x' ? 'x' : 'a', sizeof hard_text);
        hard_text[sizeof hard_text / 4 - 1] = hard_text[sizeof hard_text - 1] = '!';
        compare(do_hard, do_hard_twice, rounds_of(4), &one, &two);
        printf("regex_classic_%zu %.4f\n", i, two / one);
        growth = two / one > growth ? two / one : growth;
    }
    printf("regex_growth %.4f\n", growth);
}

/* ---- the core ---- */

static struct conf conf;
static struct core core;
static struct actions out;
static int64_t now;
static struct device devices[VH_MAX_DEVICES];

static void no_diag(const struct diag *d, void *arg) {
    (void)arg;
    if (d->level == DIAG_ERROR)
        printf("%u:%u: %s: %s\n", d->line, d->column, d->path, d->text);
}

/* The last rules, one for each VM, are those that apply. */
static void configure(int vms, int rules) {
    static char text[VH_CONF_MAX];
    struct sbuf sb;
    int real = rules < vms ? rules : vms;
    sb_init(&sb, text, sizeof text);
    sb_str(&sb, "{\"vms\": [");
    for (int v = 0; v < vms; v++)
        sb_fmt(&sb, "%s{\"name\": \"vm%d\", \"type\": \"qemu\", \"socket\": \"/run/%d\"}", v > 0 ? ", " : "", v, v);
    sb_str(&sb, "], \"usbPassthrough\": [");
    for (int r = 0; r < rules; r++) {
        int v = r - (rules - real);
        sb_fmt(&sb, "%s{\"targetVm\": \"vm%d\", \"allow\": [", r > 0 ? ", " : "", v >= 0 ? v : 0);
        if (v >= 0)
            sb_fmt(&sb, "{\"interfaceClass\": 3, \"interfaceProtocol\": %d}", v);
        else if (r % 16 == 0)
            sb_fmt(&sb, "{\"productName\": \".*model %d\"}", r);
        else
            sb_fmt(&sb, "{\"vendorId\": \"%04x\", \"productId\": \"%04x\"}", 0x4000 + r, r);
        sb_str(&sb, "]}");
    }
    sb_str(&sb, "]}");
    if (!sb_ok(&sb) || !conf_parse(&conf, text, sb.len, no_diag, NULL))
        die("the configuration");
}

static void step(const struct fact *f);

/* Whatever was begun goes well at once. */
static void answer_all(void) {
    struct op_result results[VH_MAX_VMS];
    int n = 0;
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_OP)
            results[n++] = (struct op_result){.serial = out.a[i].op.serial, .vm = out.a[i].vm, .status = OP_OK};
    }
    for (int i = 0; i < n; i++) {
        struct fact f = {.kind = FACT_OP_DONE, .op = &results[i]};
        step(&f);
    }
}

static int64_t stepping; /* time in core_step(), and how often */
static uint64_t steps;

static void step(const struct fact *f) {
    int64_t begun = now_ns();
    core_step(&core, f, now, &out);
    stepping += now_ns() - begun;
    steps++;
    answer_all();
}

static void populate(int ndevices, int vms, int rules) {
    configure(vms, rules);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, false);
    now = 0;
    for (int v = 0; v < vms; v++) {
        struct fact f = {.kind = FACT_VM_SOCKET, .vm = v};
        step(&f);
    }
    for (int i = 0; i < ndevices; i++) {
        struct device *d = &devices[i];
        device_clear(d);
        d->incarnation = (uint64_t)i + 1;
        d->usb.busnum = (uint8_t)(1 + i / 100);
        d->usb.devnum = (uint8_t)(1 + i % 100);
        (void)snprintf(d->usb.port_path, sizeof d->usb.port_path, "%d", 1 + i % 100);
        (void)snprintf(d->sys_name, sizeof d->sys_name, "%d-%s", d->usb.busnum, d->usb.port_path);
        (void)snprintf(d->node, sizeof d->node, "/dev/bus/usb/%03u/%03u", d->usb.busnum, d->usb.devnum);
        d->vendor_name = "Some vendor";
        d->product_name = "Some product";
        d->settled = true;
        d->usb.nifaces = 1;
        d->usb.ifaces[0] = (struct usb_iface){.cls = 3, .proto = (uint8_t)(i % (rules < vms ? rules : vms))};
        struct fact f = {.kind = FACT_DEVICE, .device = d};
        step(&f);
    }
}

enum mix { MIX_TIME, MIX_LOOK, MIX_PLUG };

static double core_mix(enum mix mix, int ndevices, int rounds) {
    double v[SAMPLES];
    for (int s = 0; s < SAMPLES; s++) {
        stepping = 0;
        steps = 0;
        for (int i = 0; i < rounds; i++) {
            struct device *d = &devices[(s * rounds + i) % ndevices];
            struct fact f = {.kind = FACT_TIME, .device = d, .sys_name = d->sys_name};
            now += (int64_t)10000 * VH_NSEC_PER_MSEC; /* no port flaps, nothing waits */
            if (mix == MIX_PLUG) {
                f.kind = FACT_GONE;
                step(&f);
                d->incarnation += 1000;
            }
            if (mix != MIX_TIME)
                f.kind = FACT_DEVICE;
            step(&f);
        }
        v[s] = (double)stepping / (double)steps;
    }
    return median(v, SAMPLES);
}

static void core_case(const char *what, int ndevices, int vms, int rules) {
    int rounds = rounds_of(400);
    populate(ndevices, vms, rules);
    printf("core_%s_%d_%d_%d_time %.1f\n", what, ndevices, vms, rules, core_mix(MIX_TIME, ndevices, rounds));
    printf("core_%s_%d_%d_%d_look %.1f\n", what, ndevices, vms, rules, core_mix(MIX_LOOK, ndevices, rounds));
    printf("core_%s_%d_%d_%d_plug %.1f\n", what, ndevices, vms, rules, core_mix(MIX_PLUG, ndevices, rounds));
}

static void core_cases(void) {
    core_case("full", 256, 64, 512);
    for (int n = 1; n <= 256; n *= 4)
        core_case("devices", n, 8, 8);
    for (int n = 2; n <= 512; n *= 4)
        core_case("rules", 32, 1, n);
    for (int n = 1; n <= 64; n *= 4)
        core_case("vms", 64, n, 64);
}

/* ---- the scan ---- */

static const char *root;
static int found;

static const struct device *reported(const char *name) {
    return kept_device(name);
}

static void count_and_keep(const struct fact *f) {
    found += f->kind == FACT_DEVICE;
    kept_fact(f);
}

static bool start_bus(void) {
    static const struct bus_calls calls = {.fact = count_and_keep, .reported = reported};
    return kept_start(&calls, bus_usb_done);
}

static void do_scan(void) {
    bus_usb.scan(true);
    device_pool_tick(clock_now());
}

static void read_attribute(int dir, const char *name) {
    char buf[4096];
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    sink += (unsigned long)read(fd, buf, sizeof buf);
    (void)close(fd);
}

/* What must be read of a device whose names are in no table. */
static void do_bare_scan(void) {
    static const char *const attributes[] = {"busnum",      "devnum",       "devpath", "speed", "removable",
                                             "descriptors", "manufacturer", "product", "serial"};
    char path[512];
    (void)snprintf(path, sizeof path, "%s/sys/bus/usb/devices", root);
    DIR *all = opendir(path);
    if (all == NULL)
        die(path);
    for (const struct dirent *e; (e = readdir(all)) != NULL;) {
        int dir = e->d_name[0] == '.' ? -1 : openat(dirfd(all), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0)
            continue;
        for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
            read_attribute(dir, attributes[i]);
        (void)close(dir);
    }
    (void)closedir(all);
}

/* Nanoseconds of the first time in a process that has never scanned: nothing is known from before. */
static double first_time(work_fn *work) {
    int ends[2];
    int64_t took = 0;
    if (pipe(ends) != 0)
        die("pipe");
    pid_t child = fork();
    if (child == 0) {
        int64_t begun = now_ns();
        work();
        took = now_ns() - begun;
        _exit(write(ends[1], &took, sizeof took) == (ssize_t)sizeof took ? 0 : 1);
    }
    if (child < 0 || read(ends[0], &took, sizeof took) != (ssize_t)sizeof took || waitpid(child, NULL, 0) != child)
        die("the scan");
    (void)close(ends[0]);
    (void)close(ends[1]);
    return (double)took;
}

static void scan_case(void) {
    double bare[SAMPLES], ours[SAMPLES], again, bare_again;
    if (!sysfs_root(root) || !start_bus())
        die(root);
    for (int i = 0; i < SAMPLES; i++) {
        bare[i] = first_time(do_bare_scan);
        ours[i] = first_time(do_scan);
    }
    printf("scan_bare %.0f\nscan_ours %.0f\n", median(bare, SAMPLES), median(ours, SAMPLES));
    do_scan();
    printf("scan_devices %d\n", found);
    compare(do_bare_scan, do_scan, rounds_of(10), &bare_again, &again);
    printf("scan_bare_again %.0f\nscan_ours_again %.0f\n", bare_again, again);
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    tenths = argv[1][0] == '1' ? 1 : 10;
    root = argv[2];
    json_cases();
    regex_cases();
    core_cases();
    scan_case();
    return 0;
}
