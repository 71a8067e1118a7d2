#include "transfer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

struct sink {
    lh_transfer_sink call;
    void *context;
};

static size_t deliver(char *bytes, size_t size, size_t count, void *opaque) {
    struct sink *sink = opaque;
    return sink->call(sink->context, bytes, size * count) == 0 ? size * count : 0;
}

int lh_transfer_get(const char *url, const char *unix_socket, long stall_seconds, lh_transfer_sink call, void *context,
                    long *status, char *error) {
    char detail[CURL_ERROR_SIZE] = "";
    struct sink sink = {call, context};
    *status = 0;
    error[0] = 0;
    CURL *curl = curl_easy_init();
    if (!curl) {
        snprintf(error, 256, "the transfer library cannot be started");
        return -1;
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
    if (unix_socket) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, unix_socket);
    }
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, stall_seconds);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, deliver);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &sink);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    curl_easy_cleanup(curl);
    if (code == CURLE_OK) {
        return 0;
    }
    snprintf(error, 256, "%s", detail[0] ? detail : curl_easy_strerror(code));
    return -1;
}
