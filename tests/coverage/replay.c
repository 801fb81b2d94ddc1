/*
 * replay.c - runs a fuzz target over files, without a fuzzer: for compilers that have none, and for coverage.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static int run(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return 0;
    static unsigned char buf[1 << 20];
    size_t n = fread(buf, 1, sizeof buf, f);
    (void)fclose(f);
    unsigned char *copy = malloc(n + 1);
    if (copy == NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        copy[i] = buf[i];
    (void)LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    return 1;
}

int main(int argc, char **argv) {
    int done = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        const struct dirent *e;
        while (d != NULL && (e = readdir(d)) != NULL) {
            char path[4096];
            if (e->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name) < (int)sizeof path)
                done += run(path);
        }
        if (d != NULL)
            (void)closedir(d);
    }
    printf("# %d inputs\n", done);
    return done > 0 ? 0 : 1;
}
