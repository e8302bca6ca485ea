/* Cuts a message into blocks, pads it, and writes and reads the state between two pieces.
 * How a block is compressed is the business of a backend; which there are is told here. */
#include "sha256.h"

#include <string.h>

static const uint32_t initial_chain[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint8_t magic[4] = {'s', 'h', 'a', 0x03};

enum {
    CHAIN_AT = sizeof magic,
    PENDING_AT = CHAIN_AT + SHA256_DIGEST_BYTES,
    LENGTH_AT = PENDING_AT + SHA256_BLOCK_BYTES,
};
_Static_assert(LENGTH_AT + sizeof(uint64_t) == SHA256_STATE_BYTES, "a state has no gaps");

static void
put_big_endian(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8) {
        out[i] = (uint8_t)(value & 0xff);
    }
}

static uint64_t
get_big_endian(const uint8_t *in, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = (value << 8) | in[i];
    }
    return value;
}

static void
put_chain(uint8_t *out, const uint32_t chain[8])
{
    for (size_t i = 0; i < 8; i++) {
        put_big_endian(out + 4 * i, chain[i], 4);
    }
}

static size_t
pending_bytes(const sha256_context *context)
{
    return (size_t)(context->length % SHA256_BLOCK_BYTES);
}

size_t
sha256_find_backends(const sha256_backend *found[SHA256_MAX_BACKENDS])
{
    const sha256_backend *candidates[] = {sha256_find_shani(), sha256_find_armv8(),
                                          &sha256_portable};
    size_t count = 0;

    _Static_assert(sizeof candidates / sizeof *candidates == SHA256_MAX_BACKENDS, "all fit");
    for (size_t i = 0; i < SHA256_MAX_BACKENDS; i++) {
        if (candidates[i] != NULL) {
            found[count++] = candidates[i];
        }
    }
    return count;
}

void
sha256_init(sha256_context *context, const sha256_backend *backend)
{
    memset(context, 0, sizeof *context);
    context->backend = backend;
    memcpy(context->chain, initial_chain, sizeof initial_chain);
}

void
sha256_update(sha256_context *context, const uint8_t *data, size_t size)
{
    if (size == 0) {
        return; /* `data` may be NULL then, which memcpy does not allow */
    }
    size_t filled = pending_bytes(context);
    context->length += size;
    if (filled > 0) {
        size_t room = SHA256_BLOCK_BYTES - filled;
        size_t taken = size < room ? size : room;
        memcpy(context->pending + filled, data, taken);
        if (taken < room) {
            return;
        }
        context->backend->compress(context->chain, context->pending, 1);
        data += taken;
        size -= taken;
    }
    size_t blocks = size / SHA256_BLOCK_BYTES;
    if (blocks > 0) {
        context->backend->compress(context->chain, data, blocks);
    }
    memcpy(context->pending, data + blocks * SHA256_BLOCK_BYTES, size % SHA256_BLOCK_BYTES);
}

void
sha256_digest(const sha256_context *context, uint8_t digest[SHA256_DIGEST_BYTES])
{
    uint32_t chain[8];
    uint8_t tail[2 * SHA256_BLOCK_BYTES] = {0};
    size_t filled = pending_bytes(context);
    /* 0x80, zeros and the length in 8 bytes, up to the end of this block or of the next. */
    size_t blocks = filled + 1 + 8 <= SHA256_BLOCK_BYTES ? 1 : 2;

    memcpy(chain, context->chain, sizeof chain);
    memcpy(tail, context->pending, filled);
    tail[filled] = 0x80;
    put_big_endian(tail + blocks * SHA256_BLOCK_BYTES - 8, context->length * 8, 8);
    context->backend->compress(chain, tail, blocks);
    put_chain(digest, chain);
}

void
sha256_export(const sha256_context *context, uint8_t state[SHA256_STATE_BYTES])
{
    memset(state, 0, SHA256_STATE_BYTES);
    memcpy(state, magic, sizeof magic);
    put_chain(state + CHAIN_AT, context->chain);
    memcpy(state + PENDING_AT, context->pending, pending_bytes(context));
    put_big_endian(state + LENGTH_AT, context->length, 8);
}

const char *
sha256_import(sha256_context *context, const sha256_backend *backend,
              const uint8_t state[SHA256_STATE_BYTES])
{
    uint64_t length = get_big_endian(state + LENGTH_AT, 8);

    if (memcmp(state, magic, sizeof magic) != 0) {
        return "does not begin with the magic of SHA-256";
    }
    if (length > SHA256_MAX_BYTES) {
        return "counts more bytes than SHA-256 can take";
    }
    context->backend = backend;
    context->length = length;
    for (size_t i = 0; i < 8; i++) {
        context->chain[i] = (uint32_t)get_big_endian(state + CHAIN_AT + 4 * i, 4);
    }
    memcpy(context->pending, state + PENDING_AT, SHA256_BLOCK_BYTES);
    return NULL;
}
