/*
 * cli_wire.h - the client's side of the API socket: where the daemon is, one line out, one line in. Blocking, with
 * deadlines.
 */
#ifndef VHOTPLUG_CLI_WIRE_H
#define VHOTPLUG_CLI_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLI_REPLY_MS = 60000 }; /* wait for an answer: the daemon answers within half of that */

enum cli_transport { CLI_DEFAULT, CLI_UNIX, CLI_TCP, CLI_VSOCK };

struct cli_target {
    enum cli_transport transport; /* CLI_DEFAULT: the unix socket if it answers, else VSOCK in a guest */
    const char *path;             /* NULL: the default */
    const char *host;             /* numeric address or "localhost"; NULL: 127.0.0.1 */
    uint32_t port;                /* 0: 2000; of TCP at most 65535. With CLI_DEFAULT a guest goes to VSOCK at once */
    uint32_t cid;                 /* 0: the host, 2 */
};

/* False with `why` filled: what was tried, why that failed, what else there is. Then nothing is open. */
bool cli_connect(const struct cli_target *t, char *why, size_t cap);
bool cli_send(const char *line, size_t len, char *why, size_t cap); /* len bytes, newline included */
/* The next line without its newline, valid until the next call. timeout_ms < 0: for ever. errno is ETIMEDOUT if none
 * came in time. */
bool cli_receive(const char **line, size_t *len, int timeout_ms, char *why, size_t cap);
/* Waits until the daemon has sent something (true) or this descriptor can be read; a signal ends that, too. */
bool cli_wait(int fd);
void cli_close(void);

#endif
