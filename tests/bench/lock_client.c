/* Clients that take and release locks as fast as they can, each a lock of its own, each a process:
 *
 *   lock_client flock     SECONDS CLIENTS MOUNT...      flock(2) LOCK_EX, LOCK_UN on an open file
 *   lock_client lockfile  SECONDS CLIENTS MOUNT...      open(O_CREAT|O_EXCL), close, unlink
 *   lock_client http      SECONDS CLIENTS URL...        POST and DELETE /lock/NAME of coordfs
 *   lock_client etcd      SECONDS CLIENTS ENDPOINT...   v3lock Lock, Unlock by the JSON gateway
 *   lock_client fdatasync SECONDS CLIENTS DIRECTORY...  what a lock costs the disk: 4 KiB into a
 *                                                       file that has room for them, fdatasync(2)
 *
 * Client i uses target i modulo their number. The file is opened, the connection and etcd's lease
 * (one per client) are made before the clock starts; connections are kept. http reads its header
 * with the secret from the file $LOCK_CLIENT_AUTH. Prints one line: pairs of acquire and release a
 * second, median and 99th percentile of a pair in microseconds, and the same two of an acquire. */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 64
#define SAMPLES_MAX (1u << 20) /* of one client; a run ends when they are full */
#define REPLY_BYTES 4096
#define FILE_BYTES (16 << 20) /* as a segment of the log */
#define BLOCK_BYTES 4096

/* What all processes see: a start signal and the samples. Pages not written cost nothing. */
struct shared {
    atomic_uint ready;
    atomic_bool go;
    uint32_t counts[CLIENTS_MAX];
    uint32_t pair_ns[CLIENTS_MAX][SAMPLES_MAX];
    uint32_t acquire_ns[CLIENTS_MAX][SAMPLES_MAX];
};

struct client {
    const char *target;
    int id;
    char path[4096]; /* of the lock on a mount */
    int fd;
    CURL *curl;
    struct curl_slist *headers;
    char lock_url[512], unlock_url[512], lease_url[512];
    char lock_body[256];
    char key[REPLY_BYTES]; /* etcd's name of the hold, still base64 */
    off_t at;              /* fdatasync: where it writes next */
    char reply[REPLY_BYTES];
    size_t reply_len;
};

/* 0 or -1 after a message. */
struct mode {
    const char *name;
    int (*prepare)(struct client *client);
    int (*acquire)(struct client *client);
    int (*release)(struct client *client);
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int complain(const struct client *client, const char *what)
{
    fprintf(stderr, "lock_client %d: %s: %s\n", client->id, what, strerror(errno));
    return -1;
}

static int prepare_path(struct client *client)
{
    snprintf(client->path, sizeof(client->path), "%s/locks/bench-%d", client->target, client->id);
    return 0;
}

static int prepare_flock(struct client *client)
{
    prepare_path(client);
    client->fd = open(client->path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    return client->fd >= 0 ? 0 : complain(client, client->path);
}

static int acquire_flock(struct client *client)
{
    return flock(client->fd, LOCK_EX) == 0 ? 0 : complain(client, "LOCK_EX");
}

static int release_flock(struct client *client)
{
    return flock(client->fd, LOCK_UN) == 0 ? 0 : complain(client, "LOCK_UN");
}

static int acquire_lockfile(struct client *client)
{
    int fd = open(client->path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);

    if (fd < 0)
        return complain(client, client->path);
    close(fd);
    return 0;
}

static int release_lockfile(struct client *client)
{
    return unlink(client->path) == 0 ? 0 : complain(client, "unlink");
}

static int prepare_fdatasync(struct client *client)
{
    static const char zeros[1 << 20];

    snprintf(client->path, sizeof(client->path), "%s/fdatasync-%d", client->target, client->id);
    client->fd = open(client->path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
    if (client->fd < 0)
        return complain(client, client->path);
    for (int i = 0; i < FILE_BYTES / (int)sizeof(zeros); i++)
        if (write(client->fd, zeros, sizeof(zeros)) != (ssize_t)sizeof(zeros))
            return complain(client, "write");
    return fsync(client->fd) == 0 ? 0 : complain(client, "fsync");
}

static int acquire_fdatasync(struct client *client)
{
    char block[BLOCK_BYTES];

    memset(block, 1 + (int)(client->at / BLOCK_BYTES % 255), sizeof(block));
    if (pwrite(client->fd, block, sizeof(block), client->at) != (ssize_t)sizeof(block))
        return complain(client, "pwrite");
    client->at = (client->at + BLOCK_BYTES) % FILE_BYTES;
    return fdatasync(client->fd) == 0 ? 0 : complain(client, "fdatasync");
}

static int release_nothing(struct client *client)
{
    (void)client;
    return 0;
}

static size_t keep_reply(char *data, size_t size, size_t count, void *arg)
{
    struct client *client = arg;
    size_t bytes = size * count;

    if (client->reply_len + bytes >= sizeof(client->reply))
        return 0;
    memcpy(client->reply + client->reply_len, data, bytes);
    client->reply_len += bytes;
    client->reply[client->reply_len] = '\0';
    return bytes;
}

static int send_request(struct client *client, const char *method, const char *url,
                        const char *body)
{
    long status = 0;
    CURLcode code;

    client->reply_len = 0;
    client->reply[0] = '\0';
    curl_easy_setopt(client->curl, CURLOPT_URL, url);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(client->curl, CURLOPT_CUSTOMREQUEST, method);
    code = curl_easy_perform(client->curl);
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200)
        return 0;
    fprintf(stderr, "lock_client %d: %s: %s, status %ld, %s\n", client->id, url,
            curl_easy_strerror(code), status, client->reply);
    return -1;
}

static int post(struct client *client, const char *url, const char *body)
{
    return send_request(client, "POST", url, body);
}

static int prepare_curl(struct client *client, const char *header)
{
    client->curl = curl_easy_init();
    if (!client->curl)
        return complain(client, "curl_easy_init");
    client->headers = curl_slist_append(NULL, header);
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, keep_reply);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, client);
    return 0;
}

static int prepare_http(struct client *client)
{
    const char *path = getenv("LOCK_CLIENT_AUTH");
    FILE *file = path ? fopen(path, "r") : NULL;
    char header[256] = "";

    if (!file || !fgets(header, sizeof(header), file)) {
        if (file)
            fclose(file);
        return complain(client, "LOCK_CLIENT_AUTH");
    }
    fclose(file);
    header[strcspn(header, "\n")] = '\0';
    snprintf(client->lock_url, sizeof(client->lock_url),
             "%s/lock/bench-http-%d?lock_type=exclusive", client->target, client->id);
    return prepare_curl(client, header);
}

static int acquire_http(struct client *client)
{
    return post(client, client->lock_url, "");
}

static int release_http(struct client *client)
{
    json_t *reply = json_loads(client->reply, 0, NULL);
    json_int_t token = json_integer_value(json_object_get(reply, "token"));

    json_decref(reply);
    snprintf(client->unlock_url, sizeof(client->unlock_url),
             "%s/lock/bench-http-%d?token=%" JSON_INTEGER_FORMAT, client->target, client->id,
             token);
    return send_request(client, "DELETE", client->unlock_url, "");
}

/* The string `field` of the reply, into `out`. */
static int reply_string(struct client *client, const char *field, char *out, size_t size)
{
    json_t *reply = json_loads(client->reply, 0, NULL);
    const char *value = json_string_value(json_object_get(reply, field));
    int rv = -1;

    if (value && strlen(value) < size) {
        snprintf(out, size, "%s", value);
        rv = 0;
    } else {
        fprintf(stderr, "lock_client %d: no %s in %s\n", client->id, field, client->reply);
    }
    json_decref(reply);
    return rv;
}

/* Names go through the gateway as base64: three of our digits make four letters. */
static void base64_of_name(int id, char out[9])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char name[7];

    snprintf(name, sizeof(name), "%06d", id);
    for (int i = 0; i < 2; i++) {
        const char *three = name + i * 3;
        uint32_t bits = (uint32_t)three[0] << 16 | (uint32_t)three[1] << 8 | (uint32_t)three[2];

        for (int j = 0; j < 4; j++)
            out[i * 4 + j] = letters[bits >> (18 - 6 * j) & 63];
    }
    out[8] = '\0';
}

static int prepare_etcd(struct client *client)
{
    char lease[64], name[9];

    if (prepare_curl(client, "Content-Type: application/json") != 0)
        return -1;
    snprintf(client->lease_url, sizeof(client->lease_url), "%s/v3/lease/grant", client->target);
    snprintf(client->lock_url, sizeof(client->lock_url), "%s/v3/lock/lock", client->target);
    snprintf(client->unlock_url, sizeof(client->unlock_url), "%s/v3/lock/unlock", client->target);
    if (post(client, client->lease_url, "{\"TTL\": 120}") != 0 ||
        reply_string(client, "ID", lease, sizeof(lease)) != 0)
        return -1;
    base64_of_name(client->id, name);
    snprintf(client->lock_body, sizeof(client->lock_body), "{\"name\":\"%s\",\"lease\":%s}", name,
             lease);
    return 0;
}

static int acquire_etcd(struct client *client)
{
    return post(client, client->lock_url, client->lock_body);
}

static int release_etcd(struct client *client)
{
    char body[REPLY_BYTES + 16];

    if (reply_string(client, "key", client->key, sizeof(client->key)) != 0)
        return -1;
    snprintf(body, sizeof(body), "{\"key\":\"%s\"}", client->key);
    return post(client, client->unlock_url, body);
}

static const struct mode modes[] = {
    {"flock", prepare_flock, acquire_flock, release_flock},
    {"lockfile", prepare_path, acquire_lockfile, release_lockfile},
    {"http", prepare_http, acquire_http, release_http},
    {"etcd", prepare_etcd, acquire_etcd, release_etcd},
    {"fdatasync", prepare_fdatasync, acquire_fdatasync, release_nothing},
};

/* A client's whole life; its exit status. A few pairs before the start warm up what warms up. */
static int run_client(const struct mode *mode, struct client *client, struct shared *shared,
                      double seconds)
{
    uint64_t begin, end, before;
    uint32_t count = 0;

    if (mode->prepare(client) != 0)
        return 1;
    for (int i = 0; i < 20; i++) {
        if (mode->acquire(client) != 0 || mode->release(client) != 0)
            return 1;
    }
    atomic_fetch_add(&shared->ready, 1);
    while (!atomic_load(&shared->go))
        usleep(100);
    begin = now_ns();
    end = begin + (uint64_t)(seconds * 1e9);
    for (before = begin; before < end && count < SAMPLES_MAX; count++) {
        uint64_t between, after;

        if (mode->acquire(client) != 0)
            return 1;
        between = now_ns();
        if (mode->release(client) != 0)
            return 1;
        after = now_ns();
        shared->acquire_ns[client->id][count] = (uint32_t)(between - before);
        shared->pair_ns[client->id][count] = (uint32_t)(after - before);
        before = after;
    }
    shared->counts[client->id] = count;
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Prints the median and the 99th percentile of `samples`, in microseconds. */
static void print_middle(const uint32_t samples[CLIENTS_MAX][SAMPLES_MAX],
                         const struct shared *shared, int clients, uint32_t *all)
{
    size_t total = 0;
    uint32_t middle, high;

    for (int i = 0; i < clients; i++) {
        memcpy(all + total, samples[i], shared->counts[i] * sizeof(*all));
        total += shared->counts[i];
    }
    qsort(all, total, sizeof(*all), compare);
    middle = all[total / 2];
    high = all[total * 99 / 100];
    printf(" %.1f %.1f", middle / 1e3, high / 1e3);
}

static int report(const struct shared *shared, int clients, double seconds)
{
    size_t total = 0;
    uint32_t *all;

    for (int i = 0; i < clients; i++)
        total += shared->counts[i];
    all = malloc((total + 1) * sizeof(*all));
    if (!all || total == 0) {
        fprintf(stderr, "lock_client: nothing to report\n");
        free(all);
        return 1;
    }
    printf("%.0f", (double)total / seconds);
    print_middle(shared->pair_ns, shared, clients, all);
    print_middle(shared->acquire_ns, shared, clients, all);
    printf("\n");
    free(all);
    return 0;
}

/* Starts the clients, lets them go together, waits. 0, or 1 if one of them failed. */
static int run_clients(const struct mode *mode, struct shared *shared, int clients, double seconds,
                       char **targets, int target_count)
{
    int failed = 0, status;
    unsigned started = 0;

    for (int i = 0; i < clients; i++) {
        struct client client = {.target = targets[i % target_count], .id = i, .fd = -1};
        pid_t pid = fork();

        if (pid == 0)
            _exit(run_client(mode, &client, shared, seconds));
        started += pid > 0;
    }
    while (atomic_load(&shared->ready) < started && waitpid(-1, &status, WNOHANG) == 0)
        usleep(1000);
    failed |= atomic_load(&shared->ready) < (unsigned)clients;
    atomic_store(&shared->go, true);
    while (wait(&status) > 0)
        failed |= status != 0;
    return failed;
}

int main(int argc, char **argv)
{
    const struct mode *mode = NULL;
    struct shared *shared;
    double seconds;
    long clients;

    if (argc < 5) {
        fprintf(stderr, "usage: lock_client flock|lockfile|http|etcd|fdatasync SECONDS CLIENTS "
                        "TARGET...\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(argv[1], modes[i].name) == 0)
            mode = &modes[i];
    }
    seconds = strtod(argv[2], NULL);
    clients = strtol(argv[3], NULL, 10);
    if (!mode || seconds <= 0 || clients < 1 || clients > CLIENTS_MAX) {
        fprintf(stderr, "lock_client: a mode, seconds above 0 and 1 to %d clients\n", CLIENTS_MAX);
        return 2;
    }
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shared == MAP_FAILED) {
        perror("lock_client: mmap");
        return 1;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (run_clients(mode, shared, (int)clients, seconds, argv + 4, argc - 4) != 0)
        return 1;
    return report(shared, (int)clients, seconds);
}
