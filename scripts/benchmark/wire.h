/* One connection to a registry, plain or TLS, and just enough HTTP/1.1 to load it.
 *
 * Blocking sockets with a deadline, one thread each. Every failure ends the program with a message:
 * a measurement with an error in it is none.
 */
#ifndef WIRE_H
#define WIRE_H

#include "openssl3.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_DEADLINE_S 120

struct target {
    int port;
    SSL_CTX *tls; /* NULL for plain HTTP */
};

struct wire {
    const struct target *target;
    int fd;
    SSL *ssl;
    size_t have, at; /* what `in` holds, and what of it was taken */
    char in[64 * 1024];
};

struct answer {
    int status;
    int64_t length;      /* of the body, 0 when there is none */
    char location[4096]; /* path and query, "" when there is none */
};

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

double seconds_now(void);

/* Return what clients use that trust `authority`, a PEM file; NULL for no TLS. */
SSL_CTX *wire_tls(const char *authority);

void wire_open(struct wire *wire, const struct target *target);
void wire_close(struct wire *wire);

/* Send all of it. `more`: further bytes follow at once, so small ones may wait for them. */
void wire_send(struct wire *wire, const void *bytes, size_t count, bool more);

/* Read the head of an answer; informational ones are passed over. */
void wire_head(struct wire *wire, struct answer *answer, bool bodiless);

/* Read `count` bytes of a body: into `hash`, or away without a copy where the kernel can do that. */
void wire_body(struct wire *wire, int64_t count, EVP_MD_CTX *hash);

/* Send a request without a body, read the whole answer, and die unless it has this status. */
void wire_ask(struct wire *wire, const char *head, int status, struct answer *answer);

#endif
