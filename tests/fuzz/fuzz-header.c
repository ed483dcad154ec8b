/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-header.c - the header of a repository. The first byte tells what follows: 0 the bytes that
 * an earlier open saved (header, name of a slot, slot); 1 a header, with a slot that opens; 2 the
 * same, and the header's own check is made right, so that every field is believed. No request is
 * made: the saved form is opened. */
#include "core/s3block/repository.h"

#include "core/base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 120u
static const struct repository_secret secret = { SLOT_KEY_FILE, "a key file of thirty-two bytes !",
                                                 32 };

static void require(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "broken promise: %s\n", what);
        abort();
    }
}

static void make_right(uint8_t header[HEADER], const struct keyring *ring)
{
    uint8_t key[KEY_SIZE];
    require(crypto_hkdf(key, ring->keys[0], KEY_SIZE, header + 16, UUID_SIZE, "s3block header",
                        NULL, 0) &&
                crypto_hmac(header + HEADER - HASH_SIZE, key, header, HEADER - HASH_SIZE, NULL, 0),
            "a check");
}

/* The saved form of a header, with a slot under the repository's UUID in it. */
static void save(struct dynbuf *out, const uint8_t *data, size_t size, bool right)
{
    struct keyring ring = { .n = 1, .epochs = { 1 }, .keys = { { 0x42 } } };
    struct slot_info info = { .kind = SLOT_KEY_FILE, .name = "key-file" };
    struct dynbuf slot = DYNBUF_INIT(8192);
    struct ds_error err = DS_ERROR_INIT;
    uint8_t header[HEADER + 8] = { 0 };
    size_t n = size < sizeof header ? size : sizeof header;
    memcpy(header, data, n);
    if (right && n >= HEADER)
        make_right(header, &ring);
    require(slot_seal(&slot, &ring, &info, header + 16, secret.bytes, secret.len, &err) == DS_OK,
            "a slot");
    dynbuf_le16(out, (uint16_t)n);
    dynbuf_add(out, header, n);
    dynbuf_u8(out, 8);
    dynbuf_text(out, info.name);
    dynbuf_add(out, slot.data, slot.len);
    dynbuf_free(&slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dynbuf saved = DYNBUF_INIT(1 << 20);
    struct ds_error err = DS_ERROR_INIT;
    static struct repository repository;
    static struct segment_space space;
    static const uint8_t node[UUID_SIZE] = { 3 };
    if (size == 0 || data[0] > 2 || size > 65536)
        return 0;
    if (data[0])
        save(&saved, data + 1, size - 1, data[0] == 2);
    else
        dynbuf_add(&saved, data + 1, size - 1);
    int rc = repository_open_saved(&repository, NULL, saved.data, saved.len, &secret, &err);
    if (rc == DS_OK) {
        require(repository.id_algorithm == ID_GMAC || repository.id_algorithm == ID_HMAC_SHA256,
                "a known algorithm");
        require((repository.features_read & ~FEATURES_READ) == 0, "known features");
        require(repository.header_len == HEADER, "a header of its size");
        repository_check_write(&repository, &err);
        if (repository_space(&space, &repository, node, &err) == DS_OK)
            require(space.id_algorithm == repository.id_algorithm, "a space of the repository");
        repository_close(&repository);
    } else {
        require(repository.ring.n == 0, "no key is left of what was refused");
    }
    dynbuf_free(&saved);
    return 0;
}
