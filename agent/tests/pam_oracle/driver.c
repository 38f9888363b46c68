/* Walks a stack of a private directory with the real libpam, once for every combination of what its
 * probes return.  usage: driver DIRECTORY SERVICE PROBES CODE...
 * Prints one line for each: "<success> <the probes that ran>". */
#include <stdio.h>
#include <stdlib.h>

struct pam_conv { int (*conv)(int, const void **, void **, void *); void *data; };
int pam_start_confdir(const char *, const char *, const struct pam_conv *, const char *, void **);
int pam_authenticate(void *, int);
int pam_end(void *, int);

static int no_words(int n, const void **m, void **r, void *d) { return 19; }

int main(int argc, char **argv)
{
    struct pam_conv conv = { no_words, NULL };
    int probes = atoi(argv[3]), codes = argc - 4, combinations = 1, i, n;

    for (i = 0; i < probes; i++)
        combinations *= codes;
    for (n = 0; n < combinations; n++) {
        void *handle = NULL;
        int rest = n, outcome;

        for (i = 0; i < probes; i++, rest /= codes) {
            char name[16];
            snprintf(name, sizeof name, "P%d", i);
            setenv(name, argv[4 + rest % codes], 1);
        }
        setenv("TRACE", "", 1);
        outcome = pam_start_confdir(argv[2], "somebody", &conv, argv[1], &handle);
        if (outcome == 0)
            outcome = pam_authenticate(handle, 0);
        if (handle)
            pam_end(handle, outcome);
        printf("%d %s\n", outcome == 0, getenv("TRACE"));
    }
    return 0;
}
