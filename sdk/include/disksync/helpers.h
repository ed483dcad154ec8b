/* SPDX-License-Identifier: Apache-2.0 */
/* disksync/helpers.h - small inline helpers that plugins (and core) use to honour the ABI. */
#ifndef DISKSYNC_HELPERS_H
#define DISKSYNC_HELPERS_H

#include <disksync/abi.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DS_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define DS_PRINTF(f, a)
#endif
#if defined(__MINGW32__)
#undef DS_PRINTF
#define DS_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#endif

#define DS_ERROR_INIT { (uint32_t)sizeof(struct ds_error), 0, 0, 0, 0, 0, { 0 } }

static inline int ds_error_vset(struct ds_error *err, int code, uint32_t retry, const char *fmt,
                                va_list ap)
{
    if (err && err->size > offsetof(struct ds_error, msg)) {
        size_t room = err->size - offsetof(struct ds_error, msg);
        char *c;
        if (room > sizeof err->msg)
            room = sizeof err->msg;
        err->code = code;
        err->os_code = 0;
        err->os_domain = DS_DOMAIN_NONE;
        err->retry = retry;
        err->retry_after_ms = 0;
        vsnprintf(err->msg, room, fmt, ap);
        for (c = err->msg; *c; c++)
            if ((unsigned char)*c < 0x20)
                *c = ' ';
    }
    return code;
}

/* Fills *err (may be NULL) and returns code; not to be retried. */
DS_PRINTF(3, 4)
static inline int ds_fail(struct ds_error *err, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    ds_error_vset(err, code, DS_RETRY_NEVER, fmt, ap);
    va_end(ap);
    return code;
}

/* As ds_fail, with the retry class. */
DS_PRINTF(4, 5)
static inline int ds_fail_retry(struct ds_error *err, int code, uint32_t retry, const char *fmt,
                                ...)
{
    va_list ap;
    va_start(ap, fmt);
    ds_error_vset(err, code, retry, fmt, ap);
    va_end(ap);
    return code;
}

/* Adds the system's own number to an error that ds_fail filled. */
static inline void ds_error_native(struct ds_error *err, uint32_t domain, int32_t os_code)
{
    if (err && err->size > offsetof(struct ds_error, retry)) {
        err->os_domain = domain;
        err->os_code = os_code;
    }
}

/* The value of an option, or def. For lists, the first. */
static inline const char *ds_kv_get(const struct ds_kv *kv, size_t n, const char *key,
                                    const char *def)
{
    size_t i;
    for (i = 0; i < n; i++)
        if (strcmp(kv[i].key, key) == 0)
            return kv[i].value;
    return def;
}

static inline int ds_token_equal(const struct ds_token *a, const struct ds_token *b)
{
    return memcmp(a->bytes, b->bytes, DS_TOKEN_SIZE) == 0;
}

#ifdef __cplusplus
}
#endif
#endif
