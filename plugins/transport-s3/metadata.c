/* SPDX-License-Identifier: Apache-2.0 */
/* metadata.c - see metadata.h. The service is a link-local address of the machine: no proxy, short
 * time limits, and its absence is no news where keys are looked for everywhere. */
#include "metadata.h"

#include "moment.h"
#include "s3.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define ROLES "/latest/meta-data/iam/security-credentials/"
#define CONNECT_MS 1000L
#define TOTAL_MS 5000L
#define ANSWER_MAX 16384u

enum step { STEP_TOKEN, STEP_ROLE, STEP_KEYS };

struct metadata {
    struct transfer transfer; /* first */
    struct s3 *s3;
    enum step step;
    struct strbuf answer, token, role;
    char host[URL_HOST_MAX + 10];
};

bool metadata_member(char *out, size_t size, const char *json, const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\"", name);
    const char *p = strstr(json, wanted);
    if (!p)
        return false;
    p += strlen(wanted);
    p += strspn(p, " \t\r\n");
    if (*p++ != ':')
        return false;
    p += strspn(p, " \t\r\n");
    if (*p++ != '"')
        return false;
    size_t n = 0;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1] == '/') /* the one escape that some writers have for keys */
            p++;
        else if (*p == '\\')
            return false;
        if (n + 1 >= size)
            return false;
        out[n++] = *p;
    }
    out[n] = 0;
    return *p == '"';
}

static void metadata_free(struct metadata *m)
{
    transfer_end(m->s3, &m->transfer);
    strbuf_free(&m->answer);
    strbuf_free(&m->token);
    strbuf_free(&m->role);
    m->s3->credentials.metadata = NULL;
    free(m);
}

static void finish(struct metadata *m, int rc, const struct ds_error *err)
{
    struct credentials *c = &m->s3->credentials;
    c->failure = rc;
    if (rc) {
        c->failed = *err;
        c->failed_ns = m->s3->host->now_mono(m->s3->host->ctx);
    }
    metadata_free(m);
}

static size_t on_body(char *data, size_t one, size_t n, void *ud)
{
    struct metadata *m = ud;
    strbuf_add(&m->answer, data, one * n);
    return m->answer.failed ? 0 : one * n;
}

static int send_step(struct metadata *m, struct ds_error *err)
{
    static const char *const paths[] = { "/latest/api/token", ROLES, ROLES };
    struct strbuf url = STRBUF_INIT(2048);
    strbuf_printf(&url, "%s%s", m->host, paths[m->step]);
    if (m->step == STEP_KEYS)
        url_encode(&url, strbuf_str(&m->role), false);
    strbuf_reset(&m->answer);
    int rc = url.failed ? ds_fail(err, DS_EFORMAT, "the name of this machine's role is too long")
                        : transfer_begin(m->s3, &m->transfer, url.data, 0, err);
    if (!rc) {
        CURL *easy = m->transfer.easy;
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, m);
        curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TOTAL_MS);
        if (m->step == STEP_TOKEN) {
            curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
            transfer_header(&m->transfer, "X-aws-ec2-metadata-token-ttl-seconds", "21600");
        } else {
            transfer_header(&m->transfer, "X-aws-ec2-metadata-token", strbuf_str(&m->token));
        }
        rc = transfer_go(m->s3, &m->transfer, err);
    }
    strbuf_free(&url);
    return rc;
}

static int take_keys(struct metadata *m, struct ds_error *err)
{
    char access[160] = "", secret[160] = "", expiry[40] = "";
    char *session = calloc(1, ANSWER_MAX);
    const char *json = strbuf_str(&m->answer);
    struct credentials_found found = { .source = CREDENTIALS_INSTANCE, .access_key = access,
                                       .secret_key = secret, .session_token = session };
    int rc = DS_OK;
    if (!session)
        return ds_fail(err, DS_ENOMEM, "no memory for the keys of this machine");
    if (!metadata_member(access, sizeof access, json, "AccessKeyId") ||
        !metadata_member(secret, sizeof secret, json, "SecretAccessKey") ||
        !metadata_member(session, ANSWER_MAX, json, "Token") ||
        !metadata_member(expiry, sizeof expiry, json, "Expiration") ||
        !moment_parse_iso(&found.expires_ns, expiry))
        rc = ds_fail(err, DS_EFORMAT,
                     "the instance metadata at %s holds no keys for the role %.80s", m->host,
                     strbuf_str(&m->role));
    found.access_len = strlen(access);
    found.secret_len = rc ? 0 : strlen(secret);
    found.session_len = strlen(session);
    if (!rc)
        rc = credentials_take(m->s3, &found, err);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(session, ANSWER_MAX);
    free(session);
    return rc;
}

static int next_step(struct metadata *m, struct ds_error *err)
{
    const char *text = strbuf_str(&m->answer);
    size_t line = strcspn(text, "\r\n");
    switch (m->step) {
    case STEP_TOKEN:
        strbuf_add(&m->token, text, line);
        m->step = STEP_ROLE;
        return send_step(m, err);
    case STEP_ROLE:
        strbuf_add(&m->role, text, line);
        if (!m->role.len)
            return ds_fail(err, DS_EACCES, "this machine has no role that gives it keys");
        m->step = STEP_KEYS;
        return send_step(m, err);
    default:
        return take_keys(m, err);
    }
}

static void step_ended(struct transfer *transfer, CURLcode code)
{
    struct metadata *m = (struct metadata *)transfer;
    struct ds_error err = DS_ERROR_INIT;
    bool last = m->step == STEP_KEYS;
    long http = 0;
    int rc = DS_OK;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &http);
    if (code != CURLE_OK)
        rc = transfer_classify(transfer, code, "cannot ask this machine's metadata", m->host, &err);
    else if (http != 200)
        rc = ds_fail(&err, http == 404 ? DS_EACCES : DS_ENETWORK,
                     "the instance metadata at %s answers %ld: has this machine a role?", m->host,
                     http);
    transfer_end(m->s3, transfer);
    if (!rc)
        rc = next_step(m, &err);
    if (rc || last)
        finish(m, rc, &err);
}

static void abandon(struct transfer *transfer)
{
    metadata_free((struct metadata *)transfer);
}

int metadata_fetch(struct s3 *s3, struct ds_error *err)
{
    struct metadata *m = calloc(1, sizeof *m);
    struct endpoint endpoint;
    if (!m)
        return ds_fail(err, DS_ENOMEM, "no memory to ask for keys");
    m->s3 = s3;
    m->transfer.ended = step_ended;
    m->transfer.abandon = abandon;
    m->answer.max = ANSWER_MAX;
    m->token.max = 1024;
    m->role.max = 256;
    s3->credentials.metadata = m;
    int rc = endpoint_parse(&endpoint, s3->settings.metadata_endpoint, err);
    endpoint_text(m->host, sizeof m->host, &endpoint);
    if (!rc)
        rc = send_step(m, err);
    if (rc)
        metadata_free(m);
    return rc;
}

void metadata_abandon(struct s3 *s3)
{
    if (s3->credentials.metadata)
        metadata_free(s3->credentials.metadata);
}
