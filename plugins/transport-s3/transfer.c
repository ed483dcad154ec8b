/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.c - see transfer.h. libcurl looks at the environment for proxies unless it is given one:
 * here it always is, if only "". */
#include "s3.h"

#define CONNECT_MS 30000L
#define RECEIVE_BYTES (128L << 10)
#define SEND_BYTES (256L << 10)

static long seconds_up(uint64_t ns)
{
    return (long)((ns + 999999999) / 1000000000);
}

static void set_limits(struct s3 *s3, CURL *easy, uint64_t deadline_ns)
{
    uint64_t now = s3->host->now_mono(s3->host->ctx);
    long timeout = seconds_up(s3->settings.timeout_ns);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs delays no cancel */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout * 1000 < CONNECT_MS ? timeout * 1000 : CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, timeout);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, s3->doubt_names ? 0L : 60L);
    if (deadline_ns) {
        uint64_t left = deadline_ns > now ? (deadline_ns - now) / 1000000 : 0;
        curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, left < 1 ? 1L : left < 86400000 ? (long)left
                                                                                   : 86400000L);
    }
}

static void set_tls(const struct settings *settings, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, settings->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, settings->verify ? 2L : 0L);
    /* where the library has no file of its own, the system's certificates */
    curl_easy_setopt(easy, CURLOPT_SSL_OPTIONS, (long)CURLSSLOPT_NATIVE_CA);
    curl_easy_setopt(easy, CURLOPT_PROXY_SSL_OPTIONS, (long)CURLSSLOPT_NATIVE_CA);
    if (settings->client_cert[0]) {
        const char *key = settings->client_key[0] ? settings->client_key : settings->client_cert;
        curl_easy_setopt(easy, CURLOPT_SSLCERT, settings->client_cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, key);
    }
}

static void set_ca_file(CURL *easy, const char *path)
{
    curl_easy_setopt(easy, CURLOPT_SSL_OPTIONS, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, path);
    curl_easy_setopt(easy, CURLOPT_PROXY_CAINFO, path);
}

static void set_http(CURL *easy, const char *url)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    /* Many connections carry large bodies better than one that shares its window among them. */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, S3_AGENT);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, SEND_BYTES);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
}

int transfer_begin(struct s3 *s3, struct transfer *transfer, const char *url, uint64_t deadline_ns,
                   struct ds_error *err)
{
    transfer->said[0] = 0;
    transfer->headers = NULL;
    transfer->no_memory = false;
    transfer->easy = curl_easy_init();
    if (!transfer->easy)
        return ds_fail_retry(err, DS_ENOMEM, DS_RETRY_SAME, "no memory for a request to %s", url);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->said);
    set_http(transfer->easy, url);
    set_limits(s3, transfer->easy, deadline_ns);
    set_tls(&s3->settings, transfer->easy);
    if (s3->settings.ca_file[0])
        set_ca_file(transfer->easy, s3->settings.ca_file);
    transfer_header(transfer, "Expect", ""); /* no pause for a "100 Continue" */
    return DS_OK;
}

/* ---- proxy ---- */

struct proxying {
    const struct settings *settings;
    CURL *easy;
};

static int environment_says(void *ud, const char *key, const char *value)
{
    struct proxying *p = ud;
    if (strcmp(key, "proxy") == 0 && !p->settings->proxy[0])
        curl_easy_setopt(p->easy, CURLOPT_PROXY, value);
    else if (strcmp(key, "no_proxy") == 0 && !p->settings->no_proxy[0])
        curl_easy_setopt(p->easy, CURLOPT_NOPROXY, value);
    else if (strcmp(key, "ca_file") == 0 && !p->settings->ca_file[0])
        set_ca_file(p->easy, value);
    return 0;
}

static int use_password(void *ud, const char *secret, size_t len)
{
    struct strbuf text = STRBUF_INIT(4096);
    strbuf_add(&text, secret, len);
    curl_easy_setopt(ud, CURLOPT_PROXYPASSWORD, strbuf_str(&text));
    strbuf_free(&text);
    return DS_OK;
}

void transfer_through_proxy(struct s3 *s3, struct transfer *transfer)
{
    const struct settings *settings = &s3->settings;
    struct proxying proxying = { settings, transfer->easy };
    char url[URL_HOST_MAX + 10];
    endpoint_text(url, sizeof url, &s3->endpoint);
    if (s3->host->net)
        s3->host->net(s3->host->ctx, url, environment_says, &proxying);
    if (settings->proxy[0])
        curl_easy_setopt(transfer->easy, CURLOPT_PROXY,
                         strcmp(settings->proxy, "none") == 0 ? "" : settings->proxy);
    if (settings->no_proxy[0])
        curl_easy_setopt(transfer->easy, CURLOPT_NOPROXY, settings->no_proxy);
    if (settings->proxy_user[0]) {
        struct ds_error ignored = DS_ERROR_INIT; /* the proxy then says 407 */
        curl_easy_setopt(transfer->easy, CURLOPT_PROXYUSERNAME, settings->proxy_user);
        curl_easy_setopt(transfer->easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_ANY);
        if (settings->proxy_password[0])
            s3->host->secret(s3->host->ctx, settings->proxy_password, use_password, transfer->easy,
                             &ignored);
    }
}

/* ---- headers and the loop ---- */

void transfer_header(struct transfer *transfer, const char *name, const char *value)
{
    struct strbuf line = STRBUF_INIT((size_t)32 << 10);
    strbuf_printf(&line, "%s:%s%s", name, value[0] ? " " : "", value);
    struct curl_slist *more = line.failed ? NULL : curl_slist_append(transfer->headers, line.data);
    if (more)
        transfer->headers = more;
    else
        transfer->no_memory = true;
    strbuf_free(&line);
}

int transfer_go(struct s3 *s3, struct transfer *transfer, struct ds_error *err)
{
    curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, transfer->headers);
    if (transfer->no_memory || curl_multi_add_handle(s3->multi, transfer->easy) != CURLM_OK)
        return ds_fail_retry(err, DS_ENOMEM, DS_RETRY_SAME, "no memory for a request to the store");
    transfer->next = s3->running;
    transfer->link = &s3->running;
    if (transfer->next)
        transfer->next->link = &transfer->next;
    s3->running = transfer;
    return DS_OK;
}

void transfer_end(struct s3 *s3, struct transfer *transfer)
{
    if (transfer->link) {
        *transfer->link = transfer->next;
        if (transfer->next)
            transfer->next->link = transfer->link;
        transfer->link = NULL;
        transfer->next = NULL;
        curl_multi_remove_handle(s3->multi, transfer->easy);
    }
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->headers);
    transfer->easy = NULL;
    transfer->headers = NULL;
}

/* ---- failures ---- */

struct failure {
    CURLcode code;
    int status;
    uint32_t retry;
    const char *remedy;
};

static const struct failure failures[] = {
    { CURLE_COULDNT_RESOLVE_HOST, DS_ENETWORK, DS_RETRY_SAME,
      "; check endpoint and the name server" },
    { CURLE_COULDNT_RESOLVE_PROXY, DS_ENETWORK, DS_RETRY_SAME, "; check proxy" },
    { CURLE_COULDNT_CONNECT, DS_ENETWORK, DS_RETRY_SAME,
      "; is the service up, and does a firewall let us through?" },
    { CURLE_OPERATION_TIMEDOUT, DS_ETIMEDOUT, DS_RETRY_SAME, "" },
    { CURLE_SEND_ERROR, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_RECV_ERROR, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_GOT_NOTHING, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_PARTIAL_FILE, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_SEND_FAIL_REWIND, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_AGAIN, DS_ENETWORK, DS_RETRY_SAME, "" },
    { CURLE_WEIRD_SERVER_REPLY, DS_ENETWORK, DS_RETRY_NEVER,
      "; is endpoint the address of an S3 service, and https where it has to be?" },
    { CURLE_SSL_CONNECT_ERROR, DS_ENETWORK, DS_RETRY_SAME,
      "; the service must speak TLS 1.2 or newer" },
    { CURLE_PEER_FAILED_VERIFICATION, DS_ENETWORK, DS_RETRY_NEVER,
      "; if the certificate is your own authority's, name it by ca_file" },
    { CURLE_SSL_CERTPROBLEM, DS_EINVAL, DS_RETRY_NEVER, "; check client_cert and client_key" },
    { CURLE_SSL_CACERT_BADFILE, DS_EINVAL, DS_RETRY_NEVER, "; check ca_file" },
    { CURLE_PROXY, DS_ENETWORK, DS_RETRY_SAME, "; check proxy" },
    { CURLE_OUT_OF_MEMORY, DS_ENOMEM, DS_RETRY_SAME, "" },
    { CURLE_UNSUPPORTED_PROTOCOL, DS_EINVAL, DS_RETRY_NEVER, "" },
    { CURLE_URL_MALFORMAT, DS_EINVAL, DS_RETRY_NEVER, "" },
};

int transfer_classify(const struct transfer *transfer, CURLcode code, const char *what,
                      const char *whom, struct ds_error *err)
{
    static const struct failure other = { CURLE_OK, DS_ENETWORK, DS_RETRY_SAME, "" };
    const struct failure *failure = &other;
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].code == code)
            failure = &failures[i];
    const char *said = transfer->said[0] ? transfer->said : curl_easy_strerror(code);
    ds_fail_retry(err, failure->status, failure->retry, "%s%s%s: %.150s%s", what,
                  whom[0] ? " at " : "", whom, said, failure->remedy);
    ds_error_native(err, DS_DOMAIN_CURL, (int32_t)code);
    return failure->status;
}
