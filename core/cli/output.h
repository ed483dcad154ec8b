/* SPDX-License-Identifier: Apache-2.0 */
/* output.h - how the commands print: tables for people, shared JSON members. */
#ifndef CORE_CLI_OUTPUT_H
#define CORE_CLI_OUTPUT_H

#include "core/cli/cli.h"

/* Members resource use is reported with. */
void output_resources(struct json *j, uint64_t ns, uint64_t cpu_ns);

#endif
