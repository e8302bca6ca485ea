/* The compress function of SHA-256 in plain C: FIPS 180-4, sections 4.1.2, 4.2.2 and 6.2.2. */
#include "sha256.h"

const uint32_t sha256_round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t
rotate_right(uint32_t x, unsigned int n)
{
    return (x >> n) | (x << (32 - n));
}

static inline uint32_t
load_big_endian(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | (uint32_t)in[3];
}

static inline uint32_t
big_sigma0(uint32_t x)
{
    return rotate_right(x, 2) ^ rotate_right(x, 13) ^ rotate_right(x, 22);
}

static inline uint32_t
big_sigma1(uint32_t x)
{
    return rotate_right(x, 6) ^ rotate_right(x, 11) ^ rotate_right(x, 25);
}

static inline uint32_t
small_sigma0(uint32_t x)
{
    return rotate_right(x, 7) ^ rotate_right(x, 18) ^ (x >> 3);
}

static inline uint32_t
small_sigma1(uint32_t x)
{
    return rotate_right(x, 17) ^ rotate_right(x, 19) ^ (x >> 10);
}

/* The schedule in place: w[t % 16] becomes word t from words t-16, t-15, t-7 and t-2. */
static inline uint32_t
next_word(uint32_t w[16], unsigned int t)
{
    w[t % 16] += small_sigma0(w[(t + 1) % 16]) + w[(t + 9) % 16] + small_sigma1(w[(t + 14) % 16]);
    return w[t % 16];
}

/* One round without moving the eight variables: the caller turns their names instead. */
static inline void
one_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d,
          uint32_t e, uint32_t f, uint32_t g, uint32_t *h, uint32_t constant_and_word)
{
    uint32_t choice = g ^ (e & (f ^ g));
    uint32_t majority = (a & b) | (c & (a | b));
    uint32_t t1 = *h + big_sigma1(e) + choice + constant_and_word;
    *d += t1;
    *h = t1 + big_sigma0(a) + majority;
}

#define EIGHT_ROUNDS(t, WORD)                                       \
    do {                                                            \
        const uint32_t *k = sha256_round_constants + (t);           \
        one_round(a, b, c, &d, e, f, g, &h, k[0] + WORD((t) + 0));  \
        one_round(h, a, b, &c, d, e, f, &g, k[1] + WORD((t) + 1));  \
        one_round(g, h, a, &b, c, d, e, &f, k[2] + WORD((t) + 2));  \
        one_round(f, g, h, &a, b, c, d, &e, k[3] + WORD((t) + 3));  \
        one_round(e, f, g, &h, a, b, c, &d, k[4] + WORD((t) + 4));  \
        one_round(d, e, f, &g, h, a, b, &c, k[5] + WORD((t) + 5));  \
        one_round(c, d, e, &f, g, h, a, &b, k[6] + WORD((t) + 6));  \
        one_round(b, c, d, &e, f, g, h, &a, k[7] + WORD((t) + 7));  \
    } while (0)

#define GIVEN_WORD(t) (w[t] = load_big_endian(block + 4 * (t)))
#define NEXT_WORD(t) next_word(w, (t))

static void
compress_block(uint32_t chain[8], const uint8_t *block)
{
    uint32_t w[16];
    uint32_t a = chain[0], b = chain[1], c = chain[2], d = chain[3];
    uint32_t e = chain[4], f = chain[5], g = chain[6], h = chain[7];

    EIGHT_ROUNDS(0, GIVEN_WORD);
    EIGHT_ROUNDS(8, GIVEN_WORD);
    for (unsigned int t = 16; t < 64; t += 16) {
        EIGHT_ROUNDS(t, NEXT_WORD);
        EIGHT_ROUNDS(t + 8, NEXT_WORD);
    }
    chain[0] += a;
    chain[1] += b;
    chain[2] += c;
    chain[3] += d;
    chain[4] += e;
    chain[5] += f;
    chain[6] += g;
    chain[7] += h;
}

static void
compress_portable(uint32_t chain[8], const uint8_t *blocks, size_t count)
{
    for (; count > 0; count--, blocks += SHA256_BLOCK_BYTES) {
        compress_block(chain, blocks);
    }
}

const sha256_backend sha256_portable = {"portable", compress_portable};
