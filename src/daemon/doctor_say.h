/*
 * doctor_say.h - what `vhotplug doctor` has found: a line each on standard output, and the verdict.
 */
#ifndef VHOTPLUG_DOCTOR_SAY_H
#define VHOTPLUG_DOCTOR_SAY_H

enum level { FINE, NOTE, PROBLEM };

void doctor_say(enum level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int doctor_verdict(void); /* said, too: 1 if there was a problem, else 0 */

#endif
