/* SPDX-License-Identifier: Apache-2.0 */
/* replay.c - main() of a fuzz target that is built without libFuzzer: runs it over every file of
 * its seed corpus, so that each input that once found a fault is a test on every platform.
 *
 *   fuzz-SUBJECT              the files of $srcdir/fuzz/corpus/SUBJECT
 *   fuzz-SUBJECT FILE...      these files
 *
 * An empty corpus is a failure: it would test nothing. No threads. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLAY_MAX (16u << 20) /* bytes of one input; the corpora hold kilobytes */

/* Runs the target over one file. Returns 0, or -1 with a message on stderr. */
static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(REPLAY_MAX);
    uint8_t *exact = NULL;
    size_t size;
    int rc = -1;

    if (!f || !data) {
        fprintf(stderr, "replay: cannot read %s\n", path);
        goto out;
    }
    size = fread(data, 1, REPLAY_MAX, f);
    if (ferror(f) || size == REPLAY_MAX) {
        fprintf(stderr, "replay: %s cannot be read, or is too large\n", path);
        goto out;
    }
    /* a block of the exact size, so that a sanitizer sees the first byte read past its end */
    exact = malloc(size ? size : 1);
    if (!exact)
        goto out;
    memcpy(exact, data, size);
    fprintf(stderr, "replay: %s (%zu bytes)\n", path, size);
    LLVMFuzzerTestOneInput(exact, size);
    rc = 0;
out:
    free(exact);
    free(data);
    if (f)
        fclose(f);
    return rc;
}

/* Runs the target over every file of a folder. Returns how many there were, or -1. */
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int n = 0;

    if (!dir) {
        fprintf(stderr, "replay: no corpus folder %s\n", folder);
        return -1;
    }
    while (n >= 0 && (entry = readdir(dir)) != NULL) {
        char path[4096];
        int len;
        if (entry->d_name[0] == '.')
            continue;
        len = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof path || replay_file(path) != 0)
            n = -1;
        else
            n++;
    }
    closedir(dir);
    return n;
}

/* The SUBJECT in the program's own path .../fuzz-SUBJECT[.exe]; NULL if it is named otherwise. */
static const char *replay_subject(char *program)
{
    char *name = program, *c;

    for (c = program; *c; c++)
        if (*c == '/' || *c == '\\')
            name = c + 1;
    c = strstr(name, ".exe");
    if (c)
        *c = '\0';
    return strncmp(name, "fuzz-", 5) == 0 ? name + 5 : NULL;
}

int main(int argc, char **argv)
{
    const char *top = getenv("srcdir");
    const char *subject = replay_subject(argv[0]);
    char folder[4096];
    int i, n;

    if (argc > 1) {
        for (i = 1; i < argc; i++)
            if (replay_file(argv[i]) != 0)
                return EXIT_FAILURE;
        return EXIT_SUCCESS;
    }
    n = snprintf(folder, sizeof folder, "%s/fuzz/corpus/%s", top ? top : ".",
                 subject ? subject : "");
    if (!subject || n < 0 || (size_t)n >= sizeof folder) {
        fprintf(stderr, "replay: cannot tell the corpus of %s\n", argv[0]);
        return EXIT_FAILURE;
    }
    n = replay_folder(folder);
    if (n <= 0) {
        fprintf(stderr, "replay: no input was run from %s\n", folder);
        return EXIT_FAILURE;
    }
    printf("replay: %d inputs\n", n);
    return EXIT_SUCCESS;
}
