/* SPDX-License-Identifier: Apache-2.0 */
/* meta.c - see meta.h. */
#include "core/gateway/meta.h"

#include "core/base/text.h"

static void line(struct dynbuf *out, const char *word, const char *value)
{
    if (*value)
        dynbuf_printf(out, "%s %s\n", word, value);
}

bool meta_write(struct dynbuf *out, const struct meta *meta)
{
    size_t before = out->len;
    line(out, "etag", meta->etag);
    line(out, "sha256", meta->sha256);
    line(out, "mode", meta->lock_mode);
    if (*meta->lock_mode)
        dynbuf_printf(out, "until %lld\n", (long long)meta->retain_until_s);
    if (meta->legal_hold)
        line(out, "hold", "on");
    line(out, "class", meta->storage_class);
    line(out, "type", meta->type);
    for (const char *p = meta->user; *p;) {
        int n = (int)strcspn(p, "\n");
        dynbuf_printf(out, "user %.*s\n", n, p);
        p += n;
        p += *p == '\n';
    }
    return dynbuf_ok(out) && out->len - before <= META_MAX;
}

static bool read_user(struct meta *out, const char *value)
{
    size_t len = strlen(out->user), n = strlen(value);
    if (len + n + 2 > sizeof out->user || !strchr(value, ':'))
        return false;
    memcpy(out->user + len, value, n);
    memcpy(out->user + len + n, "\n", 2);
    return true;
}

static bool read_line(struct meta *out, const char *word, const char *value)
{
    uint64_t until;
    if (strcmp(word, "etag") == 0)
        return text_copy(out->etag, sizeof out->etag, value);
    if (strcmp(word, "sha256") == 0)
        return text_copy(out->sha256, sizeof out->sha256, value);
    if (strcmp(word, "mode") == 0)
        return text_copy(out->lock_mode, sizeof out->lock_mode, value);
    if (strcmp(word, "class") == 0)
        return text_copy(out->storage_class, sizeof out->storage_class, value);
    if (strcmp(word, "type") == 0)
        return text_copy(out->type, sizeof out->type, value);
    if (strcmp(word, "user") == 0)
        return read_user(out, value);
    if (strcmp(word, "hold") == 0)
        out->legal_hold = true;
    if (strcmp(word, "until") == 0) {
        if (!text_parse_u64(&until, value, INT64_MAX))
            return false;
        out->retain_until_s = (int64_t)until;
    }
    return true;
}

bool meta_read(struct meta *out, const void *data, size_t len)
{
    char text[META_MAX + 1], *p = text;
    *out = (struct meta){ .retain_until_s = 0 };
    if (len > META_MAX || memchr(data, 0, len))
        return false;
    memcpy(text, data, len);
    text[len] = 0;
    while (*p) {
        char *end = strchr(p, '\n'), *space;
        if (!end)
            return false;
        *end = 0;
        space = strchr(p, ' ');
        if (!space)
            return false;
        *space = 0;
        if (!read_line(out, p, space + 1))
            return false;
        p = end + 1;
    }
    return true;
}

bool meta_is_locked(const struct meta *meta, int64_t now_s, bool bypass_governance)
{
    if (meta->legal_hold)
        return true;
    if (!*meta->lock_mode || meta->retain_until_s <= now_s)
        return false;
    return !(bypass_governance && strcmp(meta->lock_mode, "GOVERNANCE") == 0);
}
