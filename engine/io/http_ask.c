/* libcurl's easy interface. */
#include "io/http_ask.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { BODY_MAX = 8 * 1024 * 1024 }; /* a message as JSON, all of it escaped */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct cfs_http_reply *reply = arg;
    size_t more = size * count;

    if (reply->len + more > BODY_MAX)
        return 0;
    reply->body = cfs_realloc(reply->body, reply->len + more + 1);
    memcpy(reply->body + reply->len, data, more);
    reply->len += more;
    reply->body[reply->len] = '\0';
    return more;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *name,
                                     const char *value)
{
    char header[320];
    struct curl_slist *longer;

    snprintf(header, sizeof header, "%s: %s", name, value);
    longer = curl_slist_append(headers, header);
    if (!longer)
        abort();
    return longer;
}

static struct curl_slist *make_headers(const char *secret, const char *accept)
{
    char bearer[300];
    struct curl_slist *headers;

    snprintf(bearer, sizeof bearer, "Bearer %s", secret);
    headers = add_header(NULL, "Authorization", bearer);
    return accept ? add_header(headers, "Accept", accept) : headers;
}

static void set_options(CURL *easy, struct cfs_http_reply *reply, char error[CURL_ERROR_SIZE],
                        unsigned timeout_ms)
{
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, reply);
}

void cfs_http_ask(struct cfs_http_reply *reply, const char *method, const char *url,
                  const char *secret, const char *accept, unsigned timeout_ms)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers;
    CURL *easy;
    CURLcode code;
    long status = 0;

    *reply = (struct cfs_http_reply){0};
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK || !(easy = curl_easy_init()))
        abort();
    headers = make_headers(secret, accept);
    set_options(easy, reply, error, timeout_ms);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    code = curl_easy_perform(easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    else
        snprintf(reply->why, sizeof reply->why, "%s", error[0] ? error : curl_easy_strerror(code));
    reply->status = (int)status;
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
}

void cfs_http_reply_clear(struct cfs_http_reply *reply)
{
    free(reply->body);
    *reply = (struct cfs_http_reply){0};
}
