/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - see value.h. Numbers are whole or have up to three decimals, and all arithmetic is
 * exact and checked: no floating point, so that 1.5GiB means the same everywhere. */
#include "core/policy/value.h"

#include "core/base/os.h"
#include "core/base/text.h"

#include <inttypes.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

#define KIB UINT64_C(1024)
#define NS UINT64_C(1000000000)
/* Each in the order in which value_show tries them. */
static const struct unit size_units[] = {
    { "PiB", KIB * KIB * KIB * KIB * KIB },
    { "TiB", KIB * KIB * KIB * KIB },
    { "GiB", KIB * KIB * KIB },
    { "MiB", KIB * KIB },
    { "KiB", KIB },
    { "TB", UINT64_C(1000000000000) },
    { "GB", UINT64_C(1000000000) },
    { "MB", 1000000 },
    { "kB", 1000 },
    { "B", 1 },
    { "T", UINT64_C(1000000000000) },
    { "G", UINT64_C(1000000000) },
    { "M", 1000000 },
    { "k", 1000 },
    { NULL, 0 },
};
static const struct unit rate_units[] = {
    { "GiB/s", KIB * KIB * KIB },
    { "MiB/s", KIB * KIB },
    { "Gbit/s", 125000000 },
    { "Mbit/s", 125000 },
    { "KiB/s", KIB },
    { "kbit/s", 125 },
    { "GB/s", UINT64_C(1000000000) },
    { "MB/s", 1000000 },
    { "kB/s", 1000 },
    { "B/s", 1 },
    { NULL, 0 },
};
static const struct unit duration_units[] = {
    { "d", 86400 * NS }, { "h", 3600 * NS }, { "m", 60 * NS }, { "s", NS },
    { "ms", 1000000 },   { "us", 1000 },     { "ns", 1 },      { NULL, 0 },
};

/* What an option's type is called when something else was found. */
static const char *wanted(uint32_t type)
{
    switch (type) {
    case DS_OPT_BOOL:
        return "true or false";
    case DS_OPT_INT:
        return "a whole number";
    case DS_OPT_SIZE:
        return "a size such as 256MiB (units: B, KiB, MiB, GiB, TiB, PiB; kB, MB, GB, TB)";
    case DS_OPT_DURATION:
        return "a duration such as 15m (units: ns, us, ms, s, m, h, d)";
    case DS_OPT_RATE:
        return "a rate such as 50Mbit/s (units: kbit/s, Mbit/s, Gbit/s, B/s, KiB/s, MiB/s, GiB/s, "
               "kB/s, MB/s, GB/s)";
    case DS_OPT_PERCENT:
        return "a percentage such as 30%";
    case DS_OPT_PATH:
        return "a path";
    case DS_OPT_CHOICE:
        return "one word";
    case DS_OPT_SECRET:
        return "a reference: { env: NAME } or { file: PATH }";
    default:
        return "text";
    }
}

char *value_quote(char out[VALUE_QUOTE], const char *text)
{
    if (!text_copy(out, VALUE_QUOTE - 3, text)) {
        size_t n = strlen(out);
        memcpy(out + n, "...", 4);
    }
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return out;
}

/* ---- nearest words ---- */

struct nearest nearest_to(const char *wrong)
{
    return (struct nearest){ .wrong = wrong };
}

void nearest_add(struct nearest *nearest, const char *word)
{
    size_t longer = strlen(word), typed = strlen(nearest->wrong), n = strlen(nearest->all);
    size_t limit = ((longer > typed ? longer : typed) + 1) / 3;
    size_t distance = text_glob(word, nearest->wrong) ? 0 : text_distance(nearest->wrong, word);
    if (limit < 1)
        limit = 1;
    if (distance <= limit && (!nearest->word || distance < nearest->distance)) {
        nearest->word = word;
        nearest->distance = distance;
    }
    if (nearest->overflow || n + strlen(word) + 3 > sizeof nearest->all)
        nearest->overflow = true;
    else
        snprintf(nearest->all + n, sizeof nearest->all - n, "%s%s", n ? ", " : "", word);
}

char *nearest_hint(const struct nearest *nearest, char *out, size_t cap)
{
    if (nearest->word)
        snprintf(out, cap, "; did you mean `%s`?", nearest->word);
    else if (nearest->all[0])
        snprintf(out, cap, "; valid are: %s%s", nearest->all, nearest->overflow ? ", ..." : "");
    else
        snprintf(out, cap, "; there is none here");
    return out;
}

/* ---- numbers ---- */

struct number {
    uint64_t whole;
    unsigned thousandths;
    bool decimal; /* there was a point */
};

/* Reads digits[.digits] and moves *text behind it. A leading zero is refused: 010 is eight to some
 * readers of YAML and ten to others. */
static bool read_number(const char **text, struct number *number)
{
    const char *p = *text;
    unsigned scale = 100;
    *number = (struct number){ 0, 0, false };
    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        unsigned digit = (unsigned)(*p - '0');
        if (number->whole > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        number->whole = number->whole * 10 + digit;
    }
    if (*p == '.') {
        if (p[1] < '0' || p[1] > '9')
            return false;
        number->decimal = true;
        for (p++; *p >= '0' && *p <= '9'; p++, scale /= 10) {
            if (!scale)
                return false;
            number->thousandths += (unsigned)(*p - '0') * scale;
        }
    }
    *text = p;
    return true;
}

/* number * factor, rounded down; false above INT64_MAX. factor is at most 2^50. */
static bool scale_number(const struct number *number, uint64_t factor, uint64_t *out)
{
    uint64_t part = number->thousandths * factor / 1000;
    if (number->whole > (uint64_t)INT64_MAX / factor)
        return false;
    *out = number->whole * factor;
    if (part > (uint64_t)INT64_MAX - *out)
        return false;
    *out += part;
    return true;
}

static const struct unit *find_unit(const struct unit *units, const char *name, size_t len)
{
    for (; units->name; units++)
        if (strlen(units->name) == len && memcmp(units->name, name, len) == 0)
            return units;
    return NULL;
}

/* One number with a unit, or without one: bytes. */
static bool read_quantity(const struct unit *units, const char *text, uint64_t *out)
{
    struct number number;
    if (!read_number(&text, &number))
        return false;
    while (*text == ' ')
        text++;
    const struct unit *unit = *text ? find_unit(units, text, strlen(text)) : NULL;
    if (*text ? !unit : number.decimal)
        return false;
    return scale_number(&number, unit ? unit->factor : 1, out);
}

/* "15m", "1h30m"; without a unit only 0, since nobody could tell what was meant. */
static bool read_duration(const char *text, uint64_t *out)
{
    *out = 0;
    if (strcmp(text, "0") == 0)
        return true;
    if (!*text)
        return false;
    while (*text) {
        struct number number;
        uint64_t part;
        size_t len = 0;
        if (!read_number(&text, &number))
            return false;
        while (*text == ' ')
            text++;
        while (text[len] >= 'a' && text[len] <= 'z')
            len++;
        const struct unit *unit = find_unit(duration_units, text, len);
        if (!unit || !scale_number(&number, unit->factor, &part) ||
            part > (uint64_t)INT64_MAX - *out)
            return false;
        *out += part;
        text += len;
    }
    return true;
}

static bool read_whole(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    struct number number;
    text += negative;
    if (!read_number(&text, &number) || number.decimal || *text)
        return false;
    *out = negative ? -(int64_t)number.whole : (int64_t)number.whole;
    return true;
}

static bool read_percent(const char *text, int64_t *out)
{
    struct number number;
    if (!read_number(&text, &number) || number.decimal)
        return false;
    while (*text == ' ')
        text++;
    if (*text == '%')
        text++;
    *out = (int64_t)number.whole;
    return !*text;
}

static bool read_numeric(uint32_t type, const char *text, int64_t *out)
{
    uint64_t value = 0;
    bool good;
    switch (type) {
    case DS_OPT_INT:
        return read_whole(text, out);
    case DS_OPT_PERCENT:
        return read_percent(text, out);
    case DS_OPT_SIZE:
        good = read_quantity(size_units, text, &value);
        break;
    case DS_OPT_RATE:
        good = read_quantity(rate_units, text, &value);
        break;
    default:
        good = read_duration(text, &value);
        break;
    }
    *out = (int64_t)value;
    return good;
}

/* The unit that the letters of a wrong quantity come nearest to, as a hint. */
static const char *near_unit(uint32_t type, const char *text)
{
    const struct unit *units = type == DS_OPT_SIZE ? size_units
                             : type == DS_OPT_RATE ? rate_units
                             : type == DS_OPT_DURATION ? duration_units
                                                       : NULL;
    struct number number;
    if (!units || !read_number(&text, &number))
        return NULL;
    while (*text == ' ')
        text++;
    struct nearest nearest = nearest_to(text);
    if (!*text)
        return NULL;
    for (; units->name; units++)
        nearest_add(&nearest, units->name);
    return nearest.word;
}

bool value_is_number(uint32_t type)
{
    return type == DS_OPT_INT || type == DS_OPT_SIZE || type == DS_OPT_DURATION ||
           type == DS_OPT_RATE || type == DS_OPT_PERCENT;
}

static char *show_units(char *out, size_t cap, const struct unit *units, uint64_t value)
{
    for (; value && units->name; units++)
        if (value % units->factor == 0) {
            snprintf(out, cap, "%" PRIu64 "%s", value / units->factor, units->name);
            return out;
        }
    text_copy(out, cap, "0");
    return out;
}

char *value_show(char *out, size_t cap, uint32_t type, const char *canonical)
{
    uint64_t value;
    if (value_is_number(type) && text_parse_u64(&value, canonical, INT64_MAX)) {
        switch (type) {
        case DS_OPT_SIZE:
            return show_units(out, cap, size_units, value);
        case DS_OPT_RATE:
            return show_units(out, cap, rate_units, value);
        case DS_OPT_DURATION:
            return show_units(out, cap, duration_units, value);
        case DS_OPT_PERCENT:
            snprintf(out, cap, "%" PRIu64 "%%", value);
            return out;
        default:
            break;
        }
    }
    text_copy(out, cap, canonical);
    return out;
}

static char *show_number(char *out, size_t cap, uint32_t type, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    return value_show(out, cap, type, text);
}

static int read_ranged(const struct policy_source *src, const struct ds_option *option,
                       const char *where, const struct policy_node *node, const char **value)
{
    int64_t number, min = option->min, max = option->max;
    char found[VALUE_QUOTE], low[32], high[32], text[24];
    value_quote(found, node->text);
    if (!read_numeric(option->type, node->text, &number)) {
        const char *unit = near_unit(option->type, node->text);
        return node_fail(src, node, "%s: found `%s`, wanted %s%s%s%s", where, found,
                         wanted(option->type), unit ? "; did you mean the unit `" : "",
                         unit ? unit : "", unit ? "`?" : "");
    }
    bool any = min == 0 && max == 0;
    if (any && option->type == DS_OPT_PERCENT) {
        max = 100;
        any = false;
    }
    if (!any && (number < min || number > max))
        return node_fail(src, node, "%s: `%s` is out of range; it goes from %s to %s", where, found,
                         show_number(low, sizeof low, option->type, min),
                         show_number(high, sizeof high, option->type, max));
    snprintf(text, sizeof text, "%" PRId64, number);
    *value = arena_text(src->arena, text, strlen(text));
    return *value ? DS_OK : node_no_memory(src);
}

/* ---- the other types ---- */

static int read_bool(const struct policy_source *src, const char *where,
                     const struct policy_node *node, const char **value)
{
    static const char *const words[] = { "true", "false", "yes", "no", "on", "off" };
    char found[VALUE_QUOTE];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (text_glob(words[i], node->text)) {
            *value = i % 2 ? "false" : "true";
            return DS_OK;
        }
    return node_fail(src, node, "%s: found `%s`, wanted %s", where, value_quote(found, node->text),
                     wanted(DS_OPT_BOOL));
}

static int read_path(const struct policy_source *src, const char *where,
                     const struct policy_node *node, const char **value)
{
    char path[OS_PATH_MAX];
    struct ds_error err = DS_ERROR_INIT;
    if (!*node->text)
        return node_fail(src, node, "%s: the path is empty", where);
    if (os_absolute(path, src->folder, node->text, &err))
        return node_fail(src, node, "%s: %.200s", where, err.msg);
    *value = arena_text(src->arena, path, strlen(path));
    return *value ? DS_OK : node_no_memory(src);
}

static int read_choice(const struct policy_source *src, const struct ds_option *option,
                       const char *where, const struct policy_node *node, const char **value)
{
    struct nearest nearest = nearest_to(node->text);
    char found[VALUE_QUOTE], hint[220], word[64];
    const char *p = option->choices ? option->choices : "";
    size_t typed = strlen(node->text);
    /* nearest keeps a pointer to its word: words get copies of their own */
    while (*p) {
        size_t len = strcspn(p, "|");
        if (len == typed && memcmp(p, node->text, len) == 0) {
            *value = node->text;
            return DS_OK;
        }
        snprintf(word, sizeof word, "%.*s", (int)(len < 60 ? len : 60), p);
        const char *copy = arena_text(src->arena, word, strlen(word));
        if (!copy)
            return node_no_memory(src);
        nearest_add(&nearest, copy);
        p += len + (p[len] == '|');
    }
    return node_fail(src, node, "%s: `%s` is none of its words%s", where,
                     value_quote(found, node->text), nearest_hint(&nearest, hint, sizeof hint));
}

static bool is_variable(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 128 || (*name >= '0' && *name <= '9'))
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == n;
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* Nothing of what was found may be in a message here: it may be the secret itself. */
static int read_secret(const struct policy_source *src, const char *where,
                       const struct policy_node *node, const char **value)
{
    const struct policy_node *inner;
    const char *text, *kind;
    int rc;
    if (node->type == NODE_SCALAR)
        return node_fail(
            src, node,
            "%s: a secret itself must not stand in the policy; put it into a file or a "
            "variable and write { file: PATH } or { env: NAME }",
            where);
    if (node->type != NODE_MAP || node->n != 1 ||
        (strcmp(node->pairs[0].key->text, "env") != 0 &&
         strcmp(node->pairs[0].key->text, "file") != 0))
        return node_fail(src, node, "%s: wanted exactly one of { env: NAME } and { file: PATH }",
                         where);
    kind = node->pairs[0].key->text;
    inner = node->pairs[0].value;
    if (inner->type != NODE_SCALAR || node_is_null(inner))
        return node_fail(src, inner, "%s: found %s as the %s of a secret, wanted %s", where,
                         node_kind(inner), kind,
                         kind[0] == 'e' ? "the name of a variable" : "a path");
    if (kind[0] == 'e' && !is_variable(inner->text))
        return node_fail(src, inner,
                         "%s: this is no name of a variable (letters, digits and _, at most 128)",
                         where);
    if (has_control(inner->text))
        return node_fail(src, inner, "%s: the text holds a line break or a control character",
                         where);
    text = inner->text;
    rc = kind[0] == 'f' ? read_path(src, where, inner, &text) : DS_OK;
    if (rc)
        return rc;
    size_t n = strlen(kind) + strlen(text) + 2;
    char *reference = arena_alloc(src->arena, n);
    if (!reference)
        return node_no_memory(src);
    snprintf(reference, n, "%s:%s", kind, text);
    *value = reference;
    return DS_OK;
}

int value_read(const struct policy_source *src, const struct ds_option *option, const char *where,
               const struct policy_node *node, const char **value)
{
    if (option->type == DS_OPT_SECRET)
        return read_secret(src, where, node, value);
    if (node->type != NODE_SCALAR || node_is_null(node))
        return node_fail(src, node, "%s: found %s, wanted %s", where, node_kind(node),
                         wanted(option->type));
    if (has_control(node->text))
        return node_fail(src, node, "%s: the text holds a line break or a control character",
                         where);
    if (value_is_number(option->type))
        return read_ranged(src, option, where, node, value);
    switch (option->type) {
    case DS_OPT_STRING:
        *value = node->text;
        return DS_OK;
    case DS_OPT_BOOL:
        return read_bool(src, where, node, value);
    case DS_OPT_PATH:
        return read_path(src, where, node, value);
    case DS_OPT_CHOICE:
        return read_choice(src, option, where, node, value);
    default:
        return ds_fail(
            src->err, DS_EPLUGIN,
            "%s has an option type (%u) that this program does not know; it needs a newer "
            "DiskSync",
            where, (unsigned)option->type);
    }
}
