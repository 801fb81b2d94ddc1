/*
 * web_line.h - does a line come from a program of the web, which takes our port for a web server? A page can make a
 * browser send lines of the page's choice to any port, but only below lines of the browser's own. Pure.
 */
#ifndef VHOTPLUG_WEB_LINE_H
#define VHOTPLUG_WEB_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* An HTTP request line ("POST / HTTP/1.1"), a header ("Host: example"), or the begin of TLS. Never a line of the API:
 * that one begins with '{' or space. */
bool web_line(const char *line, size_t len);

#endif
