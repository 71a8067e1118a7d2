#define _GNU_SOURCE
#include "firewall.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

// libnftables keeps parts of its state in the process, so one transaction runs at a time.
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;

int lh_firewall_apply(const char *commands, char *report, size_t size) {
    report[0] = 0;
    // A signal handler's EINTR in the middle of a transaction would be taken for a failure.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&one_at_a_time);
    int result = -ENOMEM;
    // The context's netlink socket belongs to the namespace of the thread that makes it.
    struct nft_ctx *context = nft_ctx_new(NFT_CTX_DEFAULT);
    if (context) {
        nft_ctx_buffer_output(context);
        nft_ctx_buffer_error(context);
        result = nft_run_cmd_from_buffer(context, commands) == 0 ? 0 : -EIO;
        snprintf(report, size, "%s",
                 result == 0 ? nft_ctx_get_output_buffer(context) : nft_ctx_get_error_buffer(context));
        nft_ctx_free(context);
    }
    pthread_mutex_unlock(&one_at_a_time);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}
