/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.c - see credentials.h. Files and variables are read through the host's service for
 * secrets, which warns of files that others may read. */
#include "s3.h"

#include "metadata.h"
#include "moment.h"
#include "profile.h"

#include <openssl/crypto.h>

#define REFRESH_NS (300 * MOMENT_SECOND) /* before they expire */
#define MARGIN_NS (10 * MOMENT_SECOND)
#define FAILURE_NS (UINT64_C(3) * 1000000000)
#define TOKEN_MAX 16384u

void credentials_start(struct credentials *c)
{
    memset(c, 0, sizeof *c);
    c->session_token.max = TOKEN_MAX;
}

void credentials_free(struct s3 *s3)
{
    struct credentials *c = &s3->credentials;
    metadata_abandon(s3);
    strbuf_free(&c->session_token);
    OPENSSL_cleanse(c->key, sizeof c->key);
}

/* Header values: what has line breaks or other controls in it is no key. */
static bool is_plain(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f)
            return false;
    return true;
}

int credentials_take(struct s3 *s3, const struct credentials_found *found, struct ds_error *err)
{
    struct credentials *c = &s3->credentials;
    c->ready = false;
    if (!found->access_len || found->access_len >= sizeof c->access_key ||
        !is_plain(found->access_key, found->access_len) || !found->secret_len)
        return ds_fail(err, DS_EINVAL, "the access key of the store is empty, too long, or holds "
                                       "blanks");
    memcpy(c->access_key, found->access_key, found->access_len);
    c->access_key[found->access_len] = 0;
    strbuf_reset(&c->session_token);
    if (found->session_len)
        strbuf_add(&c->session_token, found->session_token, found->session_len);
    if (!is_plain(strbuf_str(&c->session_token), c->session_token.len))
        return ds_fail(err, DS_EINVAL, "the session token of the store holds blanks");
    if (c->session_token.failed || !sign_key(c->key, found->secret_key, found->secret_len, c->day,
                                             c->region, "s3"))
        return ds_fail(err, DS_ENOMEM, "no memory for the keys of the store");
    c->source = found->source;
    c->expires_ns = found->expires_ns;
    c->ready = true;
    return DS_OK;
}

/* ---- references: of the policy, and names of variables ---- */

struct references {
    struct s3 *s3;
    const char *access, *secret, *session; /* session "" = none */
    enum credentials_choice source;
    bool session_may_lack;
    struct strbuf access_text, session_text;
    struct ds_error *err;
};

static int keep_text(void *ud, const char *secret, size_t len)
{
    strbuf_add(ud, secret, len);
    return DS_OK;
}

static int take_secret(void *ud, const char *secret, size_t len)
{
    struct references *r = ud;
    struct credentials_found found = { .source = r->source, .secret_key = secret,
                                       .secret_len = len };
    found.access_key = strbuf_str(&r->access_text);
    found.access_len = r->access_text.len;
    found.session_token = strbuf_str(&r->session_text);
    found.session_len = r->session_text.len;
    if (r->access_text.failed || r->session_text.failed)
        return ds_fail(r->err, DS_EINVAL, "the keys of the store are too long");
    return credentials_take(r->s3, &found, r->err);
}

static int read_references(struct references *r)
{
    const struct ds_host *host = r->s3->host;
    r->access_text.max = 256;
    r->session_text.max = TOKEN_MAX;
    int rc = host->secret(host->ctx, r->access, keep_text, &r->access_text, r->err);
    if (!rc && r->session[0])
        rc = host->secret(host->ctx, r->session, keep_text, &r->session_text, r->err);
    if (rc == DS_ENOENT && r->access_text.len && r->session_may_lack)
        rc = DS_OK;
    if (!rc)
        rc = host->secret(host->ctx, r->secret, take_secret, r, r->err);
    strbuf_free(&r->access_text);
    strbuf_free(&r->session_text);
    return rc;
}

static int from_policy(struct s3 *s3, struct ds_error *err)
{
    const struct settings *settings = &s3->settings;
    struct references r = { .s3 = s3, .err = err, .source = CREDENTIALS_POLICY };
    r.access = settings->access_key;
    r.secret = settings->secret_key;
    r.session = settings->session_token;
    return read_references(&r);
}

static int from_environment(struct s3 *s3, struct ds_error *err)
{
    struct references r = { .s3 = s3, .err = err, .source = CREDENTIALS_ENVIRONMENT,
                            .access = "env:AWS_ACCESS_KEY_ID",
                            .secret = "env:AWS_SECRET_ACCESS_KEY",
                            .session = "env:AWS_SESSION_TOKEN", .session_may_lack = true };
    return read_references(&r);
}

/* ---- the shared file ---- */

struct file {
    struct s3 *s3;
    const char *path, *profile;
    struct ds_error *err;
};

static int take_file(void *ud, const char *text, size_t len)
{
    struct file *file = ud;
    struct profile profile;
    profile_parse(&profile, text, len, file->profile);
    if (!profile.found)
        return ds_fail(file->err, DS_ENOENT, "%.200s has no profile %.60s", file->path,
                       file->profile);
    if (!profile.access_key.n || !profile.secret_key.n)
        return ds_fail(file->err, DS_EINVAL,
                       "the profile %.60s in %.200s lacks aws_access_key_id or "
                       "aws_secret_access_key", file->profile, file->path);
    struct credentials_found found = {
        .source = CREDENTIALS_FILE,
        .access_key = profile.access_key.text, .access_len = profile.access_key.n,
        .secret_key = profile.secret_key.text, .secret_len = profile.secret_key.n,
        .session_token = profile.session_token.text, .session_len = profile.session_token.n,
    };
    return credentials_take(file->s3, &found, file->err);
}

/* The value of a variable, or what stands in for it. */
static void variable(const struct ds_host *host, struct strbuf *out, const char *ref)
{
    struct ds_error ignored = DS_ERROR_INIT;
    host->secret(host->ctx, ref, keep_text, out, &ignored);
}

static void default_path(const struct ds_host *host, struct strbuf *path)
{
    variable(host, path, "env:AWS_SHARED_CREDENTIALS_FILE");
    if (path->len)
        return;
    variable(host, path, "env:HOME");
    if (!path->len)
        variable(host, path, "env:USERPROFILE");
    if (path->len)
        strbuf_text(path, "/.aws/credentials");
}

static int from_file(struct s3 *s3, struct ds_error *err)
{
    const struct ds_host *host = s3->host;
    struct strbuf path = STRBUF_INIT(4096), name = STRBUF_INIT(256), ref = STRBUF_INIT(4200);
    int rc = DS_OK;
    strbuf_text(&path, s3->settings.credentials_file);
    if (!path.len)
        default_path(host, &path);
    strbuf_text(&name, s3->settings.profile);
    if (!name.len)
        variable(host, &name, "env:AWS_PROFILE");
    if (!name.len)
        strbuf_text(&name, "default");
    strbuf_printf(&ref, "file:%s", strbuf_str(&path));
    struct file file = { s3, strbuf_str(&path), strbuf_str(&name), err };
    if (!path.len)
        rc = ds_fail(err, DS_ENOENT, "no home folder is known that could hold .aws/credentials");
    else if (ref.failed || path.failed || name.failed)
        rc = ds_fail(err, DS_EINVAL, "the path of the credentials file is too long");
    else
        rc = host->secret(host->ctx, ref.data, take_file, &file, err);
    strbuf_free(&path);
    strbuf_free(&name);
    strbuf_free(&ref);
    return rc;
}

/* ---- the instance ---- */

static int from_instance(struct s3 *s3, struct ds_error *err)
{
    struct credentials *c = &s3->credentials;
    if (c->failure && s3->host->now_mono(s3->host->ctx) - c->failed_ns < FAILURE_NS) {
        *err = c->failed;
        return c->failure;
    }
    c->failure = 0;
    int rc = c->metadata ? DS_OK : metadata_fetch(s3, err);
    return rc ? rc : CREDENTIALS_PENDING;
}

/* ---- choice ---- */

static int from_anywhere(struct s3 *s3, struct ds_error *err)
{
    bool asked = s3->credentials.metadata != NULL; /* the others had none a moment ago */
    int rc = asked ? DS_ENOENT : from_environment(s3, err);
    if (rc == DS_ENOENT && !asked)
        rc = from_file(s3, err);
    if (rc == DS_ENOENT)
        rc = from_instance(s3, err);
    if (rc < 0 && err->code == DS_ENETWORK)
        ds_fail(err, DS_EACCES,
                "there are no keys for the store: name access_key and secret_key in the policy, or "
                "a profile; this machine's environment, ~/.aws/credentials and "
                "instance metadata have none either");
    return rc < 0 ? err->code : rc;
}

static int load(struct s3 *s3, struct ds_error *err)
{
    switch (s3->settings.credentials) {
    case CREDENTIALS_POLICY:
        return from_policy(s3, err);
    case CREDENTIALS_ENVIRONMENT:
        return from_environment(s3, err);
    case CREDENTIALS_FILE:
        return from_file(s3, err);
    case CREDENTIALS_INSTANCE:
        return from_instance(s3, err);
    default:
        return from_anywhere(s3, err);
    }
}

int credentials_need(struct s3 *s3, const char *day, const char *region, struct ds_error *err)
{
    struct credentials *c = &s3->credentials;
    int64_t left = c->expires_ns ? c->expires_ns - s3->host->now_wall(s3->host->ctx) : INT64_MAX;
    if (c->ready && left > MARGIN_NS && strncmp(c->day, day, 8) == 0 &&
        strcmp(c->region, region) == 0) {
        struct ds_error ignored = DS_ERROR_INIT;
        if (left < REFRESH_NS && c->source == CREDENTIALS_INSTANCE && !c->metadata && !c->failure)
            metadata_fetch(s3, &ignored); /* while the present ones still serve */
        return DS_OK;
    }
    c->ready = false;
    memcpy(c->day, day, 8);
    str_copy(c->region, sizeof c->region, region);
    return load(s3, err);
}

bool credentials_expired(struct s3 *s3)
{
    struct credentials *c = &s3->credentials;
    /* Read again, a variable says the same; a file may have been renewed by its owner. */
    bool other = c->source != CREDENTIALS_ENVIRONMENT && strcmp(c->refused, c->access_key) != 0;
    str_copy(c->refused, sizeof c->refused, c->access_key);
    c->ready = false;
    return other;
}
