/* A PAM module for tests: it returns what the variable P<n> of the environment says, where n is its
 * first argument, and adds n to the variable TRACE. The prototypes are those of pam_modules(3). */
#include <stdlib.h>
#include <string.h>

static int probe(int argc, const char **argv)
{
    char name[32] = "P", trace[1024] = "";
    const char *before = getenv("TRACE"), *code;

    if (argc < 1)
        return 4;
    strncat(name, argv[0], sizeof name - 2);
    if (before)
        strncat(trace, before, sizeof trace - 1);
    strncat(trace, argv[0], sizeof trace - strlen(trace) - 1);
    setenv("TRACE", trace, 1);
    code = getenv(name);
    return code ? atoi(code) : 4;
}

int pam_sm_authenticate(void *h, int f, int argc, const char **argv) { return probe(argc, argv); }
int pam_sm_setcred(void *h, int f, int argc, const char **argv) { return 0; }
int pam_sm_chauthtok(void *h, int f, int argc, const char **argv) { return probe(argc, argv); }
