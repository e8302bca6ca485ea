/* SHA-256 (FIPS 180-4) in pieces, with a state that Go can read. No Python API below this header:
 * the files that know Python include native.h. */
#ifndef TRIREME_SHA256_H
#define TRIREME_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK_BYTES 64
#define SHA256_DIGEST_BYTES 32
#define SHA256_STATE_BYTES 108

/* The length is appended to the message as a number of bits in 64 bits. */
#define SHA256_MAX_BYTES ((UINT64_C(1) << 61) - 1)

/* Compresses `count` blocks of 64 bytes, at any alignment, into `chain`. */
typedef void (*sha256_compress)(uint32_t chain[8], const uint8_t *blocks, size_t count);

extern const uint32_t sha256_round_constants[64];

/* A way to compress, and the name it goes by. */
typedef struct {
    const char *name;
    sha256_compress compress;
} sha256_backend;

extern const sha256_backend sha256_portable;

/* NULL where compiler or processor lack the extensions: those of x86, and those of 64-bit ARM. */
const sha256_backend *sha256_find_shani(void);
const sha256_backend *sha256_find_armv8(void);

#define SHA256_MAX_BACKENDS 3

/* Those that work on this machine, the fastest first; the last is the portable one. */
size_t sha256_find_backends(const sha256_backend *found[SHA256_MAX_BACKENDS]);

/* `pending` holds the last `length % 64` bytes of the message, which filled no block yet. */
typedef struct {
    const sha256_backend *backend;
    uint64_t length;
    uint32_t chain[8];
    uint8_t pending[SHA256_BLOCK_BYTES];
} sha256_context;

void sha256_init(sha256_context *context, const sha256_backend *backend);

/* The caller keeps the total within SHA256_MAX_BYTES. */
void sha256_update(sha256_context *context, const uint8_t *data, size_t size);

/* The context is left as it was, so that hashing can go on. */
void sha256_digest(const sha256_context *context, uint8_t digest[SHA256_DIGEST_BYTES]);

/* The form of encoding.BinaryMarshaler in Go's crypto/sha256: see state.py, which describes it. */
void sha256_export(const sha256_context *context, uint8_t state[SHA256_STATE_BYTES]);

/* Returns NULL, or what is wrong with the state; the context is untouched then. */
const char *sha256_import(sha256_context *context, const sha256_backend *backend,
                          const uint8_t state[SHA256_STATE_BYTES]);

#endif
