#define _GNU_SOURCE
#include "namespaces.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>

// setns changes the calling thread only. A thread that enters a namespace here never comes back: it ends, which cannot
// fail, where a setns back could.
struct visit {
    int ns;
    lh_namespace_job job;
    void *context;
    int domain, type, protocol;
    int result;
};

static void *visit(void *opaque) {
    struct visit *visit = opaque;
    int entered = visit->ns < 0 ? unshare(CLONE_NEWNET) : setns(visit->ns, CLONE_NEWNET);
    if (entered < 0) {
        visit->result = -errno;
        return NULL;
    }
    if (visit->job) {
        visit->job(visit->context);
        visit->result = 0;
        return NULL;
    }
    int fd = socket(visit->domain, visit->type, visit->protocol);
    visit->result = fd < 0 ? -errno : fd;
    return NULL;
}

static int run(struct visit *job) {
    pthread_t thread;
    int failure = pthread_create(&thread, NULL, visit, job);
    if (failure) {
        return -failure;
    }
    pthread_join(thread, NULL);
    return job->result;
}

int lh_namespace_run(int ns, lh_namespace_job job, void *context) {
    struct visit visit = {.ns = ns, .job = job, .context = context};
    return run(&visit);
}

int lh_namespace_socket(int ns, int domain, int type, int protocol) {
    struct visit visit = {.ns = ns, .domain = domain, .type = type, .protocol = protocol};
    return run(&visit);
}

long lh_namespace_inode(int ns) {
    struct stat status;
    return fstat(ns, &status) < 0 ? -errno : (long)status.st_ino;
}
