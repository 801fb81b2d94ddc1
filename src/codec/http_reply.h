/*
 * http_reply.h - the answer of an HTTP/1.1 server to one request, in a buffer that the caller reads into. Only what a
 * VMM's API sends: a body has a Content-Length, or there is none. Pure.
 */
#ifndef VHOTPLUG_HTTP_REPLY_H
#define VHOTPLUG_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

enum http_step {
    HTTP_MORE, /* the answer is not whole yet */
    HTTP_OK,   /* it is whole; reply->end bytes are its own */
    HTTP_BAD,  /* no such answer, or one beyond VH_HTTP_HEAD_MAX or VH_HTTP_BODY_MAX */
};

struct http_reply {
    int status;       /* 200 */
    const char *body; /* points into the buffer */
    size_t len;       /* of the body */
    size_t end;       /* where the next answer begins */
    bool closes;      /* the server closes the connection after it */
};

/* Looks at all len bytes from the begin of the answer. A call costs no more than the head, however long the body is,
 * so a server may send byte by byte. */
enum http_step http_reply_read(const char *buf, size_t len, struct http_reply *reply);

#endif
