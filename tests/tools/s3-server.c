/* SPDX-License-Identifier: Apache-2.0 */
/* s3-server.c - the gateway's S3 server as a program for tests:
 *
 *      s3-server --listen 127.0.0.1:0 --port-file F --root DIR --access-key K --secret-key S
 *                [--region R] [--domain D] [--bucket B]... [--session-token T] [--prefix P]
 *                [--append-only] [--faults FILE] [--log FILE] [--clock-skew SECONDS]
 *                [--stall SECONDS] [--connections N] [--tls-cert F --tls-key F]
 *
 * --access-key may be there several times, each followed by its --secret-key and what confines it.
 * The port file appears, whole, when the server listens. SIGTERM ends it. */
#include "core/base/log.h"
#include "core/base/os.h"
#include "core/base/text.h"
#include "core/gateway/gateway.h"

#include <getopt.h>
#include <stdlib.h>

#define KEYS_MAX 64
#define BUCKETS_MAX 16

struct settings {
    struct gateway_config config;
    struct access_key keys[KEYS_MAX];
    const char *buckets[BUCKETS_MAX];
    size_t n_buckets;
    const char *root, *port_file;
};

enum { LISTEN = 256, PORT_FILE, ROOT, ACCESS_KEY, SECRET_KEY, REGION, DOMAIN, BUCKET, TOKEN, PREFIX,
       APPEND_ONLY, FAULTS, LOG, SKEW, STALL, CONNECTIONS, TLS_CERT, TLS_KEY };

static const struct option options[] = {
    { "listen", 1, NULL, LISTEN },         { "port-file", 1, NULL, PORT_FILE },
    { "root", 1, NULL, ROOT },             { "access-key", 1, NULL, ACCESS_KEY },
    { "secret-key", 1, NULL, SECRET_KEY }, { "region", 1, NULL, REGION },
    { "domain", 1, NULL, DOMAIN },         { "bucket", 1, NULL, BUCKET },
    { "session-token", 1, NULL, TOKEN },   { "prefix", 1, NULL, PREFIX },
    { "append-only", 0, NULL, APPEND_ONLY }, { "faults", 1, NULL, FAULTS },
    { "log", 1, NULL, LOG },               { "clock-skew", 1, NULL, SKEW },
    { "stall", 1, NULL, STALL },           { "connections", 1, NULL, CONNECTIONS },
    { "tls-cert", 1, NULL, TLS_CERT },     { "tls-key", 1, NULL, TLS_KEY },
    { NULL, 0, NULL, 0 }
};

static bool number(unsigned *out, const char *text)
{
    uint64_t value;
    if (!text_parse_u64(&value, text, UINT32_MAX))
        return false;
    *out = (unsigned)value;
    return true;
}

static bool set_key(struct settings *s, int option)
{
    struct access *access = &s->config.access;
    if (option == ACCESS_KEY) {
        if (access->n == KEYS_MAX)
            return false;
        s->keys[access->n++] = (struct access_key){ .name = optarg };
        return true;
    }
    if (!access->n)
        return false;
    struct access_key *key = &s->keys[access->n - 1];
    if (option == SECRET_KEY)
        key->secret = optarg;
    else if (option == TOKEN)
        key->token = optarg;
    else if (option == PREFIX)
        key->prefix = optarg;
    else
        key->append_only = true;
    return true;
}

static bool set_number(struct settings *s, int option)
{
    unsigned value;
    if (!number(&value, optarg + (option == SKEW && optarg[0] == '-')))
        return false;
    if (option == SKEW)
        s->config.skew_s = optarg[0] == '-' ? -(int64_t)value : (int64_t)value;
    else if (option == CONNECTIONS)
        s->config.connections = value;
    else
        s->config.stall_s = s->config.head_s = s->config.idle_s = value;
    return true;
}

static bool set_option(struct settings *s, int option)
{
    struct gateway_config *c = &s->config;
    const struct {
        int option;
        const char **to;
    } texts[] = { { LISTEN, &c->address }, { PORT_FILE, &s->port_file }, { ROOT, &s->root },
                  { REGION, &c->region }, { DOMAIN, &c->domain }, { FAULTS, &c->faults },
                  { LOG, &c->log }, { TLS_CERT, &c->tls_certificate }, { TLS_KEY, &c->tls_key } };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].option == option) {
            *texts[i].to = optarg;
            return true;
        }
    if (option == BUCKET && s->n_buckets < BUCKETS_MAX) {
        s->buckets[s->n_buckets++] = optarg;
        return true;
    }
    if (option == SKEW || option == STALL || option == CONNECTIONS)
        return set_number(s, option);
    return option >= ACCESS_KEY && option != BUCKET && option != '?' && set_key(s, option);
}

static bool parse(struct settings *s, int argc, char **argv)
{
    int option;
    s->config.address = "127.0.0.1:0";
    s->config.region = "us-east-1";
    s->config.domain = "localhost";
    s->config.access.keys = s->keys;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (!set_option(s, option))
            return false;
    for (size_t i = 0; i < s->config.access.n; i++)
        if (!s->keys[i].secret)
            return false;
    return optind == argc && s->root && s->config.access.n &&
           !s->config.tls_certificate == !s->config.tls_key;
}

static int prepare(struct settings *s, struct gateway **gateway, struct ds_error *err)
{
    int rc = folder_store_new(&s->config.store, s->root, err);
    for (size_t i = 0; !rc && i < s->n_buckets; i++) {
        rc = s->config.store->ops->bucket_create(s->config.store, s->buckets[i], err);
        if (rc == DS_EEXIST)
            rc = DS_OK;
    }
    if (!rc)
        rc = gateway_new(gateway, &s->config, err);
    if (!rc && s->port_file) {
        char text[16];
        snprintf(text, sizeof text, "%u\n", gateway_port(*gateway));
        rc = os_write_file(s->port_file, text, strlen(text), err);
    }
    return rc;
}

int main(int argc, char **argv)
{
    static volatile int stop;
    struct ds_error err = DS_ERROR_INIT;
    struct settings settings = { .n_buckets = 0 };
    struct gateway *gateway = NULL;
    os_start(&argc, &argv);
    if (!parse(&settings, argc, argv)) {
        fprintf(stderr, "s3-server: the arguments are wrong; see the top of s3-server.c\n");
        return 2;
    }
    os_on_interrupt(&stop);
    int rc = prepare(&settings, &gateway, &err);
    if (!rc)
        rc = gateway_run(gateway, &stop, &err);
    if (rc)
        fprintf(stderr, "s3-server: %s\n", err.msg);
    gateway_free(gateway);
    if (settings.config.store)
        settings.config.store->ops->free(settings.config.store);
    return rc ? 1 : 0;
}
