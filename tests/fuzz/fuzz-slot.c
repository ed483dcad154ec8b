/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-slot.c - key slots. The first byte tells what follows: 0 a whole object, as a store may hand
 * it out; 1 what is under its seal, sealed here; 2 a recovery key as someone typed it. Slots that
 * ask for scrypt are only parsed: an accepted cost takes up to a second. */
#include "core/s3block/keys.h"

#include "core/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t repository[UUID_SIZE] = { 0x5a, 0x5a };
static const char secret[] = "a key file of thirty-two bytes !";
#define NAME "desk"

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void fuzz_object(const void *object, size_t n)
{
    struct ds_error err = DS_ERROR_INIT;
    struct slot_info info;
    struct keyring ring;
    if (slot_parse(&info, NAME, object, n, &err) != DS_OK)
        return;
    require(info.kind >= SLOT_PASSPHRASE && info.kind <= SLOT_RECOVERY, "a kind is one of three");
    require(memchr(info.label, 0, sizeof info.label) && strcmp(info.name, NAME) == 0, "text ends");
    if (info.kind == SLOT_PASSPHRASE ||
        slot_open(&ring, NAME, object, n, repository, secret, sizeof secret - 1, &err) != DS_OK)
        return;
    require(ring.n >= 1 && ring.n <= KEY_EPOCHS_MAX, "1 to 16 keys");
    keyring_wipe(&ring);
}

/* A slot for a key file that holds these bytes. */
static void fuzz_payload(const uint8_t *payload, size_t n)
{
    struct dynbuf slot = DYNBUF_INIT(16384), aad = DYNBUF_INIT(16384);
    uint8_t salt[SALT_SIZE] = { 1 }, kek[KEY_SIZE];
    dynbuf_add(&slot, "S3BKEY01\1\0\0\0\2\0\0", 15);
    dynbuf_u8(&slot, 0);
    dynbuf_add(&slot, repository, UUID_SIZE);
    dynbuf_le64(&slot, 99);
    dynbuf_add(&slot, "\17\0\0\0\10\0\0\0\1\0\0", 11);
    dynbuf_u8(&slot, 0);
    dynbuf_add(&slot, salt, sizeof salt);
    dynbuf_u8(&slot, 0);
    dynbuf_le32(&slot, (uint32_t)n);
    dynbuf_add(&aad, slot.data, slot.len);
    dynbuf_text(&aad, NAME);
    dynbuf_add(&slot, payload, n);
    uint8_t *tag = dynbuf_room(&slot, TAG_SIZE);
    struct sealer *sealer = NULL;
    if (crypto_hkdf(kek, (const uint8_t *)secret, sizeof secret - 1, salt, sizeof salt,
                    "s3block slot", NULL, 0))
        sealer = sealer_new(kek);
    require(tag && sealer && sealer_seal(sealer, 0, aad.data, aad.len, tag - n, n, tag), "a seal");
    sealer_free(sealer);
    fuzz_object(slot.data, slot.len);
    dynbuf_free(&aad);
    dynbuf_free(&slot);
}

static void fuzz_recovery(const char *typed, size_t n)
{
    uint8_t key[RECOVERY_SIZE], back[RECOVERY_SIZE];
    char text[RECOVERY_TEXT];
    if (!recovery_parse(key, typed, n))
        return;
    recovery_text(text, key);
    require(recovery_parse(back, text, strlen(text)) && memcmp(key, back, sizeof key) == 0,
            "a key that was read can be written");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192)
        return 0;
    if (data[0] == 0)
        fuzz_object(data + 1, size - 1);
    else if (data[0] == 1)
        fuzz_payload(data + 1, size - 1);
    else if (data[0] == 2)
        fuzz_recovery((const char *)data + 1, size - 1);
    return 0;
}
