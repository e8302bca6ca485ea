/* Runs every way of compressing that this machine has over the published examples and over messages
 * of every length, and compares what they give. Built for 64-bit ARM by test_armv8.py; knows no
 * Python, so that a cross compiler and an emulator are all it takes.
 *
 * Prints the names of the ways, and exits with 1 and a line for each difference. */
#include "sha256.h"

#include <stdio.h>
#include <string.h>

#define LONGEST_BYTES 400

static int failures;

static void
expect(const uint8_t digest[SHA256_DIGEST_BYTES], const char *hex, const char *backend,
       const char *what)
{
    char found[2 * SHA256_DIGEST_BYTES + 1];

    for (size_t i = 0; i < SHA256_DIGEST_BYTES; i++) {
        sprintf(found + 2 * i, "%02x", digest[i]);
    }
    if (strcmp(found, hex) != 0) {
        printf("%s: %s gives %s, not %s\n", backend, what, found, hex);
        failures++;
    }
}

/* FIPS 180-4 examples, published by NIST with the standard. */
static void
check_examples(const sha256_backend *backend)
{
    static const char block[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t digest[SHA256_DIGEST_BYTES];
    sha256_context context;

    sha256_init(&context, backend);
    sha256_digest(&context, digest);
    expect(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
           backend->name, "the empty message");
    sha256_update(&context, (const uint8_t *)"abc", 3);
    sha256_digest(&context, digest);
    expect(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
           backend->name, "abc");
    sha256_init(&context, backend);
    sha256_update(&context, (const uint8_t *)block, sizeof block - 1);
    sha256_digest(&context, digest);
    expect(digest, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
           backend->name, "448 bits");
    sha256_init(&context, backend);
    for (int i = 0; i < 15625; i++) {
        uint8_t piece[64];
        memset(piece, 'a', sizeof piece);
        sha256_update(&context, piece, sizeof piece);
    }
    sha256_digest(&context, digest);
    expect(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
           backend->name, "a million of a");
}

/* Every length, at every alignment of a word, cut in two, and moved between ways half-way. */
static void
check_against_portable(const sha256_backend *backend)
{
    uint8_t message[LONGEST_BYTES + 4];
    uint8_t expected[SHA256_DIGEST_BYTES], digest[SHA256_DIGEST_BYTES];
    uint8_t state[SHA256_STATE_BYTES];
    sha256_context context;

    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 7 + i / 256 + 1);
    }
    for (size_t length = 0; length <= LONGEST_BYTES; length++) {
        const uint8_t *start = message + length % 4;
        size_t half = length / 3;
        sha256_init(&context, &sha256_portable);
        sha256_update(&context, start, length);
        sha256_digest(&context, expected);
        sha256_init(&context, backend);
        sha256_update(&context, start, half);
        sha256_export(&context, state);
        if (sha256_import(&context, backend, state) != NULL) {
            printf("%s: state refused at %zu\n", backend->name, half);
            failures++;
        }
        sha256_update(&context, start + half, length - half);
        sha256_digest(&context, digest);
        if (memcmp(digest, expected, sizeof digest) != 0) {
            printf("%s: differs from portable at %zu bytes\n", backend->name, length);
            failures++;
        }
    }
}

int
main(void)
{
    const sha256_backend *found[SHA256_MAX_BACKENDS];
    size_t count = sha256_find_backends(found);

    for (size_t i = 0; i < count; i++) {
        printf("%s\n", found[i]->name);
        check_examples(found[i]);
        check_against_portable(found[i]);
    }
    return failures > 0;
}
