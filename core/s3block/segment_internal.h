/* SPDX-License-Identifier: Apache-2.0 */
/* segment_internal.h - what the writer and the reader of segments share. */
#ifndef CORE_S3BLOCK_SEGMENT_INTERNAL_H
#define CORE_S3BLOCK_SEGMENT_INTERNAL_H

#include "core/s3block/segment.h"

#define SLOT_ROW_SIZE 32u
#define TABLE_NONCE 0xffffffffu /* no slot has this number */

void segment_header_write(uint8_t out[SEGMENT_HEADER_SIZE], const struct segment_head *head,
                          const uint8_t repository[UUID_SIZE]);
void slot_write(uint8_t out[SLOT_ROW_SIZE], const struct slot *slot);
bool slot_parse_row(struct slot *slot, const uint8_t in[SLOT_ROW_SIZE]);
/* Bound to header, table and stored bytes, so that a random generator that repeats itself (in a
 * clone, in a VM that was set back) repeats a key only for the very same object. The header's salt
 * is zero here. */
struct segment_content {
    const uint8_t *header, *table;
    size_t table_len;
    struct ds_iovec maps, blocks;
};
bool segment_salt(uint8_t salt[SALT_SIZE], const struct segment_space *space,
                  const uint8_t random[SALT_SIZE], const struct segment_content *content);
bool segment_keys(uint8_t data_key[KEY_SIZE], uint8_t map_key[KEY_SIZE],
                  const struct node_keys *keys, const uint8_t salt[SALT_SIZE]);

#endif
