/*
 * sock.h - sockets that are non-blocking and close-on-exec. Owns nothing: the caller closes each descriptor. Waits
 * where that is said, and nowhere else.
 */
#ifndef VHOTPLUG_SOCK_H
#define VHOTPLUG_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Listening sockets, or -1 with errno. For a unix socket, the file of a dead socket is replaced and a live socket is
 * refused; uid and gid -1 leave the owner as it is. */
int sock_listen_unix(const char *path, unsigned mode, int64_t uid, int64_t gid);
int sock_listen_tcp(const char *host, uint16_t port, bool v6only); /* host: a numeric address or "localhost" */
int sock_listen_vsock(uint32_t port);
int sock_accept(int listener);              /* -1 with errno */
int sock_connect_unix(const char *path);    /* -1 with errno; EPROTOTYPE: the listener is of another type */
int sock_connect_packets(const char *path); /* the same, SOCK_SEQPACKET */
/* A datagram socket; a name that begins with "@" is an abstract one. -1 with errno. */
int sock_connect_datagram(const char *name);

bool sock_peer_unix(int fd, uint32_t *uid, uint32_t *gid, int32_t *pid);
/* The number of supplementary groups, at most `most`; -1 with errno, ERANGE if there are more. */
int sock_peer_groups(int fd, uint32_t *groups, int most);
bool sock_peer_vsock(int fd, uint32_t *cid, uint32_t *port);
/* The numeric address. IPv4 is mapped into IPv6 in `address` and stays IPv4 in `text`. */
bool sock_peer_tcp(int fd, uint8_t address[16], char *text, size_t cap);

/* Below: bytes, 0 if the call would block, -1 with errno. But for the last two none waits, whatever the flags of the
 * open socket: whoever passed it may change those. */
ssize_t sock_send(int fd, const void *p, size_t n, int pass_fd); /* without SIGPIPE; pass_fd -1: no descriptor */
ssize_t sock_recv(int fd, void *p, size_t n);                    /* the end of the stream is -1 with errno 0 */
#define SOCK_MAX_FDS 2
/* One message with nfds descriptors, at most SOCK_MAX_FDS. Sending: those that are -1 are left out. Receiving: fds[]
 * are those that came, then -1; a message that is longer than n, or that brings more, is -1 with EMSGSIZE, and none is
 * left. */
ssize_t sock_send_fds(int fd, const void *p, size_t n, const int fds[], int nfds);
ssize_t sock_recv_fds(int fd, void *p, size_t n, int fds[], int nfds);
/* Whether the other end of a socket of messages is closed and no message is left. */
bool sock_ended(int fd);
/* As sock_recv_fds(), for a worker, that waits for its next order. */
ssize_t sock_wait_fds(int fd, void *p, size_t n, int fds[], int nfds);
ssize_t sock_write(int fd, const void *p, size_t n); /* by write(): SIGPIPE must be ignored */

#endif
