/* SPDX-License-Identifier: Apache-2.0 */
/* module.h - one shared module, through libltdl: only ever by absolute path, never by search. Main
 * thread only, before another exists; a module is never unloaded. What differs between the systems
 * is in ltdl_linux.c and ltdl_windows.c. */
#ifndef CORE_PLUGIN_MODULE_H
#define CORE_PLUGIN_MODULE_H

#include <disksync/abi.h>
#include <stdbool.h>

/* The end of a module's file name, with the dot. */
extern const char module_extension[];

/* Starts libltdl. DS_EPLUGIN if it can't. May be called again. */
int module_start(struct ds_error *err);
/* The entry point of the module at an absolute path; NULL, with why filled. */
ds_plugin_fn *module_entry(const char *path, char *why, size_t cap);

/* Gives libltdl the loader that this system needs, once; false with why filled. */
bool ltdl_prepare(char *why, size_t cap);
/* What the last failed open says; NULL: ask libltdl. */
const char *ltdl_error(void);

#endif
