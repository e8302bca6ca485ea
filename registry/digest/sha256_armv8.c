/* The compress function of SHA-256 on the SHA2 extension of 64-bit ARM: four rounds per pair of
 * instructions.
 *
 * The extension keeps the eight variables in two registers, "abcd" and "efgh", in the order of
 * memory, and takes four words of the schedule at a time. Compiled to a function that finds nothing
 * on other machines; the run-time check makes one binary fit every 64-bit ARM processor. */
#include "sha256.h"

#if defined(__aarch64__) && !defined(__AARCH64EB__) && (defined(__GNUC__) || defined(__clang__))

#include <arm_neon.h>

#if defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_SHA2
#define HWCAP_SHA2 (1 << 6)
#endif
#endif

#if defined(__clang__)
#define USES_SHA __attribute__((target("sha2")))
#else
#define USES_SHA __attribute__((target("+crypto")))
#endif
#define INLINE static inline __attribute__((always_inline)) USES_SHA

INLINE uint32x4_t
load_words(const uint8_t *block)
{
    return vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(block)));
}

INLINE void
four_rounds(uint32x4_t *abcd, uint32x4_t *efgh, uint32x4_t words, size_t t)
{
    const uint32x4_t sums = vaddq_u32(words, vld1q_u32(sha256_round_constants + t));
    const uint32x4_t abcd_before = *abcd;
    *abcd = vsha256hq_u32(abcd_before, *efgh, sums);
    *efgh = vsha256h2q_u32(*efgh, abcd_before, sums);
}

/* Words t to t+3 from the sixteen before them, `first` being the oldest four. */
INLINE uint32x4_t
next_words(uint32x4_t first, uint32x4_t second, uint32x4_t third, uint32x4_t fourth)
{
    return vsha256su1q_u32(vsha256su0q_u32(first, second), third, fourth);
}

USES_SHA static void
compress_armv8(uint32_t chain[8], const uint8_t *blocks, size_t count)
{
    uint32x4_t abcd = vld1q_u32(chain);
    uint32x4_t efgh = vld1q_u32(chain + 4);

    for (; count > 0; count--, blocks += SHA256_BLOCK_BYTES) {
        const uint32x4_t abcd_before = abcd;
        const uint32x4_t efgh_before = efgh;
        uint32x4_t w0 = load_words(blocks);
        uint32x4_t w1 = load_words(blocks + 16);
        uint32x4_t w2 = load_words(blocks + 32);
        uint32x4_t w3 = load_words(blocks + 48);

        four_rounds(&abcd, &efgh, w0, 0);
        four_rounds(&abcd, &efgh, w1, 4);
        four_rounds(&abcd, &efgh, w2, 8);
        four_rounds(&abcd, &efgh, w3, 12);
        for (size_t t = 16; t < 64; t += 16) {
            w0 = next_words(w0, w1, w2, w3);
            four_rounds(&abcd, &efgh, w0, t);
            w1 = next_words(w1, w2, w3, w0);
            four_rounds(&abcd, &efgh, w1, t + 4);
            w2 = next_words(w2, w3, w0, w1);
            four_rounds(&abcd, &efgh, w2, t + 8);
            w3 = next_words(w3, w0, w1, w2);
            four_rounds(&abcd, &efgh, w3, t + 12);
        }
        abcd = vaddq_u32(abcd, abcd_before);
        efgh = vaddq_u32(efgh, efgh_before);
    }
    vst1q_u32(chain, abcd);
    vst1q_u32(chain + 4, efgh);
}

const sha256_backend *
sha256_find_armv8(void)
{
    static const sha256_backend backend = {"armv8", compress_armv8};
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_SHA2) != 0 ? &backend : NULL;
#elif defined(__ARM_FEATURE_SHA2) || defined(__ARM_FEATURE_CRYPTO)
    return &backend; /* the compiler was told that every processor it compiles for has it */
#else
    return NULL;
#endif
}

#else

const sha256_backend *
sha256_find_armv8(void)
{
    return NULL;
}

#endif
