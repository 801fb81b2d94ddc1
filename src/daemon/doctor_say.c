/*
 * doctor_say.c - the form of what `vhotplug doctor` says. Owns the count of problems; looks at nothing itself.
 */
#include "daemon/doctor_say.h"

#include <stdarg.h>
#include <stdio.h>

static int problems;

void doctor_say(enum level level, const char *fmt, ...) {
    static const char words[][10] = {"ok       ", "note     ", "problem  "};
    va_list ap;
    problems += level == PROBLEM;
    fputs(words[level], stdout);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

int doctor_verdict(void) {
    if (problems > 0)
        printf("%d problem%s\n", problems, problems > 1 ? "s" : "");
    else
        puts("nothing stands in the way");
    return problems > 0;
}
