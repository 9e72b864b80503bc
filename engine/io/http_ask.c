/* libcurl's easy interface. */
#include "io/http_ask.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

enum { REPLY_MAX = 8 * 1024 * 1024 }; /* a message as JSON, all of it escaped */

struct sink {
    struct cfs_http_reply *reply;
    size_t max, room;
};

/* Room grows by doubling, and there is one for the zero. */
static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct sink *sink = arg;
    struct cfs_http_reply *reply = sink->reply;
    size_t more = size * count;

    if (more > sink->max - reply->len)
        return 0;
    if (reply->len + more >= sink->room) {
        sink->room = (reply->len + more) * 2 + 1;
        reply->body = cfs_realloc(reply->body, sink->room);
    }
    memcpy(reply->body + reply->len, data, more);
    reply->len += more;
    reply->body[reply->len] = '\0';
    return more;
}

static struct curl_slist *add_header(struct curl_slist *headers, const char *header)
{
    struct curl_slist *longer = curl_slist_append(headers, header);

    if (!longer)
        abort();
    return longer;
}

static struct curl_slist *make_headers(const struct cfs_http_question *question)
{
    char header[320];
    struct curl_slist *headers;

    snprintf(header, sizeof header, "Authorization: Bearer %s", question->secret);
    headers = add_header(NULL, header);
    if (question->accept) {
        snprintf(header, sizeof header, "Accept: %s", question->accept);
        headers = add_header(headers, header);
    }
    if (question->body)
        headers = add_header(headers, "Content-Type: application/octet-stream");
    return question->header ? add_header(headers, question->header) : headers;
}

static void set_options(CURL *easy, const struct cfs_http_question *question, struct sink *sink,
                        char error[CURL_ERROR_SIZE])
{
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)question->timeout_ms);
    if (question->silence_ms) {
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)question->silence_ms);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(question->silence_ms / 1000 + 1));
    }
    if (question->len) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)question->len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, question->body);
    }
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, sink);
    curl_easy_setopt(easy, CURLOPT_URL, question->url);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, question->method);
}

static void take_head(CURL *easy, struct cfs_http_reply *reply)
{
    struct curl_header *etag = NULL;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    if (curl_easy_header(easy, "ETag", 0, CURLH_HEADER, -1, &etag) == CURLHE_OK &&
        strlen(etag->value) < sizeof reply->etag)
        strcpy(reply->etag, etag->value);
}

void cfs_http_exchange_on(struct cfs_http_link *link, struct cfs_http_reply *reply,
                          const struct cfs_http_question *question)
{
    struct sink sink = {.reply = reply,
                        .max = question->reply_max ? question->reply_max : REPLY_MAX};
    struct curl_slist *headers = make_headers(question);
    char error[CURL_ERROR_SIZE] = "";
    CURLcode code;

    *reply = (struct cfs_http_reply){0};
    if (!link->easy &&
        (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK || !(link->easy = curl_easy_init())))
        abort();
    set_options(link->easy, question, &sink, error);
    curl_easy_setopt(link->easy, CURLOPT_HTTPHEADER, headers);
    code = curl_easy_perform(link->easy);
    if (code == CURLE_OK)
        take_head(link->easy, reply);
    else
        snprintf(reply->why, sizeof reply->why, "%s", error[0] ? error : curl_easy_strerror(code));
    reply->unsent = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
    curl_easy_reset(link->easy); /* which keeps the connection, and nothing of ours */
    curl_slist_free_all(headers);
}

void cfs_http_exchange(struct cfs_http_reply *reply, const struct cfs_http_question *question)
{
    struct cfs_http_link link = {0};

    cfs_http_exchange_on(&link, reply, question);
    cfs_http_link_close(&link);
}

void cfs_http_link_close(struct cfs_http_link *link)
{
    if (!link->easy)
        return;
    curl_easy_cleanup(link->easy);
    curl_global_cleanup();
    link->easy = NULL;
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
