/* The compress function of SHA-256 on the SHA extensions of x86: two rounds per instruction.
 *
 * The extensions keep the eight variables in two registers, "abef" and "cdgh" (most significant
 * lane first), and take four words of the schedule at a time. Compiled to a function that finds
 * nothing on other machines; the run-time check makes one binary fit every x86 processor. */
#include "sha256.h"

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))

#include <cpuid.h>
#include <immintrin.h>

#define USES_SHA __attribute__((target("sha,sse4.1")))
#define INLINE static inline __attribute__((always_inline)) USES_SHA

INLINE __m128i
load_lanes(const void *from)
{
    return _mm_loadu_si128((const __m128i *)from);
}

INLINE __m128i
load_words(const uint8_t *block)
{
    const __m128i swap_bytes = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(load_lanes(block), swap_bytes);
}

/* After two rounds the old abef is the new cdgh, so that four rounds need no move. */
INLINE void
four_rounds(__m128i *abef, __m128i *cdgh, __m128i words, size_t t)
{
    __m128i sums = _mm_add_epi32(words, load_lanes(sha256_round_constants + t));
    *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, sums);
    *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(sums, 0x0e));
}

/* Words t to t+3 from the sixteen before them, `first` being the oldest four. */
INLINE __m128i
next_words(__m128i first, __m128i second, __m128i third, __m128i fourth)
{
    __m128i seven_back = _mm_alignr_epi8(fourth, third, 4);
    __m128i sums = _mm_add_epi32(_mm_sha256msg1_epu32(first, second), seven_back);
    return _mm_sha256msg2_epu32(sums, fourth);
}

USES_SHA static void
compress_shani(uint32_t chain[8], const uint8_t *blocks, size_t count)
{
    __m128i abcd = load_lanes(chain);
    __m128i efgh = load_lanes(chain + 4);
    /* Lanes run from the least significant upwards, hence the reversal (0x1b). */
    __m128i abef = _mm_shuffle_epi32(_mm_unpacklo_epi64(abcd, efgh), 0x1b);
    __m128i cdgh = _mm_shuffle_epi32(_mm_unpackhi_epi64(abcd, efgh), 0x1b);

    for (; count > 0; count--, blocks += SHA256_BLOCK_BYTES) {
        const __m128i abef_before = abef;
        const __m128i cdgh_before = cdgh;
        __m128i w0 = load_words(blocks);
        __m128i w1 = load_words(blocks + 16);
        __m128i w2 = load_words(blocks + 32);
        __m128i w3 = load_words(blocks + 48);

        four_rounds(&abef, &cdgh, w0, 0);
        four_rounds(&abef, &cdgh, w1, 4);
        four_rounds(&abef, &cdgh, w2, 8);
        four_rounds(&abef, &cdgh, w3, 12);
        for (size_t t = 16; t < 64; t += 16) {
            w0 = next_words(w0, w1, w2, w3);
            four_rounds(&abef, &cdgh, w0, t);
            w1 = next_words(w1, w2, w3, w0);
            four_rounds(&abef, &cdgh, w1, t + 4);
            w2 = next_words(w2, w3, w0, w1);
            four_rounds(&abef, &cdgh, w2, t + 8);
            w3 = next_words(w3, w0, w1, w2);
            four_rounds(&abef, &cdgh, w3, t + 12);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    abef = _mm_shuffle_epi32(abef, 0x1b);
    cdgh = _mm_shuffle_epi32(cdgh, 0x1b);
    _mm_storeu_si128((__m128i *)(void *)chain, _mm_unpacklo_epi64(abef, cdgh));
    _mm_storeu_si128((__m128i *)(void *)(chain + 4), _mm_unpackhi_epi64(abef, cdgh));
}

/* CPUID leaf 1, ECX: SSSE3 is bit 9, SSE4.1 bit 19. Leaf 7, EBX: SHA is bit 29. The registers used
 * are those of SSE, so that the operating system need not be asked. */
const sha256_backend *
sha256_find_shani(void)
{
    static const sha256_backend backend = {"shani", compress_shani};
    const unsigned int sse = (1u << 9) | (1u << 19);
    unsigned int eax, ebx, ecx, edx;

    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx & sse) != sse) {
        return NULL;
    }
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !(ebx & (1u << 29))) {
        return NULL;
    }
    return &backend;
}

#else

const sha256_backend *
sha256_find_shani(void)
{
    return NULL;
}

#endif
