/*
 * tree.h - files that a test makes up, below a directory of its own. Included once by a test program, which makes `top`
 * by mkdtemp() and ends with remove_tree().
 */
#ifndef VHOTPLUG_TREE_H
#define VHOTPLUG_TREE_H

#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[] = "/tmp/vh-unit-XXXXXX";

/* Until the next call. */
__attribute__((unused)) static const char *at(const char *name) {
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

__attribute__((unused)) static void make_parents(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s", at(name));
    for (char *slash = path + strlen(top); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
}

__attribute__((unused)) static void make_directory(const char *name) {
    make_parents(name);
    (void)mkdir(at(name), 0755); /* perhaps it is there */
}

/* With its directories. */
__attribute__((unused)) static void make_bytes(const char *name, const char *bytes, size_t n) {
    make_parents(name);
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
}

__attribute__((unused)) static void make_file(const char *name, const char *text) {
    make_bytes(name, text, strlen(text));
}

static void remove_tree(void) {
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    CHECK(system(command) == 0);
}

#endif
