/* SPDX-License-Identifier: Apache-2.0 */
/* bucket.c - requests about a bucket as a whole. */
#include "core/gateway/s3.h"
#include "core/gateway/xml.h"

/* False: the reply says that there is no such bucket. */
static bool bucket_is_there(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    int rc = x->config->store->ops->bucket(x->config->store, x->bucket, &err);
    if (rc)
        s3_store_error(x, rc, &err);
    return rc == DS_OK;
}

void bucket_head(struct exchange *x)
{
    if (!bucket_is_there(x))
        return;
    s3_header(x, "x-amz-bucket-region", "%s", x->config->region);
    x->reply.status = 200;
}

void bucket_create(struct exchange *x)
{
    struct ds_error err = DS_ERROR_INIT;
    int rc = x->config->store->ops->bucket_create(x->config->store, x->bucket, &err);
    if (rc == DS_EEXIST) {
        s3_error(x, "BucketAlreadyOwnedByYou", NULL);
    } else if (rc) {
        s3_store_error(x, rc, &err);
    } else {
        s3_header(x, "Location", "/%s", x->bucket);
        x->reply.status = 200;
    }
}

void bucket_location(struct exchange *x)
{
    if (!bucket_is_there(x))
        return;
    struct dynbuf *body = s3_document(x, "LocationConstraint");
    if (strcmp(x->config->region, "us-east-1") != 0) /* that one has no name here */
        xml_text(body, x->config->region);
    s3_document_end(x, "LocationConstraint");
}

void bucket_versioning(struct exchange *x)
{
    if (!bucket_is_there(x))
        return;
    s3_document(x, "VersioningConfiguration");
    s3_document_end(x, "VersioningConfiguration");
}
