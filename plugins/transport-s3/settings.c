/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - see settings.h: the option table, and the rules across options. */
#include "settings.h"

#include <curl/curl.h>
#include <stdlib.h>

const struct ds_option settings_options[SETTINGS_OPTIONS] = {
    { .name = "bucket", .type = DS_OPT_STRING, .flags = DS_OPTF_REQUIRED,
      .help = "name of the bucket; it must exist" },
    { .name = "endpoint", .type = DS_OPT_STRING,
      .help = "URL of the service, https://HOST[:PORT]; without it AWS, in the region" },
    { .name = "region", .type = DS_OPT_STRING,
      .help = "region that requests are signed for; without it the endpoint's, else us-east-1" },
    { .name = "prefix", .type = DS_OPT_STRING,
      .help = "folder in the bucket that holds the repository" },
    { .name = "addressing", .type = DS_OPT_CHOICE, .choices = "auto|path|virtual", .def = "auto",
      .help = "where the bucket's name stands: in the path, or before the host; auto: virtual for "
              "AWS" },
    { .name = "credentials", .type = DS_OPT_CHOICE, .def = "auto",
      .choices = "auto|policy|environment|file|instance",
      .help = "where the keys come from; auto: the first of these that has some" },
    { .name = "access_key", .type = DS_OPT_SECRET, .help = "access key id" },
    { .name = "secret_key", .type = DS_OPT_SECRET, .help = "secret access key" },
    { .name = "session_token", .type = DS_OPT_SECRET, .help = "token of temporary keys" },
    { .name = "profile", .type = DS_OPT_STRING, .help = "profile in the shared credentials file" },
    { .name = "credentials_file", .type = DS_OPT_PATH,
      .help = "shared credentials file, instead of ~/.aws/credentials" },
    { .name = "metadata_endpoint", .type = DS_OPT_STRING, .def = "http://169.254.169.254",
      .help = "where a machine in the cloud is told its keys (IMDSv2)" },
    { .name = "storage_class", .type = DS_OPT_STRING, .def = "STANDARD",
      .help = "storage class of new objects; classes that must be restored before a read are "
              "refused" },
    { .name = "object_lock", .type = DS_OPT_CHOICE, .choices = "none|governance|compliance",
      .def = "none", .help = "mode in which objects are locked, where they are to be immutable" },
    { .name = "ca_file", .type = DS_OPT_PATH,
      .help = "certificates (PEM) that may vouch for the store, instead of the system's" },
    { .name = "client_cert", .type = DS_OPT_PATH, .help = "client certificate (PEM)" },
    { .name = "client_key", .type = DS_OPT_PATH, .help = "key of the client certificate (PEM)" },
    { .name = "verify", .type = DS_OPT_BOOL, .def = "true",
      .help = "check the store's certificate; false only for tests" },
    { .name = "proxy", .type = DS_OPT_STRING,
      .help = "proxy URL, http://, https://, socks5:// or socks5h://; without it the "
              "environment's; `none` for no proxy" },
    { .name = "proxy_user", .type = DS_OPT_STRING, .help = "user at the proxy" },
    { .name = "proxy_password", .type = DS_OPT_SECRET, .help = "password at the proxy" },
    { .name = "no_proxy", .type = DS_OPT_STRING,
      .help = "hosts that are reached without the proxy, separated by commas" },
    { .name = "timeout", .type = DS_OPT_DURATION, .def = "60000000000", .min = 1000000000,
      .max = 3600000000000, .help = "how long a request may go without a byte moving" },
    { .name = "max_in_flight", .type = DS_OPT_INT, .def = "32", .min = 1, .max = 256,
      .help = "most requests at once; fewer are used where more don't help" },
};

#define HOST_MAX 180 /* with a bucket before it, it still fits a host name */

static const char *value(const struct ds_kv *kv, size_t n, const char *key)
{
    for (unsigned i = 0; i < SETTINGS_OPTIONS; i++)
        if (strcmp(settings_options[i].name, key) == 0) {
            const char *def = settings_options[i].def;
            return ds_kv_get(kv, n, key, def ? def : "");
        }
    return "";
}

static size_t size_of(const struct ds_kv *kv, size_t n)
{
    size_t size = 1;
    for (unsigned i = 0; i < SETTINGS_OPTIONS; i++)
        size += strlen(value(kv, n, settings_options[i].name)) + 1;
    return size;
}

/* A copy in s->values, of which *free_at is the free part. */
static const char *copied(char **free_at, const struct ds_kv *kv, size_t n, const char *key)
{
    const char *text = value(kv, n, key);
    size_t size = strlen(text) + 1;
    char *copy = *free_at;
    memcpy(copy, text, size);
    *free_at += size;
    return copy;
}

static void copy_values(struct settings *s, const struct ds_kv *kv, size_t n)
{
    const struct {
        const char **to, *name;
    } table[] = {
        { &s->bucket, "bucket" },
        { &s->storage_class, "storage_class" },
        { &s->access_key, "access_key" },
        { &s->secret_key, "secret_key" },
        { &s->session_token, "session_token" },
        { &s->profile, "profile" },
        { &s->credentials_file, "credentials_file" },
        { &s->metadata_endpoint, "metadata_endpoint" },
        { &s->ca_file, "ca_file" },
        { &s->client_cert, "client_cert" },
        { &s->client_key, "client_key" },
        { &s->proxy, "proxy" },
        { &s->proxy_user, "proxy_user" },
        { &s->proxy_password, "proxy_password" },
        { &s->no_proxy, "no_proxy" },
    };
    char *free_at = s->values;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        *table[i].to = copied(&free_at, kv, n, table[i].name);
}

/* ---- rules ---- */

static bool only(const char *text, const char *allowed)
{
    return text[strspn(text, allowed)] == 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static int check_bucket(const struct settings *s, struct ds_error *err)
{
    size_t n = strlen(s->bucket);
    if (n < 3 || n > 63 || !only(s->bucket, LOWER UPPER DIGITS ".-_") || strstr(s->bucket, "..") ||
        strchr(".-", s->bucket[0]))
        return ds_fail(err, DS_EINVAL,
                       "bucket \"%.80s\" is no name of a bucket: 3 to 63 letters, digits, '.' and "
                       "'-'", s->bucket);
    return DS_OK;
}

int settings_aws_endpoint(struct endpoint *endpoint, const char *region, struct ds_error *err)
{
    char text[128];
    bool china = strncmp(region, "cn-", 3) == 0;
    snprintf(text, sizeof text, "https://s3.%s.amazonaws.com%s", region, china ? ".cn" : "");
    return endpoint_parse(endpoint, text, err);
}

static int read_endpoint(struct settings *s, const struct ds_kv *kv, size_t n, struct ds_error *err)
{
    const char *text = value(kv, n, "endpoint"), *region = value(kv, n, "region");
    int rc = DS_OK;
    if (!only(region, LOWER UPPER DIGITS "-_") || !str_copy(s->region, sizeof s->region, region))
        return ds_fail(err, DS_EINVAL, "region \"%.80s\" is no name of a region", region);
    s->endpoint_given = text[0] != 0;
    if (text[0])
        rc = endpoint_parse(&s->endpoint, text, err);
    if (!rc && !region[0] && !(text[0] && endpoint_region(&s->endpoint, s->region,
                                                          sizeof s->region)))
        str_copy(s->region, sizeof s->region, "us-east-1");
    if (!rc && !text[0])
        rc = settings_aws_endpoint(&s->endpoint, s->region, err);
    if (!rc && strlen(s->endpoint.host) > HOST_MAX)
        rc = ds_fail(err, DS_EINVAL, "endpoint is longer than %d bytes", HOST_MAX);
    return rc;
}

static int read_addressing(struct settings *s, const char *choice, struct ds_error *err)
{
    bool can = !s->endpoint.is_address;
    if (strcmp(choice, "virtual") == 0 && !can)
        return ds_fail(err, DS_EINVAL, "addressing: virtual needs an endpoint with a name, and %s "
                       "is an address; say path", s->endpoint.host);
    /* A certificate for *.host covers no bucket with a dot in it. */
    bool good = can && endpoint_is_aws(&s->endpoint) &&
                !(s->endpoint.secure && strchr(s->bucket, '.'));
    s->virtual_hosted = strcmp(choice, "virtual") == 0 || (strcmp(choice, "auto") == 0 && good);
    return DS_OK;
}

static int read_prefix(struct settings *s, const char *text, struct ds_error *err)
{
    while (*text == '/')
        text++;
    if (!str_copy(s->prefix, SETTINGS_PREFIX_MAX, text))
        return ds_fail(err, DS_EINVAL, "prefix is longer than %d bytes", SETTINGS_PREFIX_MAX - 1);
    size_t n = strlen(s->prefix);
    while (n && s->prefix[n - 1] == '/')
        s->prefix[--n] = 0;
    if (n)
        str_copy(s->prefix + n, 2, "/");
    char around[SETTINGS_PREFIX_MAX + 4];
    snprintf(around, sizeof around, "/%s", s->prefix);
    if (strstr(around, "//") || strstr(around, "/./") || strstr(around, "/../"))
        return ds_fail(err, DS_EINVAL, "prefix \"%.200s\" has a component that is empty, \".\" or "
                                       "\"..\"", text);
    return DS_OK;
}

/* What can be read back at once. Others than AWS have names of their own for classes. */
static int check_storage_class(struct settings *s, struct ds_error *err)
{
    static const char *const known[] = { "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA",
                                         "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR",
                                         "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW" };
    bool found = false;
    if (strcmp(s->storage_class, "GLACIER") == 0 || strcmp(s->storage_class, "DEEP_ARCHIVE") == 0)
        return ds_fail(err, DS_EINVAL, "storage_class %s can't be read without a restore of hours, "
                       "and every sync reads: say GLACIER_IR or STANDARD_IA", s->storage_class);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        found = found || strcmp(s->storage_class, known[i]) == 0;
    bool named = s->storage_class[0] && strlen(s->storage_class) <= 60 &&
                 only(s->storage_class, LOWER UPPER DIGITS "_-");
    if (!found && (!named || endpoint_is_aws(&s->endpoint)))
        return ds_fail(err, DS_EINVAL, "storage_class \"%.60s\" is none that AWS has; those that "
                       "fit are STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING and "
                       "GLACIER_IR", s->storage_class);
    if (strcmp(s->storage_class, "STANDARD") == 0)
        s->storage_class = "";
    return DS_OK;
}

static int read_credentials(struct settings *s, const char *choice, struct ds_error *err)
{
    static const char *const names[] = { "auto", "policy", "environment", "file", "instance" };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(choice, names[i]) == 0)
            s->credentials = (enum credentials_choice)i;
    bool access = s->access_key[0], secret = s->secret_key[0];
    if (access != secret)
        return ds_fail(err, DS_EINVAL, "%s needs %s beside it",
                       access ? "access_key" : "secret_key", access ? "secret_key" : "access_key");
    if (s->session_token[0] && !access)
        return ds_fail(err, DS_EINVAL, "session_token needs access_key and secret_key beside it");
    if (s->credentials == CREDENTIALS_POLICY && !access)
        return ds_fail(err, DS_EINVAL, "credentials: policy needs access_key and secret_key");
    if (access && s->credentials > CREDENTIALS_POLICY)
        return ds_fail(err, DS_EINVAL, "access_key and credentials: %s contradict each other",
                       choice);
    if (s->credentials == CREDENTIALS_AUTO && access)
        s->credentials = CREDENTIALS_POLICY;
    else if (s->credentials == CREDENTIALS_AUTO && (s->profile[0] || s->credentials_file[0]))
        s->credentials = CREDENTIALS_FILE;
    else if (s->credentials != CREDENTIALS_FILE && (s->profile[0] || s->credentials_file[0]))
        return ds_fail(err, DS_EINVAL, "profile and credentials_file have no effect beside other "
                                       "credentials: leave them out");
    return DS_OK;
}

static int check_network(struct settings *s, struct ds_error *err)
{
    struct endpoint metadata;
    if (s->proxy_user[0] && (!s->proxy[0] || strcmp(s->proxy, "none") == 0))
        return ds_fail(err, DS_EINVAL, "proxy_user needs a proxy beside it");
    if (s->proxy_password[0] && !s->proxy_user[0])
        return ds_fail(err, DS_EINVAL, "proxy_password needs proxy_user beside it");
    if (strchr(s->proxy, '@'))
        return ds_fail(err, DS_EINVAL, "proxy has a user in it: use proxy_user and proxy_password");
    if (s->client_key[0] && !s->client_cert[0])
        return ds_fail(err, DS_EINVAL, "client_key needs client_cert beside it");
    return endpoint_parse(&metadata, s->metadata_endpoint, err);
}

static uint64_t number(const struct ds_kv *kv, size_t n, const char *key)
{
    return strtoull(value(kv, n, key), NULL, 10);
}

static int read_all(struct settings *s, const struct ds_kv *kv, size_t n, struct ds_error *err)
{
    const char *lock = value(kv, n, "object_lock");
    char endpoint[URL_HOST_MAX + 10];
    int rc = check_bucket(s, err);
    if (!rc)
        rc = read_endpoint(s, kv, n, err);
    if (!rc)
        rc = read_addressing(s, value(kv, n, "addressing"), err);
    if (!rc)
        rc = read_prefix(s, value(kv, n, "prefix"), err);
    if (!rc)
        rc = check_storage_class(s, err);
    if (!rc)
        rc = read_credentials(s, value(kv, n, "credentials"), err);
    if (!rc)
        rc = check_network(s, err);
    s->lock_mode = strcmp(lock, "governance") == 0   ? "GOVERNANCE"
                   : strcmp(lock, "compliance") == 0 ? "COMPLIANCE"
                                                     : "";
    s->verify = strcmp(value(kv, n, "verify"), "false") != 0;
    s->timeout_ns = number(kv, n, "timeout");
    s->max_in_flight = (unsigned)number(kv, n, "max_in_flight");
    endpoint_text(endpoint, sizeof endpoint, &s->endpoint);
    snprintf(s->location, sizeof s->location, "%.160s, bucket %s%s%.40s", endpoint, s->bucket,
             s->prefix[0] ? ", prefix " : "", s->prefix);
    return rc;
}

int settings_read(struct settings *s, const struct ds_kv *kv, size_t n, struct ds_error *err)
{
    memset(s, 0, sizeof *s);
    s->values = malloc(size_of(kv, n));
    if (!s->values)
        return ds_fail(err, DS_ENOMEM, "no memory for the options");
    copy_values(s, kv, n);
    int rc = read_all(s, kv, n, err);
    if (rc)
        settings_free(s);
    return rc;
}

void settings_free(struct settings *s)
{
    free(s->values);
    s->values = NULL;
}
