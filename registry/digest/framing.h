/* Chunked transfer coding (RFC 9112, section 7.1), undone in place and cut anywhere. The grammar is
 * in registry/framing/contract.py, and registry/framing/python.py has the same states. No Python API
 * here. */
#ifndef TRIREME_FRAMING_H
#define TRIREME_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_MAX_HEAD_BYTES 4096
#define FRAMING_MAX_TRAILER_BYTES 65536
#define FRAMING_MAX_SIZE_DIGITS 20

typedef enum {
    FRAMING_SIZE,
    FRAMING_PADDING,
    FRAMING_EXTENSION,
    FRAMING_EXTENSION_CR,
    FRAMING_HEAD_LF,
    FRAMING_DATA,
    FRAMING_DATA_CR,
    FRAMING_DATA_LF,
    FRAMING_TRAILER_START,
    FRAMING_TRAILER_NAME,
    FRAMING_TRAILER_VALUE,
    FRAMING_TRAILER_LF,
    FRAMING_LAST_LF,
    FRAMING_FINISHED,
    FRAMING_FAILED,
} framing_state;

typedef struct {
    framing_state state;
    unsigned int digits;
    uint64_t left_bytes; /* of the chunk, or the size as far as it was read */
    size_t line_bytes;   /* of the head, or of all trailers */
    /* While the name of a field is read: its length, and what it can still become. */
    size_t name_bytes;
    bool may_be_content_length;
    bool may_be_transfer_encoding;
    bool has_field;
    /* What broke the grammar, NULL before; and the byte, or -1 when it does not matter which. */
    const char *fault;
    int fault_byte;
} framing_decoder;

void framing_init(framing_decoder *decoder);

/* Moves the payload in `bytes` to its front and returns how much it is. `*consumed` is how many of
 * the `size` bytes belong to the body: all, unless the decoder is then finished or has failed. */
size_t framing_feed(framing_decoder *decoder, uint8_t *bytes, size_t size, size_t *consumed);

#endif
