/* SPDX-License-Identifier: Apache-2.0 */
/* ltdl_linux.c - on Linux libltdl's own loader is dlopen, which does what module.h wants. */
#include "core/plugin/module.h"

const char module_extension[] = ".so";

bool ltdl_prepare(char *why, size_t cap)
{
    (void)why, (void)cap;
    return true;
}

const char *ltdl_error(void)
{
    return NULL;
}
