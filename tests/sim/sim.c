/*
 * sim.c - the core in a simulated world (world.c): millions of seeded random events with faults, invariants after every
 * step, and from time to time everything must come to rest.
 *
 * sim [-s SEED] [-n SEEDS] [-f FACTS] [-k EVENTS] [-q] [-g] [-p] [-v]: runs SEEDS seeds from SEED on, at least FACTS
 * facts each. A failure is shrunk: events are left out as long as it still fails for the same reason, and what remains
 * is printed with the command that replays it. -k 3,7-9 runs only these events; -v prints every fact and action.
 */
#include "base/str.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 4000000
#define SHRINK_SECONDS 120

static struct {
    uint64_t seed, facts;
    bool verbose, chosen, shrinking;
    uint64_t event;       /* the one under way */
    uint64_t last;        /* kept events lie below */
    unsigned char *keep;  /* a flag for each event */
    const char *expected; /* while shrinking: the reason that counts */
} run;

/* ---- one run ---- */

static _Noreturn void failed(const char *why);

static void run_events(void) {
    world_begin(run.seed, run.verbose, failed);
    for (run.event = 0; run.event < run.last; run.event++) {
        if (!run.chosen && world_counts()->facts >= run.facts)
            break;
        if (run.chosen && !run.keep[run.event])
            continue;
        if (run.verbose)
            printf("event %llu\n", (unsigned long long)run.event);
        world_event(run.event);
    }
    world_rest();
}

/* ---- shrinking ---- */

/* True if the run still fails for the same reason. In a child, because a failure ends the process. */
static bool still_fails(void) {
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        run_events();
        _exit(0);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 3;
}

static uint64_t count_kept(void) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < run.last; i++)
        n += run.keep[i];
    return n;
}

/* Tries to do without `size` kept events from the one at *at on; *at is then the next to try. */
static bool drop_chunk(uint64_t *at, uint64_t size) {
    static unsigned char before[EVENTS_MAX];
    uint64_t dropped = 0, i = *at;
    memcpy(before, run.keep, run.last);
    for (; i < run.last && dropped < size; i++) {
        dropped += run.keep[i];
        run.keep[i] = 0;
    }
    *at = i;
    if (dropped == 0)
        return false;
    if (still_fails())
        return true;
    memcpy(run.keep, before, run.last);
    return false;
}

static void shrink(void) {
    time_t end = time(NULL) + SHRINK_SECONDS;
    uint64_t size = count_kept() / 2;
    while (size > 0 && time(NULL) < end) {
        bool any = false;
        for (uint64_t at = 0; at < run.last && time(NULL) < end;)
            any = drop_chunk(&at, size) || any;
        if (size == 1 && !any)
            break;
        if (!any || size > 1)
            size = size > 1 ? size / 2 : 1;
    }
}

static void print_kept(void) {
    const char *comma = "";
    for (uint64_t i = 0; i < run.last; i++) {
        uint64_t first = i;
        if (!run.keep[i])
            continue;
        while (i + 1 < run.last && run.keep[i + 1])
            i++;
        fprintf(stderr, i > first ? "%s%llu-%llu" : "%s%llu", comma, (unsigned long long)first, (unsigned long long)i);
        comma = ",";
    }
    fprintf(stderr, "\n");
}

static _Noreturn void failed(const char *why) {
    if (run.shrinking)
        _exit(str_eq(why, run.expected) ? 3 : 4);
    fprintf(stderr, "seed %llu event %llu fact %llu: %s\n", (unsigned long long)run.seed, (unsigned long long)run.event,
            (unsigned long long)world_counts()->facts, why);
    world_print();
    if (run.chosen)
        exit(1);
    run.chosen = run.shrinking = true;
    run.expected = why;
    run.last = run.event < run.last ? run.event + 1 : run.last;
    memset(run.keep, 1, run.last);
    uint64_t all = count_kept();
    shrink();
    fprintf(stderr, "shrunk from %llu events to %llu; replay: sim -s %llu -v -k ", (unsigned long long)all,
            (unsigned long long)count_kept(), (unsigned long long)run.seed);
    print_kept();
    run.shrinking = false;
    run.verbose = true;
    run_events(); /* ends in here again, with every step printed */
    exit(1);
}

/* ---- options ---- */

/* "3,7-9" */
static bool parse_kept(const char *s) {
    run.chosen = true;
    while (*s != '\0') {
        char *end;
        unsigned long long first = strtoull(s, &end, 10), last = first;
        if (end == s)
            return false;
        if (*end == '-')
            last = strtoull(end + 1, &end, 10);
        if (last >= EVENTS_MAX || first > last || (*end != ',' && *end != '\0'))
            return false;
        memset(run.keep + first, 1, last - first + 1);
        run.last = last + 1;
        s = *end == ',' ? end + 1 : end;
    }
    return true;
}

static void add(struct world_counts *sum) {
    const uint64_t *from = (const uint64_t *)world_counts();
    uint64_t *to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += from[i];
}

/* A run in which something never happened proves less than it claims, so it fails. */
static bool met_everything(const struct world_counts *sum) {
    const uint64_t *n = (const uint64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *n; i++) {
        if (n[i] == 0)
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    uint64_t seed = 1, seeds = 20;
    static unsigned char keep[EVENTS_MAX];
    struct world_counts sum = {0};
    run.facts = 100000;
    run.keep = keep;
    run.last = EVENTS_MAX;
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "-v"))
            run.verbose = true;
        else if (str_eq(argv[i], "-q"))
            world_quarantine();
        else if (str_eq(argv[i], "-g"))
            world_guests();
        else if (str_eq(argv[i], "-p"))
            world_pci();
        else if (i + 1 < argc && str_eq(argv[i], "-s"))
            seed = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && str_eq(argv[i], "-n"))
            seeds = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && str_eq(argv[i], "-f"))
            run.facts = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && str_eq(argv[i], "-k") && parse_kept(argv[i + 1]))
            i++;
        else
            return fprintf(stderr, "usage: sim [-s SEED] [-n SEEDS] [-f FACTS] [-k EVENTS] [-q] [-g] [-p] [-v]\n"), 2;
    }
    if (run.chosen)
        seeds = 1;
    for (uint64_t s = seed; s < seed + seeds; s++) {
        run.seed = s;
        run_events();
        add(&sum);
    }
    printf(
        "# %llu facts, %llu attaches, %llu requests, %llu reloads, %llu restarts, %llu ends, %llu foreign devices, "
        "%llu leases, %llu flapping ports, %llu saves refused, %llu late, %llu requests waited for one, %llu tags "
        "kept away, %llu moves for guests, %llu "
        "devices only seen, %llu silent, %llu claims read, %llu lies, %llu state files lost, %llu starts closed, %llu "
        "losses acknowledged, %llu revocations, %llu that failed, %llu done late, %llu nodes opened without a driver, "
        "%llu devices kept unbound, "
        "%llu times buses renumbered, %llu times at rest\n",
        (unsigned long long)sum.facts, (unsigned long long)sum.attaches, (unsigned long long)sum.requests,
        (unsigned long long)sum.reloads, (unsigned long long)sum.restarts, (unsigned long long)sum.stops,
        (unsigned long long)sum.foreign, (unsigned long long)sum.leased, (unsigned long long)sum.flaps,
        (unsigned long long)sum.refused_saves, (unsigned long long)sum.late_saves, (unsigned long long)sum.waited,
        (unsigned long long)sum.tag_author, (unsigned long long)sum.guests, (unsigned long long)sum.seen,
        (unsigned long long)sum.silent, (unsigned long long)sum.looks, (unsigned long long)sum.lies,
        (unsigned long long)sum.lost, (unsigned long long)sum.closed, (unsigned long long)sum.acknowledged,
        (unsigned long long)sum.revoked, (unsigned long long)sum.not_revoked, (unsigned long long)sum.late_revoked,
        (unsigned long long)sum.loose, (unsigned long long)sum.kept_away, (unsigned long long)sum.renumbered,
        (unsigned long long)sum.rests);
    if (world_offers() > 0)
        printf("# with quarantine: %llu offers to the host\n", (unsigned long long)world_offers());
    if (world_let_go() > 0)
        printf("# guests let go of %llu devices, and of %llu they did not\n", (unsigned long long)world_let_go(),
               (unsigned long long)world_refused());
    const struct world_pci_counts *p = world_pci_counts();
    if (p->prepared > 0)
        printf("# PCI devices: %llu attached, %llu prepared, %llu in vain, %llu given back, guests let go of %llu, and "
               "of %llu they did not\n",
               (unsigned long long)p->attaches, (unsigned long long)p->prepared, (unsigned long long)p->failed,
               (unsigned long long)p->restored, (unsigned long long)p->let_go, (unsigned long long)p->refused);
    bool ok = run.chosen || met_everything(&sum);
    printf("%s 1 - core simulation: %llu seeds from %llu, no invariant broken\n1..1\n", ok ? "ok" : "not ok",
           (unsigned long long)seeds, (unsigned long long)seed);
    return ok ? 0 : 1;
}
