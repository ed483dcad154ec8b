/* SPDX-License-Identifier: Apache-2.0 */
/* s3.h - one request and its answer, from the head of the request on: which operation it is, if it
 * may, what it does. The connection calls s3_begin when the head is there, s3_body with what the
 * body brings, s3_end when it is whole; then it sends the reply. s3_begin and s3_body run on the
 * loop thread and don't wait; s3_end may wait, and runs on a worker. */
#ifndef CORE_GATEWAY_S3_H
#define CORE_GATEWAY_S3_H

#include "core/gateway/faults.h"
#include "core/gateway/gateway.h"
#include "core/gateway/sign.h"

#include <openssl/evp.h>

#define S3_HEAD_MAX 8192u

struct s3_reply {
    int status;            /* 0: not decided yet */
    struct dynbuf head;    /* lines NAME: VALUE CR LF, without those that every reply has */
    struct dynbuf body;
    struct store_object object; /* the body, where its handle is one */
    uint64_t offset, length;    /* of the object; length of the body also for HEAD */
    bool bodyless;         /* HEAD, 204, 304 */
    bool close;            /* the connection can't go on */
};

struct exchange;
struct s3_operation {
    const char *name, *method;
    int scope;              /* 0 the service, 1 a bucket, 2 a key */
    const char *parameter;  /* that makes it this one; NULL: none */
    const char *allowed;    /* other parameters, separated and surrounded by spaces */
    enum access_right right;
    bool document;          /* its body is kept whole */
    void (*begin)(struct exchange *x); /* NULL: nothing; a body is then refused */
    void (*end)(struct exchange *x);
};

struct exchange {
    const struct gateway_config *config;
    int64_t now_ns;         /* the server's clock, skewed */
    struct http_request http;
    char bucket[BUCKET_MAX + 1], key[KEY_MAX + 1];
    struct uri_query query;
    const struct s3_operation *operation;
    const struct access_key *who;
    struct sign_result sign;
    struct fault fault;
    char id[17];            /* of the request */

    EVP_MD_CTX *md5, *sha256; /* kept over requests; digesting tells that they run */
    bool digesting, hashing;
    uint32_t crc32;
    uint8_t want_md5[16], want_sha256[32], want_crc32[4];
    bool has_md5, has_sha256, has_crc32; /* the client said what they must be */
    struct store_put put;
    bool putting;
    struct meta meta;       /* of what is put */
    struct dynbuf document;
    uint64_t received;      /* bytes of the body */
    struct s3_reply reply;
};

void s3_start(struct exchange *x, const struct gateway_config *config);
/* After http_parse: tells bucket, key and operation, for the log and the faults. Decides the reply
 * where that is impossible. */
void s3_route(struct exchange *x);
/* Signature, rights, headers; opens what takes the body. */
void s3_begin(struct exchange *x);
void s3_body(struct exchange *x, const void *data, size_t n);
void s3_end(struct exchange *x);
/* Forgets the request; what it began and did not end is undone. */
void s3_reset(struct exchange *x);
void s3_free(struct exchange *x);

/* ---- for the operations ---- */

/* The reply becomes this error; text NULL: the usual one. */
void s3_error(struct exchange *x, const char *code, const char *text);
/* As s3_error for a status and code that need not be S3's own. */
void s3_error_status(struct exchange *x, int status, const char *code, const char *text);
/* The S3 error for what a store said. */
void s3_store_error(struct exchange *x, int rc, const struct ds_error *err);
DS_PRINTF(3, 4) void s3_header(struct exchange *x, const char *name, const char *fmt, ...);
/* Begins a reply with an XML document, and ends it. */
struct dynbuf *s3_document(struct exchange *x, const char *root);
void s3_document_end(struct exchange *x, const char *root);
/* True if a reply is decided already. */
static inline bool s3_done(const struct exchange *x)
{
    return x->reply.status != 0;
}
static inline int64_t s3_now(const struct exchange *x)
{
    return x->now_ns / 1000000000;
}
/* True if the client gave some digest of the body, as a few requests require. */
static inline bool s3_has_digest(const struct exchange *x)
{
    return x->has_md5 || x->has_sha256 || x->has_crc32;
}
struct store_guard s3_guard(const struct exchange *x);
/* Ends the digests: what the client said of the body must hold. Fills md5. False: refused. */
bool s3_check_digests(struct exchange *x, uint8_t md5[16]);
/* ISO 8601 as S3 writes it. */
char *s3_time(char out[32], int64_t s);
bool s3_parse_time(int64_t *out, const char *text);
/* "Thu, 01 Jan 1970 00:00:00 GMT" */
char *s3_http_date(char out[32], int64_t s);

/* objects.c */
void object_put_begin(struct exchange *x);
void object_put(struct exchange *x);
void object_get(struct exchange *x);
void object_remove(struct exchange *x);
/* Opens what takes the body, with its digests; headers are checked by the caller. */
void object_take_body(struct exchange *x);
/* Headers that describe an object to be: lock, class, type, user metadata. */
void object_describe(struct exchange *x);
/* Conditions on a write: only "it must not exist" can be kept. False: refused. */
bool object_check_condition(struct exchange *x);
void object_etag(struct exchange *x, const char *etag); /* the header */
/* lock.c */
bool lock_headers(struct exchange *x, struct meta *out);
void lock_put_retention(struct exchange *x);
void lock_get_retention(struct exchange *x);
void lock_put_hold(struct exchange *x);
void lock_get_hold(struct exchange *x);
/* bucket.c */
void bucket_head(struct exchange *x);
void bucket_create(struct exchange *x);
void bucket_location(struct exchange *x);
void bucket_versioning(struct exchange *x);
/* list.c */
void list_objects(struct exchange *x);
/* batch.c */
void batch_remove(struct exchange *x);
/* multipart.c */
void multipart_create_begin(struct exchange *x);
void multipart_create(struct exchange *x);
void multipart_part_begin(struct exchange *x);
void multipart_part(struct exchange *x);
void multipart_complete(struct exchange *x);
void multipart_abort(struct exchange *x);
void multipart_parts(struct exchange *x);
void multipart_list(struct exchange *x);

#endif
