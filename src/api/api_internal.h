/*
 * api_internal.h - shared by the files of api/ only: fields of a request (api_field.c), members of a reply
 * (api_member.c). api_request.c reads requests; api.c writes lists and events, api_explain.c explanations, api_stats.c
 * figures.
 */
#ifndef VHOTPLUG_API_INTERNAL_H
#define VHOTPLUG_API_INTERNAL_H

#include "api/api.h"
#include "codec/json.h"

#ifndef VH_VERSION
#define VH_VERSION "unknown"
#endif

/* A request line while its fields are read. */
struct parse {
    const struct json *j;
    int object; /* token of the object whose fields are read; 0: the request itself */
    struct request *r;
    struct sbuf error; /* the first error; empty: none */
};

void parse_complain(struct parse *p, const char *field, int t, const char *expected);
int parse_field(const struct parse *p, const char *name); /* its token, or -1 if it is absent or null */
/* Each reads one field. False if it is absent, empty or wrong; if wrong, p->error says so. */
bool parse_text(struct parse *p, const char *name, char *dst, size_t cap, const char *expected);
bool parse_uint(struct parse *p, const char *name, uint64_t max, uint64_t *out, const char *expected);
bool parse_hex4(struct parse *p, const char *name, uint16_t *out);
void parse_described(struct parse *p);

/* ", \"name\": value" */
void member(struct sbuf *sb, const char *name);
void member_text(struct sbuf *sb, const char *name, const char *value);
void member_text_or_null(struct sbuf *sb, const char *name, const char *value); /* unknown is null, never "" */
void member_uint(struct sbuf *sb, const char *name, uint64_t value);
void member_time(struct sbuf *sb, const char *name, int64_t ms); /* seconds since 1970, 0 is null */
void member_bool(struct sbuf *sb, const char *name, bool value);
/* An object that is still open. */
void device_identity(struct sbuf *sb, const struct conf *c, const struct device *d, bool serial);
struct pci_device;
void pci_identity(struct sbuf *sb, const struct pci_device *d); /* likewise */
/* The same of what the core has; brief: its address alone. */
void pci_device_of(struct sbuf *sb, const struct device *d, bool brief);
/* A text of any length: cut between two characters if it is too long, and marked with "...". */
void json_cut(struct sbuf *sb, const char *s);
void reply_end(struct sbuf *sb, const char *id); /* the id, the brace, the newline */

#endif
