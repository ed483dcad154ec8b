/* SPDX-License-Identifier: Apache-2.0 */
/* http-script.h - an HTTP server on loopback that answers by a script, byte for byte as it says:
 * answers that no server gives by itself, cut where a test wants them cut. It keeps what it was
 * asked. */
#ifndef TESTS_PLUGINS_HTTP_SCRIPT_H
#define TESTS_PLUGINS_HTTP_SCRIPT_H

#include "core/base/thread.h"

#include <stddef.h>

#define HTTP_SCRIPT_LINES 32
#define HTTP_SCRIPT_ASKED 64
#define HTTP_SCRIPT_HEAD 4096

struct http_line {
    const char *match;  /* part of the request's head; NULL = any */
    const char *answer; /* raw; NULL = hang up without a word */
    unsigned delay_ms;  /* before it */
    int times;          /* how often this line serves; 0 = once, -1 = always */
};

struct http_script {
    int listener, port;
    struct thread accepter;
    struct mutex lock;
    struct cond changed;
    struct http_line lines[HTTP_SCRIPT_LINES];
    int n;
    bool stop, hangup; /* hangup: each connection is closed behind its answer */
    unsigned connections, open;
    char asked[HTTP_SCRIPT_ASKED][HTTP_SCRIPT_HEAD]; /* heads, in the order of their arrival */
    unsigned n_asked;
    size_t body_bytes;
};

/* The first line that fits answers; a request that none fits is answered 500 without a body. */
void http_script_start(struct http_script *script);
void http_script_add(struct http_script *script, struct http_line line);
/* Requests that came so far. */
unsigned http_script_count(struct http_script *script);
void http_script_stop(struct http_script *script);

#endif
