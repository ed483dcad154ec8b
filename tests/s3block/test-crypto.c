/* SPDX-License-Identifier: Apache-2.0 */
/* test-crypto.c - known answers: HKDF from RFC 5869, HMAC from RFC 4231 (a key shorter than a block
 * equals itself with zeros behind it), GCM with the empty message from NIST's test case 13. The
 * others hold our own choice of nonce, salt length and associated data, and were computed by an
 * independent implementation that reproduces the vectors of NIST and RFC 7914. */
#include "core/s3block/crypto.h"

#include "core/base/text.h"
#include "tests/unit.h"

#include <string.h>

static void check_hex(const void *got, size_t n, const char *wanted)
{
    char text[2 * 64 + 1];
    text_hex(text, got, n);
    ck_assert_str_eq(text, wanted);
}

static void count_up(uint8_t *out, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(from + i);
}

START_TEST(hkdf_gives_the_answers_of_its_rfc)
{
    uint8_t key[80], salt[80], info[80], out[KEY_SIZE];
    memset(key, 0x0b, 22);
    count_up(salt, 13, 0);
    count_up(info, 10, 0xf0);
    ck_assert(crypto_hkdf(out, key, 22, salt, 13, "", info, 10));
    check_hex(out, 32, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    ck_assert(crypto_hkdf(out, key, 22, NULL, 0, "", NULL, 0));
    check_hex(out, 32, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    count_up(key, 80, 0);
    count_up(salt, 80, 0x60);
    count_up(info, 80, 0xb0);
    ck_assert(crypto_hkdf(out, key, 80, salt, 80, "", info, 80));
    check_hex(out, 32, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
}
END_TEST

START_TEST(hkdf_joins_label_and_extra)
{
    uint8_t key[KEY_SIZE] = { 1 }, a[KEY_SIZE], b[KEY_SIZE], big[128] = { 0 };
    ck_assert(crypto_hkdf(a, key, sizeof key, NULL, 0, "label", "extra", 5));
    ck_assert(crypto_hkdf(b, key, sizeof key, NULL, 0, "labelextra", NULL, 0));
    ck_assert(memcmp(a, b, sizeof a) == 0);
    ck_assert(crypto_hkdf(b, key, sizeof key, NULL, 0, "labelextrb", NULL, 0));
    ck_assert(memcmp(a, b, sizeof a) != 0);
    ck_assert(!crypto_hkdf(b, key, sizeof key, NULL, 0, "l", big, sizeof big));
}
END_TEST

START_TEST(hmac_gives_the_answers_of_its_rfc)
{
    uint8_t key[KEY_SIZE] = { 0 }, data[50], out[HASH_SIZE];
    memset(key, 0x0b, 20);
    ck_assert(crypto_hmac(out, key, "Hi There", 8, NULL, 0));
    check_hex(out, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    memset(key, 0, sizeof key);
    memcpy(key, "Jefe", 4);
    ck_assert(crypto_hmac(out, key, "what do ya want ", 16, "for nothing?", 12));
    check_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    count_up(key, 25, 1);
    memset(data, 0xcd, sizeof data);
    ck_assert(crypto_hmac(out, key, data, 20, data, 30));
    check_hex(out, 32, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}
END_TEST

START_TEST(sha256_gives_the_answer_of_its_standard)
{
    uint8_t out[HASH_SIZE];
    ck_assert(crypto_sha256(out, "abc", 3));
    check_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
END_TEST

START_TEST(scrypt_gives_known_answers)
{
    uint8_t salt[2 * SALT_SIZE], out[KEY_SIZE];
    struct scrypt_cost cost = { 10, 8, 1 }, other = { 10, 2, 3 };
    count_up(salt, sizeof salt, 0);
    ck_assert(crypto_scrypt(out, "password", 8, salt, &cost));
    check_hex(out, 32, "6245efbb6c5c9d268dfbb2142d22614274ed722ee213a6ab6b35a04818f359cf");
    ck_assert(crypto_scrypt(out, "pleaseletmein", 13, salt + SALT_SIZE, &other));
    check_hex(out, 32, "c0b2e91b1d3d44dcedf6cdee6f14c8d17d50d4104a257e171ba0c3b9f5a7afe6");
}
END_TEST

START_TEST(scrypt_cost_is_bounded_and_what_is_accepted_can_be_computed)
{
    static const struct scrypt_cost refused[] = {
        { 9, 8, 1 },  { 21, 1, 1 }, { 15, 0, 1 },          { 15, 8, 0 },  { 15, 33, 1 },
        { 15, 8, 17 }, { 19, 8, 1 }, { 20, 32, 1 },        { 255, 8, 1 }, { 64, 1, 1 },
        { 0, 8, 1 },  { 16, 1, 1 }, { 15, UINT32_MAX, 1 }, { 15, 8, UINT32_MAX },
    };
    static const struct scrypt_cost accepted[] = { { 10, 1, 1 }, { 15, 1, 1 }, { 16, 2, 1 },
                                                   { 10, 32, 16 }, { 18, 8, 1 }, { 17, 8, 1 } };
    uint8_t salt[SALT_SIZE] = { 0 }, out[KEY_SIZE];
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        ck_assert_msg(!scrypt_cost_valid(&refused[i]), "cost %zu", i);
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        ck_assert_msg(scrypt_cost_valid(&accepted[i]), "cost %zu", i);
        if (accepted[i].log2_n < 17) /* those take long, and 256 MiB */
            ck_assert_msg(crypto_scrypt(out, "x", 1, salt, &accepted[i]), "cost %zu", i);
    }
}
END_TEST

START_TEST(sealer_gives_known_answers)
{
    uint8_t key[KEY_SIZE], data[40], tag[TAG_SIZE];
    count_up(key, sizeof key, 0);
    count_up(data, sizeof data, 0);
    struct sealer *sealer = sealer_new(key);
    ck_assert_ptr_nonnull(sealer);
    for (int again = 0; again < 2; again++) { /* one message leaves nothing behind */
        ck_assert(sealer_seal(sealer, 0x01020304, "header", 6, data, sizeof data, tag));
        check_hex(data, sizeof data,
                  "0f5a6769ff730db07b17e19d78bf384fb5045c0b796ac5bfcd2d69eac967c061"
                  "6f270c936c7a3076");
        check_hex(tag, sizeof tag, "f4e1e5236105a06607f68a6272df46b9");
        ck_assert(sealer_open(sealer, 0x01020304, "header", 6, data, sizeof data, tag));
        for (size_t i = 0; i < sizeof data; i++)
            ck_assert_uint_eq(data[i], i);
    }
    sealer_free(sealer);
}
END_TEST

START_TEST(sealer_refuses_every_altered_bit)
{
    uint8_t key[KEY_SIZE] = { 7 }, sealed[9 + TAG_SIZE], copy[sizeof sealed], head[] = "head";
    struct sealer *sealer = sealer_new(key);
    memset(sealed, 0x11, 9);
    ck_assert(sealer_seal(sealer, 5, head, 4, sealed, 9, sealed + 9));
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        memcpy(copy, sealed, sizeof sealed);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert(!sealer_open(sealer, 5, head, 4, copy, 9, copy + 9));
    }
    for (size_t bit = 0; bit < 32; bit++) {
        memcpy(copy, sealed, sizeof sealed);
        head[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert(!sealer_open(sealer, 5, head, 4, copy, 9, copy + 9));
        head[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memcpy(copy, sealed, sizeof sealed);
        ck_assert(!sealer_open(sealer, 5 ^ UINT32_C(1) << bit, head, 4, copy, 9, copy + 9));
    }
    memcpy(copy, sealed, sizeof sealed);
    ck_assert(sealer_open(sealer, 5, head, 4, copy, 9, copy + 9)); /* and failures leave it whole */
    sealer_free(sealer);
}
END_TEST

START_TEST(sealer_takes_nothing_at_all)
{
    uint8_t key[KEY_SIZE] = { 7 }, tag[TAG_SIZE];
    struct sealer *sealer = sealer_new(key);
    ck_assert(sealer_seal(sealer, 1, "h", 1, NULL, 0, tag));
    ck_assert(sealer_open(sealer, 1, "h", 1, NULL, 0, tag));
    tag[3] ^= 1;
    ck_assert(!sealer_open(sealer, 1, "h", 1, NULL, 0, tag));
    sealer_free(sealer);
}
END_TEST

START_TEST(ids_give_known_answers)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog";
    uint8_t key[KEY_SIZE], none[KEY_SIZE] = { 0 }, id[ID_SIZE];
    count_up(key, sizeof key, 0);
    struct hasher *hasher = hasher_new(ID_GMAC, key);
    ck_assert(hasher_id(hasher, text, sizeof text - 1, id));
    check_hex(id, ID_SIZE, "ebaf2cba13878aba9d0b7b7fa53711df");
    ck_assert(hasher_id(hasher, text, 1, id));
    ck_assert(hasher_id(hasher, text, sizeof text - 1, id)); /* the same again */
    check_hex(id, ID_SIZE, "ebaf2cba13878aba9d0b7b7fa53711df");
    hasher_free(hasher);
    hasher = hasher_new(ID_HMAC_SHA256, key);
    ck_assert(hasher_id(hasher, text, sizeof text - 1, id));
    check_hex(id, ID_SIZE, "85bef6ed88a687e43bfc68f3d7791566");
    hasher_free(hasher);
    hasher = hasher_new(ID_GMAC, none);
    ck_assert(hasher_id(hasher, text, 0, id));
    check_hex(id, ID_SIZE, "530f8afbc74536b9a963b4f1c4cb738b");
    hasher_free(hasher);
}
END_TEST

START_TEST(unknown_id_algorithm_is_refused)
{
    uint8_t key[KEY_SIZE] = { 0 };
    ck_assert_ptr_null(hasher_new(0, key));
    ck_assert_ptr_null(hasher_new(3, key));
}
END_TEST

UNIT_MAIN("crypto", hkdf_gives_the_answers_of_its_rfc, hkdf_joins_label_and_extra,
          hmac_gives_the_answers_of_its_rfc, sha256_gives_the_answer_of_its_standard,
          scrypt_gives_known_answers, scrypt_cost_is_bounded_and_what_is_accepted_can_be_computed,
          sealer_gives_known_answers, sealer_refuses_every_altered_bit,
          sealer_takes_nothing_at_all, ids_give_known_answers, unknown_id_algorithm_is_refused)
