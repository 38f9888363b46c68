/* Asks the real libpam and its real modules how many wrong passwords keep the right one out.
 * usage: driver SERVICE USER PASSWORD MOST
 * Prints a word of MOST + 1 digits: the digit at N is 1 if the right password lets in after N wrong
 * ones; then how many of the wrong ones were let in. Each count begins anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pam_message { int style; const char *text; };
struct pam_response { char *text; int code; };
struct pam_conv {
    int (*conv)(int, const struct pam_message **, struct pam_response **, void *);
    void *data;
};
int pam_start(const char *, const char *, const struct pam_conv *, void **);
int pam_set_item(void *, int, const void *);
int pam_authenticate(void *, int);
int pam_acct_mgmt(void *, int);
int pam_end(void *, int);

enum { ECHO_OFF = 1, FAIL_DELAY = 10 };

static int answer(int n, const struct pam_message **asked, struct pam_response **answers, void *word)
{
    int i;

    *answers = calloc(n, sizeof **answers);
    for (i = 0; i < n; i++)
        if (asked[i]->style == ECHO_OFF)
            (*answers)[i].text = strdup(word);
    return 0;
}

static void at_once(int outcome, unsigned delay, void *data) {}

static int is_in(const char *service, const char *user, const char *password)
{
    struct pam_conv conv = { answer, (void *)password };
    void *handle = NULL;
    int outcome = pam_start(service, user, &conv, &handle);

    if (outcome == 0) {
        pam_set_item(handle, FAIL_DELAY, (const void *)at_once);
        outcome = pam_authenticate(handle, 0);
        if (outcome == 0)
            outcome = pam_acct_mgmt(handle, 0);
    }
    if (handle)
        pam_end(handle, outcome);
    return outcome == 0;
}

int main(int argc, char **argv)
{
    char tally[256];
    int most = atoi(argv[4]), let_in = 0, n, i;

    snprintf(tally, sizeof tally, "/run/faillock/%s", argv[2]);
    for (n = 0; n <= most; n++) {
        unlink(tally);
        for (i = 0; i < n; i++)
            let_in += is_in(argv[1], argv[2], "wrong");
        putchar('0' + is_in(argv[1], argv[2], argv[3]));
    }
    printf(" %d\n", let_in);
    return 0;
}
