/*
 * doctor_daemon.h - of `vhotplug doctor`: how is the daemon that runs?
 */
#ifndef VHOTPLUG_DOCTOR_DAEMON_H
#define VHOTPLUG_DOCTOR_DAEMON_H

/* Asks the daemon at this API socket for `stats`, if one listens there, and says what is wrong with it. */
void doctor_daemon(const char *path);

#endif
