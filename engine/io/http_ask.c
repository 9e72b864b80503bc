/* libcurl's easy interface. */
#include "io/http_ask.h"

#include <curl/curl.h>
#include <jansson.h>
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

void cfs_http_ask_on(struct cfs_http_link *link, struct cfs_http_reply *reply, const char *method,
                     const char *url, const char *secret, const char *accept, unsigned timeout_ms)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = make_headers(secret, accept);
    CURLcode code;
    long status = 0;

    *reply = (struct cfs_http_reply){0};
    if (!link->easy &&
        (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK || !(link->easy = curl_easy_init())))
        abort();
    set_options(link->easy, reply, error, timeout_ms);
    curl_easy_setopt(link->easy, CURLOPT_URL, url);
    curl_easy_setopt(link->easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(link->easy, CURLOPT_HTTPHEADER, headers);
    code = curl_easy_perform(link->easy);
    if (code == CURLE_OK)
        curl_easy_getinfo(link->easy, CURLINFO_RESPONSE_CODE, &status);
    else
        snprintf(reply->why, sizeof reply->why, "%s", error[0] ? error : curl_easy_strerror(code));
    reply->status = (int)status;
    curl_easy_reset(link->easy); /* which keeps the connection, and nothing of ours */
    curl_slist_free_all(headers);
}

void cfs_http_link_close(struct cfs_http_link *link)
{
    if (!link->easy)
        return;
    curl_easy_cleanup(link->easy);
    curl_global_cleanup();
    link->easy = NULL;
}

void cfs_http_ask(struct cfs_http_reply *reply, const char *method, const char *url,
                  const char *secret, const char *accept, unsigned timeout_ms)
{
    struct cfs_http_link link = {0};

    cfs_http_ask_on(&link, reply, method, url, secret, accept, timeout_ms);
    cfs_http_link_close(&link);
}

void cfs_http_reply_explain(const struct cfs_http_reply *reply, const char *url, char *why,
                            size_t size)
{
    json_t *body = reply->body ? json_loads(reply->body, 0, NULL) : NULL;
    const char *sentence = json_string_value(json_object_get(body, "error"));

    if (!reply->status)
        snprintf(why, size, "%s: %s", url, reply->why);
    else if (sentence)
        snprintf(why, size, "%s: %s", url, sentence);
    else
        snprintf(why, size, "%s answers status %d: is it a coordfs node?", url, reply->status);
    json_decref(body);
}

void cfs_http_reply_clear(struct cfs_http_reply *reply)
{
    free(reply->body);
    *reply = (struct cfs_http_reply){0};
}
