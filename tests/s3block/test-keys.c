/* SPDX-License-Identifier: Apache-2.0 */
/* test-keys.c - key slots, the keys derived for nodes, and the recovery key as text. */
#include "core/s3block/keys.h"

#include "core/base/bytes.h"
#include "tests/unit.h"

#include <stdio.h>

static const uint8_t repository[UUID_SIZE] = { 0x11, 0x22 };

#define SECRET "correct horse battery staple"
#define LONG_SECRET SECRET " and yet one more horse" /* stretched less */
#define COST_AT 40 /* offset of log2 N in a slot */

static struct keyring ring_of(unsigned n)
{
    struct keyring ring = { .n = n };
    for (unsigned i = 0; i < n; i++) {
        ring.epochs[i] = i + 1;
        memset(ring.keys[i], (int)(0x40 + i), KEY_SIZE);
    }
    return ring;
}

static void seal(struct dynbuf *out, const struct keyring *ring, const char *name, uint32_t kind,
                 const void *secret, size_t len)
{
    struct ds_error err = DS_ERROR_INIT;
    struct slot_info info = { .kind = kind, .created_ns = 1234567890123, .label = "at the desk" };
    snprintf(info.name, sizeof info.name, "%s", name);
    ck_assert_ok(slot_seal(out, ring, &info, repository, secret, len, &err), &err);
}

START_TEST(slot_of_each_kind_opens_again)
{
    struct ds_error err = DS_ERROR_INIT;
    for (uint32_t kind = SLOT_PASSPHRASE; kind <= SLOT_RECOVERY; kind++) {
        struct keyring ring = ring_of(kind == SLOT_KEY_FILE ? KEY_EPOCHS_MAX : kind), back;
        struct dynbuf slot = DYNBUF_INIT(8192);
        struct slot_info info;
        seal(&slot, &ring, "desk", kind, SECRET, strlen(SECRET));
        ck_assert_ok(slot_parse(&info, "desk", slot.data, slot.len, &err), &err);
        ck_assert_uint_eq(info.kind, kind);
        ck_assert_str_eq(info.name, "desk");
        ck_assert_str_eq(info.label, "at the desk");
        ck_assert(info.created_ns == 1234567890123);
        ck_assert_ok(slot_open(&back, "desk", slot.data, slot.len, repository, SECRET,
                               strlen(SECRET), &err), &err);
        ck_assert_uint_eq(back.n, ring.n);
        ck_assert(memcmp(back.epochs, ring.epochs, sizeof ring.epochs) == 0);
        ck_assert(memcmp(back.keys, ring.keys, sizeof ring.keys) == 0);
        dynbuf_free(&slot);
    }
}
END_TEST

START_TEST(wrong_secret_name_or_repository_does_not_open)
{
    struct keyring ring = ring_of(1), back;
    struct dynbuf slot = DYNBUF_INIT(8192), other = DYNBUF_INIT(8192);
    struct ds_error err = DS_ERROR_INIT;
    uint8_t elsewhere[UUID_SIZE] = { 0x33 };
    seal(&slot, &ring, "one", SLOT_KEY_FILE, SECRET, strlen(SECRET));
    seal(&other, &ring, "two", SLOT_KEY_FILE, SECRET, strlen(SECRET));
    ck_assert_int_eq(slot_open(&back, "one", slot.data, slot.len, repository, SECRET,
                               strlen(SECRET) - 1, &err), DS_EPASSPHRASE);
    ck_assert_int_eq(slot_open(&back, "one", slot.data, slot.len, repository, "x" SECRET,
                               strlen(SECRET) + 1, &err), DS_EPASSPHRASE);
    /* swapped slots: each holds what the other should */
    ck_assert_int_eq(slot_open(&back, "two", slot.data, slot.len, repository, SECRET,
                               strlen(SECRET), &err), DS_EPASSPHRASE);
    ck_assert_int_eq(slot_open(&back, "one", other.data, other.len, repository, SECRET,
                               strlen(SECRET), &err), DS_EPASSPHRASE);
    ck_assert_int_eq(slot_open(&back, "one", slot.data, slot.len, elsewhere, SECRET,
                               strlen(SECRET), &err), DS_EDAMAGED);
    dynbuf_free(&slot);
    dynbuf_free(&other);
}
END_TEST

START_TEST(every_flipped_byte_of_a_slot_is_noticed)
{
    struct keyring ring = ring_of(2), back;
    struct dynbuf slot = DYNBUF_INIT(8192);
    struct ds_error err = DS_ERROR_INIT;
    seal(&slot, &ring, "one", SLOT_KEY_FILE, SECRET, strlen(SECRET));
    for (size_t i = 0; i < slot.len; i++) {
        slot.data[i] ^= 0x80;
        ck_assert_msg(slot_open(&back, "one", slot.data, slot.len, repository, SECRET,
                                strlen(SECRET), &err) < 0, "byte %zu", i);
        slot.data[i] ^= 0x80;
    }
    for (size_t n = 0; n < slot.len; n++)
        ck_assert_msg(slot_open(&back, "one", slot.data, n, repository, SECRET, strlen(SECRET),
                                &err) < 0, "cut at %zu", n);
    ck_assert_ok(slot_open(&back, "one", slot.data, slot.len, repository, SECRET, strlen(SECRET),
                           &err), &err);
    dynbuf_free(&slot);
}
END_TEST

START_TEST(slot_tells_what_is_wrong_with_it)
{
    struct keyring ring = ring_of(1);
    struct dynbuf slot = DYNBUF_INIT(8192);
    struct ds_error err = DS_ERROR_INIT;
    struct slot_info info;
    seal(&slot, &ring, "one", SLOT_PASSPHRASE, LONG_SECRET, strlen(LONG_SECRET));
    slot.data[8] = 2;
    ck_assert_int_eq(slot_parse(&info, "one", slot.data, slot.len, &err), DS_EVERSION);
    slot.data[8] = 1;
    slot.data[12] = 4;
    ck_assert_int_eq(slot_parse(&info, "one", slot.data, slot.len, &err), DS_EFEATURE);
    slot.data[12] = SLOT_PASSPHRASE;
    slot.data[0] ^= 1;
    ck_assert_int_eq(slot_parse(&info, "one", slot.data, slot.len, &err), DS_EFORMAT);
    ck_assert_ptr_nonnull(strstr(err.msg, "k/one"));
    dynbuf_free(&slot);
}
END_TEST

START_TEST(cost_beyond_the_bounds_is_refused_before_it_is_paid)
{
    struct keyring ring = ring_of(1), back;
    struct dynbuf slot = DYNBUF_INIT(8192);
    struct ds_error err = DS_ERROR_INIT;
    static const uint8_t costs[][9] = {
        { 21, 1, 0, 0, 0, 1, 0, 0, 0 },   { 15, 0, 0, 0, 0, 1, 0, 0, 0 },
        { 15, 8, 0, 0, 0x80, 1, 0, 0, 0 }, { 15, 8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff },
        { 20, 8, 0, 0, 0, 1, 0, 0, 0 },   { 9, 8, 0, 0, 0, 1, 0, 0, 0 },
    };
    seal(&slot, &ring, "one", SLOT_PASSPHRASE, LONG_SECRET, strlen(LONG_SECRET));
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        slot.data[COST_AT] = costs[i][0];
        memcpy(slot.data + COST_AT + 4, costs[i] + 1, 8);
        ck_assert_int_eq(slot_open(&back, "one", slot.data, slot.len, repository, SECRET,
                                   strlen(SECRET), &err), DS_EFORMAT);
        ck_assert_ptr_nonnull(strstr(err.msg, "scrypt"));
    }
    dynbuf_free(&slot);
}
END_TEST

START_TEST(slot_names_are_checked)
{
    ck_assert(slot_name_valid("a") && slot_name_valid("key-file") && slot_name_valid("0-"));
    ck_assert(slot_name_valid("abcdefghijklmnopqrstuvwxyz012345"));
    ck_assert(!slot_name_valid("") && !slot_name_valid("-a") && !slot_name_valid("A"));
    ck_assert(!slot_name_valid("a/b") && !slot_name_valid("..") && !slot_name_valid("a b"));
    ck_assert(!slot_name_valid("abcdefghijklmnopqrstuvwxyz0123456"));
}
END_TEST

START_TEST(new_ring_is_random)
{
    struct keyring a, b;
    struct ds_error err = DS_ERROR_INIT;
    ck_assert(keyring_new(&a, &err) && keyring_new(&b, &err));
    ck_assert_uint_eq(a.n, 1);
    ck_assert_uint_eq(a.epochs[0], 1);
    ck_assert(memcmp(a.keys[0], b.keys[0], KEY_SIZE) != 0);
    keyring_wipe(&a);
    ck_assert(is_zero(&a, sizeof a));
}
END_TEST

START_TEST(node_keys_differ_by_all_that_they_depend_on)
{
    struct keyring ring = ring_of(2);
    struct node_keys keys[4];
    struct ds_error err = DS_ERROR_INIT;
    uint8_t node[UUID_SIZE] = { 1 }, other[UUID_SIZE] = { 2 };
    ck_assert_ok(node_keys_derive(&keys[0], &ring, repository, node, 1, &err), &err);
    ck_assert_ok(node_keys_derive(&keys[1], &ring, repository, node, 2, &err), &err);
    ck_assert_ok(node_keys_derive(&keys[2], &ring, repository, other, 1, &err), &err);
    memcpy(ring.keys[1], ring.keys[0], KEY_SIZE); /* the epoch alone tells them apart */
    ck_assert_ok(node_keys_derive(&keys[3], &ring, repository, node, 2, &err), &err);
    const uint8_t *all[4 * 6];
    unsigned n = 0;
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *parts[] = { keys[i].data, keys[i].map,  keys[i].id,
                                   keys[i].salt, keys[i].root, keys[i].header };
        for (unsigned p = 0; p < 6; p++)
            all[n++] = parts[p];
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = 0; j < i; j++)
            ck_assert_msg(memcmp(all[i], all[j], KEY_SIZE) != 0, "%u and %u", i, j);
    ck_assert_int_eq(node_keys_derive(&keys[0], &ring, repository, node, 3, &err),
                     DS_EPASSPHRASE);
}
END_TEST

START_TEST(ring_of_one_node_serves_that_node_alone)
{
    struct keyring ring = ring_of(1), own = { .node_only = true, .n = 1, .epochs = { 1 } };
    struct node_keys whole, alone;
    struct ds_error err = DS_ERROR_INIT;
    uint8_t node[UUID_SIZE] = { 1 }, other[UUID_SIZE] = { 2 }, extra[UUID_SIZE + 4] = { 0 };
    memcpy(own.node, node, UUID_SIZE);
    memcpy(extra, node, UUID_SIZE);
    put_le32(extra + UUID_SIZE, 1);
    ck_assert(crypto_hkdf(own.keys[0], ring.keys[0], KEY_SIZE, repository, UUID_SIZE,
                          "s3block node ", extra, sizeof extra));
    ck_assert_ok(node_keys_derive(&whole, &ring, repository, node, 1, &err), &err);
    ck_assert_ok(node_keys_derive(&alone, &own, repository, node, 1, &err), &err);
    ck_assert(memcmp(&whole, &alone, sizeof whole) == 0);
    ck_assert_int_eq(node_keys_derive(&alone, &own, repository, other, 1, &err), DS_EPASSPHRASE);
}
END_TEST

static void recovery_of(uint8_t key[RECOVERY_SIZE], unsigned seed)
{
    for (unsigned i = 0; i < RECOVERY_SIZE; i++)
        key[i] = (uint8_t)(seed * 2654435761u >> (i % 24)) ^ (uint8_t)(i * 37 + seed);
}

START_TEST(recovery_text_comes_back)
{
    for (unsigned seed = 0; seed < 200; seed++) {
        uint8_t key[RECOVERY_SIZE], back[RECOVERY_SIZE];
        char text[RECOVERY_TEXT], sloppy[2 * RECOVERY_TEXT];
        recovery_of(key, seed);
        if (seed < 2)
            memset(key, seed ? 0xff : 0, sizeof key);
        recovery_text(text, key);
        ck_assert_uint_eq(strlen(text), RECOVERY_TEXT - 1);
        ck_assert(recovery_parse(back, text, strlen(text)));
        ck_assert(memcmp(key, back, sizeof key) == 0);
        size_t n = 0;
        for (size_t i = 0; text[i]; i++) { /* as people type it */
            char c = text[i] == '0' ? 'o' : text[i] == '1' ? (i % 2 ? 'l' : 'I') : text[i];
            if (c == '-')
                sloppy[n++] = ' ';
            else
                sloppy[n++] = c >= 'A' && c <= 'Z' && i % 3 ? (char)(c - 'A' + 'a') : c;
        }
        sloppy[n++] = '\r';
        sloppy[n++] = '\n';
        ck_assert(recovery_parse(back, sloppy, n));
        ck_assert(memcmp(key, back, sizeof key) == 0);
    }
}
END_TEST

START_TEST(typing_errors_are_found)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint8_t key[RECOVERY_SIZE], back[RECOVERY_SIZE];
    char text[RECOVERY_TEXT], wrong[RECOVERY_TEXT + 1];
    unsigned missed = 0, tried = 0;
    for (unsigned seed = 2; seed < 12; seed++) {
        recovery_of(key, seed);
        recovery_text(text, key);
        for (size_t i = 0; text[i]; i++) {
            memcpy(wrong, text, sizeof text);
            for (unsigned d = 0; text[i] != '-' && d < 32; d++) { /* one digit for another */
                wrong[i] = digits[d];
                missed += digits[d] != text[i] && recovery_parse(back, wrong, strlen(wrong));
                tried += digits[d] != text[i];
            }
            memcpy(wrong, text, sizeof text);
            wrong[i] = text[i + 1]; /* two neighbours swapped */
            wrong[i + 1] = text[i];
            missed += text[i + 1] && text[i] != '-' && text[i + 1] != '-' &&
                      text[i] != text[i + 1] && recovery_parse(back, wrong, strlen(text));
            tried++;
        }
    }
    printf("%u of %u typing errors missed\n", missed, tried);
    ck_assert_uint_eq(missed, 0); /* each would be missed once in a million */
}
END_TEST

START_TEST(recovery_text_of_a_wrong_form_is_refused)
{
    uint8_t key[RECOVERY_SIZE] = { 9 };
    char text[RECOVERY_TEXT], longer[RECOVERY_TEXT + 1];
    recovery_text(text, key);
    ck_assert(!recovery_parse(key, text, strlen(text) - 1));
    snprintf(longer, sizeof longer, "%s0", text);
    ck_assert(!recovery_parse(key, longer, strlen(longer)));
    ck_assert(!recovery_parse(key, "", 0));
    ck_assert(!recovery_parse(key, SECRET, strlen(SECRET)));
    text[3] = 'U'; /* not in the alphabet */
    ck_assert(!recovery_parse(key, text, strlen(text)));
    text[3] = 0;
    ck_assert(!recovery_parse(key, text, RECOVERY_TEXT - 1));
}
END_TEST

UNIT_MAIN("keys", slot_of_each_kind_opens_again, wrong_secret_name_or_repository_does_not_open,
          every_flipped_byte_of_a_slot_is_noticed, slot_tells_what_is_wrong_with_it,
          cost_beyond_the_bounds_is_refused_before_it_is_paid, slot_names_are_checked,
          new_ring_is_random, node_keys_differ_by_all_that_they_depend_on,
          ring_of_one_node_serves_that_node_alone, recovery_text_comes_back,
          typing_errors_are_found, recovery_text_of_a_wrong_form_is_refused)
