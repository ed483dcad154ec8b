/* SPDX-License-Identifier: Apache-2.0 */
/* label.c - see label.h. */
#include "core/disk/label.h"

#include "core/base/bytes.h"

/* Appends one character if it fits whole; false if not. */
static bool append(char *out, size_t cap, size_t *len, uint32_t c)
{
    static const uint8_t lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
        c = '?';
        n = 1;
    }
    if (*len + n >= cap)
        return false;
    for (size_t i = n; i > 1; i--, c >>= 6)
        out[*len + i - 1] = (char)(0x80 | (c & 0x3f));
    out[*len] = (char)(lead[n] | c);
    *len += n;
    return true;
}

static void finish(char *out, size_t len)
{
    while (len && out[len - 1] == ' ')
        len--;
    out[len] = 0;
}

/* Decodes one UTF-8 sequence of at most n bytes; its length, or 0 if it is none. */
static size_t decode(const uint8_t *b, size_t n, uint32_t *c)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t len = b[0] < 0x80 ? 1 : (b[0] & 0xe0) == 0xc0 ? 2 : (b[0] & 0xf0) == 0xe0 ? 3
               : (b[0] & 0xf8) == 0xf0                 ? 4
                                                       : 0;
    if (len == 0 || len > n)
        return 0;
    *c = len == 1 ? b[0] : b[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (b[i] & 0x3f);
    }
    return *c < least[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

void label_of_bytes(char *out, size_t cap, const uint8_t *bytes, size_t n)
{
    size_t len = 0, i = 0;
    while (i < n && bytes[i]) {
        uint32_t c;
        size_t step = decode(bytes + i, n - i, &c);
        if (!append(out, cap, &len, step ? c : '?'))
            break;
        i += step ? step : 1;
    }
    finish(out, len);
}

void label_of_utf16(char *out, size_t cap, const uint8_t *units, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t c = get_le16(units + 2 * i);
        if (c == 0)
            break;
        if (c >= 0xd800 && c < 0xe000) {
            uint32_t low = i + 1 < n ? get_le16(units + 2 * i + 2) : 0;
            bool pair = c < 0xdc00 && low >= 0xdc00 && low < 0xe000;
            c = pair ? 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
            i += pair;
        }
        if (!append(out, cap, &len, c))
            break;
    }
    finish(out, len);
}
