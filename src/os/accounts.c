/*
 * accounts.c - looks for one name or number in /etc/passwd or /etc/group and reads the file in pieces. Owns nothing.
 *
 * The C library's functions ask a name service first. They also allocate memory for whole lines, and the line of a
 * group can be long. This file reads the name and the number only: lines of passwd(5) and group(5) begin alike,
 * "name:password:number:".
 */
#include "os/accounts.h"

#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { NAME, PASSWORD, NUMBER };

struct place {
    const char *name; /* unmatched rest of the name; NULL once the line differs */
    int field;
    int64_t id; /* -1: no digit yet, or no number */
};

static void digit(int64_t *id, char c) {
    if (c < '0' || c > '9' || *id == INT64_MIN) {
        *id = INT64_MIN;
        return;
    }
    *id = (*id < 0 ? 0 : *id * 10) + (c - '0');
    if (*id > UINT32_MAX)
        *id = INT64_MIN;
}

/* True if the line matches so far: its name is the one, and its number is complete. */
static bool take(struct place *p, char c) {
    bool found = false;
    if (c == ':') {
        if (p->field == NAME && p->name != NULL && *p->name != '\0')
            p->name = NULL;
        found = p->field == NUMBER && p->name != NULL && p->id >= 0;
        p->field++;
    } else if (p->field == NAME && p->name != NULL) {
        p->name = *p->name == c ? p->name + 1 : NULL;
    } else if (p->field == NUMBER) {
        digit(&p->id, c);
    }
    return found;
}

bool accounts_id(const char *file, const char *name, int64_t *id) {
    char piece[512];
    uint64_t number = 0;
    struct place p = {name, NAME, -1};
    ssize_t n = 0;
    bool found = str_uint(name, strlen(name), UINT32_MAX, &number);
    *id = (int64_t)number;
    int fd = found || name[0] == '\0' ? -1 : openat(AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return found;
    while (!found && ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))) {
        for (ssize_t i = 0; i < n && !found; i++) {
            found = piece[i] != '\n' && take(&p, piece[i]);
            if (piece[i] == '\n')
                p = (struct place){name, NAME, -1};
        }
    }
    (void)close(fd);
    *id = p.id;
    return found;
}

struct named {
    char *name; /* of the line, as far as it has come */
    size_t cap, len;
    int field;
    int64_t id;
};

/* True if the line's number is complete and is this one. */
static bool take_number(struct named *p, int64_t id, char c) {
    bool found = false;
    if (c == '\n') {
        p->len = 0;
        p->field = NAME;
        p->id = -1;
    } else if (c == ':') {
        found = p->field == NUMBER && p->id == id && p->len > 0 && p->len < p->cap;
        p->field++;
    } else if (p->field == NAME && p->len < p->cap) {
        p->name[p->len++] = c;
    } else if (p->field == NUMBER) {
        digit(&p->id, c);
    }
    return found;
}

bool accounts_name(const char *file, int64_t id, char *dst, size_t cap) {
    char piece[512];
    struct named p = {.name = dst, .cap = cap, .field = NAME, .id = -1};
    ssize_t n = 0;
    bool found = false;
    int fd = openat(AT_FDCWD, file, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && !found && ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))) {
        for (ssize_t i = 0; i < n && !found; i++)
            found = take_number(&p, id, piece[i]);
    }
    if (fd >= 0)
        (void)close(fd);
    dst[found ? p.len : 0] = '\0';
    return found;
}
