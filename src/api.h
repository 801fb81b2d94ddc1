/*
 * api.h - the JSON API as text: request lines to struct request, state and changes to reply and event lines. Pure.
 */
#ifndef VHOTPLUG_API_H
#define VHOTPLUG_API_H

#include "core.h"
#include "model.h"
#include "str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a line (without newline). On failure `error` says what is wrong, and r->id is set if the line had a usable
 * one. */
bool api_parse(struct request *r, const char *line, size_t len, char *error, size_t cap);

void api_ok(struct sbuf *sb, const char *id);
void api_failed(struct sbuf *sb, const char *id, const char *error);
void api_version(struct sbuf *sb, const char *id);
/* usb_list, part by part: *cursor starts at 0. False after the last part. */
bool api_list_part(const struct core *c, const struct request *r, uint32_t *cursor, struct sbuf *sb);
/* Is this event for these ears? Then api_event words it for them: serials, holders and reasons only for who sees all.
 */
bool api_event_concerns(const struct core *c, const struct principal *who, enum event_kind kind, int slot, int vm);
void api_event(struct sbuf *sb, const struct core *c, const struct principal *who, enum event_kind kind, int slot,
               int vm);
void api_device(struct sbuf *sb, const struct core *c, const struct principal *who, int slot, bool in_list);
const char *api_request_name(enum request_kind kind);
const char *api_event_name(enum event_kind kind);

#endif
