/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the options of one opening, checked and in the form that requests want. References
 * to secrets stay references. */
#ifndef TRANSPORT_S3_SETTINGS_H
#define TRANSPORT_S3_SETTINGS_H

#include "url.h"

#define SETTINGS_PREFIX_MAX 300
#define SETTINGS_REGION_MAX 64

enum credentials_choice {
    CREDENTIALS_AUTO,
    CREDENTIALS_POLICY,
    CREDENTIALS_ENVIRONMENT,
    CREDENTIALS_FILE,
    CREDENTIALS_INSTANCE
};

struct settings { /* text is "" where not given, and lives in `values` */
    struct endpoint endpoint;
    bool endpoint_given;
    bool virtual_hosted;
    bool verify;
    char region[SETTINGS_REGION_MAX];
    const char *bucket;
    char prefix[SETTINGS_PREFIX_MAX + 2]; /* "" or with a final '/' */
    const char *storage_class;            /* "" for STANDARD, the store's own default */
    const char *lock_mode;                /* "", "GOVERNANCE" or "COMPLIANCE" */
    enum credentials_choice credentials;
    const char *access_key, *secret_key, *session_token, *profile, *credentials_file;
    const char *metadata_endpoint;
    const char *ca_file, *client_cert, *client_key;
    const char *proxy, *proxy_user, *proxy_password, *no_proxy;
    uint64_t timeout_ns;
    unsigned max_in_flight;
    char location[256]; /* for people */
    char *values;
};

/* DS_EINVAL names the option. With a failure nothing is to be freed. */
int settings_read(struct settings *settings, const struct ds_kv *kv, size_t n,
                  struct ds_error *err);
void settings_free(struct settings *settings);
/* The endpoint that AWS has for a region. */
int settings_aws_endpoint(struct endpoint *endpoint, const char *region, struct ds_error *err);

#define SETTINGS_OPTIONS 24
extern const struct ds_option settings_options[SETTINGS_OPTIONS];

#endif
