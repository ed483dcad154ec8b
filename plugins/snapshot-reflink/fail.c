/* SPDX-License-Identifier: Apache-2.0 */
/* fail.c - the system's errors as this plugin reports them. */
#include "reflink.h"

#include <errno.h>

int reflink_fail(struct ds_error *err, const char *what, const char *path)
{
    int e = errno, code = DS_EIO;
    uint32_t retry = DS_RETRY_NEVER;
    const char *remedy = "";
    char text[128];
    switch (e) {
    case ENOENT:
        code = DS_ENOENT;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        code = DS_EACCES;
        break;
    case ENOSPC:
    case EDQUOT:
        code = DS_ENOSPC;
        remedy = "; free space on that file system";
        break;
    case EXDEV:
        code = DS_ENOTSUP;
        remedy = "; a clone must be on the file system of its source";
        break;
    case EOPNOTSUPP:
    case ENOTTY:
    case EINVAL:
        code = DS_ENOTSUP;
        remedy = "; clones need XFS with reflink, or btrfs";
        break;
    case EBUSY:
    case ETXTBSY:
        code = DS_EBUSY;
        retry = DS_RETRY_SAME;
        break;
    case ENOMEM:
        code = DS_ENOMEM;
        retry = DS_RETRY_SAME;
        break;
    default:
        retry = DS_RETRY_SAME;
        break;
    }
    const char *why = strerror_r(e, text, sizeof text); /* GNU: returns the text */
    ds_fail_retry(err, code, retry, "cannot %s %s: %s%s", what, path, why, remedy);
    ds_error_native(err, DS_DOMAIN_ERRNO, e);
    return code;
}
