/*
 * sock.h - sockets that are non-blocking and close-on-exec. Owns nothing: the caller closes each descriptor. Never
 * waits.
 */
#ifndef VHOTPLUG_SOCK_H
#define VHOTPLUG_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

int sock_listen_unix(const char *path, unsigned mode, int64_t uid,
                     int64_t gid); /* replaces a dead socket, refuses a live one; -1 with errno */
int sock_listen_tcp(const char *host, uint16_t port, bool v6only); /* numeric address */
int sock_listen_vsock(uint32_t port);
int sock_accept(int listener);           /* non-blocking client or -1 with errno */
int sock_connect_unix(const char *path); /* non-blocking; -1 with errno */
bool sock_peer_unix(int fd, uint32_t *uid, uint32_t *gid, int32_t *pid);
/* Supplementary groups: how many, at most `most`; -1 with errno, ERANGE if there are more. */
int sock_peer_groups(int fd, uint32_t *groups, int most);
bool sock_peer_vsock(int fd, uint32_t *cid, uint32_t *port);
bool sock_peer_tcp(int fd, uint8_t address[16], char *text,
                   size_t cap); /* numeric; v4 as its place in v6, shown as v4 */
ssize_t sock_send(int fd, const void *p, size_t n,
                  int pass_fd); /* MSG_NOSIGNAL; pass_fd -1: none; bytes, 0 for would-block, -1 with errno */
ssize_t sock_write(int fd, const void *p,
                   size_t n); /* likewise by write(), which is shorter; SIGPIPE must be ignored */
ssize_t sock_recv(int fd, void *p,
                  size_t n); /* bytes, 0 for would-block, -1 with errno; end of file is -1 with errno 0 */
/* One message of exactly n bytes, with the descriptor that came with it or -1. As sock_recv(), but a message of another
 * length is -1 with EMSGSIZE; no descriptor is left then. */
ssize_t sock_recv_fd(int fd, void *p, size_t n, int *passed);

#endif
