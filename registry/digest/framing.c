/* A table of states that take one byte each; payload is moved in runs. */
#include "framing.h"

#include <string.h>

#define TEXT_OF(number) TEXT(number)
#define TEXT(number) #number

static void
fail(framing_decoder *self, const char *fault)
{
    self->state = FRAMING_FAILED;
    self->fault = fault;
    self->fault_byte = -1;
}

static void
fail_at(framing_decoder *self, uint8_t byte, const char *fault)
{
    fail(self, fault);
    self->fault_byte = byte;
}

static int
hexadecimal_value(uint8_t byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    uint8_t lower = byte | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool
is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static uint8_t
lower_case(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

/* tchar of RFC 9110, section 5.6.2. */
static bool
is_token(uint8_t byte)
{
    uint8_t lower = lower_case(byte);
    return (lower >= 'a' && lower <= 'z') || (byte >= '0' && byte <= '9')
           || (byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

static void
end_head(framing_decoder *self)
{
    self->state = self->left_bytes > 0 ? FRAMING_DATA : FRAMING_TRAILER_START;
    self->digits = 0;
    self->line_bytes = 0;
}

static void
take_size_byte(framing_decoder *self, uint8_t byte)
{
    int value = hexadecimal_value(byte);

    if (value >= 0) {
        if (self->digits == FRAMING_MAX_SIZE_DIGITS) {
            fail(self, "chunk size has more than " TEXT_OF(FRAMING_MAX_SIZE_DIGITS) " digits");
            return;
        }
        self->digits++;
        /* A size beyond 64 bits becomes the largest one, which is never reached either. */
        bool fits = self->left_bytes <= UINT64_MAX >> 4;
        self->left_bytes = fits ? self->left_bytes << 4 | (uint64_t)value : UINT64_MAX;
    }
    else if (self->digits == 0) {
        fail_at(self, byte, "chunk head: expected a hexadecimal digit");
    }
    else if (byte == ';') {
        self->state = FRAMING_EXTENSION;
    }
    else if (is_blank(byte)) {
        self->state = FRAMING_PADDING;
    }
    else if (byte == '\r') {
        self->state = FRAMING_HEAD_LF;
    }
    else {
        fail_at(self, byte, "chunk head: expected a digit, an extension or CR LF");
    }
}

static void
take_head_byte(framing_decoder *self, uint8_t byte)
{
    if (++self->line_bytes > FRAMING_MAX_HEAD_BYTES) {
        fail(self, "chunk head is longer than " TEXT_OF(FRAMING_MAX_HEAD_BYTES) " bytes");
        return;
    }
    switch (self->state) {
    case FRAMING_PADDING:
        if (byte == '\r') {
            self->state = FRAMING_HEAD_LF;
        }
        else if (!is_blank(byte)) {
            fail_at(self, byte, "chunk head: expected CR LF after blanks");
        }
        break;
    case FRAMING_EXTENSION:
        if (byte == '\r') {
            self->state = FRAMING_EXTENSION_CR;
        }
        else if (byte == '\n') {
            fail(self, "chunk extension: LF without CR");
        }
        break;
    case FRAMING_EXTENSION_CR:
        if (byte == '\n') {
            end_head(self);
        }
        else if (byte != '\r') {
            self->state = FRAMING_EXTENSION;
        }
        break;
    case FRAMING_HEAD_LF:
        if (byte == '\n') {
            end_head(self);
        }
        else {
            fail_at(self, byte, "chunk head: expected LF after CR");
        }
        break;
    default: /* FRAMING_SIZE */
        take_size_byte(self, byte);
        break;
    }
}

static bool
can_become(const framing_decoder *self, const char *name, uint8_t byte)
{
    return self->name_bytes < strlen(name) && name[self->name_bytes] == (char)lower_case(byte);
}

static const char content_length[] = "content-length";
static const char transfer_encoding[] = "transfer-encoding";

static void
take_name_byte(framing_decoder *self, uint8_t byte)
{
    self->may_be_content_length &= can_become(self, content_length, byte);
    self->may_be_transfer_encoding &= can_become(self, transfer_encoding, byte);
    self->name_bytes++;
}

static bool
is_framing_name(const framing_decoder *self)
{
    return (self->may_be_content_length && self->name_bytes == strlen(content_length))
           || (self->may_be_transfer_encoding && self->name_bytes == strlen(transfer_encoding));
}

static void
take_trailer_start(framing_decoder *self, uint8_t byte)
{
    if (byte == '\r') {
        self->state = FRAMING_LAST_LF;
    }
    else if (byte == '\n') {
        self->state = FRAMING_FINISHED;
    }
    else if (is_blank(byte)) {
        if (self->has_field) {
            self->state = FRAMING_TRAILER_VALUE;
        }
        else {
            fail(self, "trailers: continuation line without a field before it");
        }
    }
    else if (is_token(byte)) {
        self->state = FRAMING_TRAILER_NAME;
        self->name_bytes = 0;
        self->may_be_content_length = true;
        self->may_be_transfer_encoding = true;
        take_name_byte(self, byte);
    }
    else {
        fail_at(self, byte, "trailers: expected the name of a field");
    }
}

static void
take_trailer_name(framing_decoder *self, uint8_t byte)
{
    if (is_token(byte)) {
        take_name_byte(self, byte);
    }
    else if (byte != ':') {
        fail_at(self, byte, "trailers: expected a colon after the name of a field");
    }
    else if (is_framing_name(self)) {
        fail(self, "trailers: Content-Length and Transfer-Encoding are not allowed");
    }
    else {
        self->has_field = true;
        self->state = FRAMING_TRAILER_VALUE;
    }
}

static void
take_trailer_value(framing_decoder *self, uint8_t byte)
{
    if (byte == '\n') {
        self->state = FRAMING_TRAILER_START;
    }
    else if (byte == '\r') {
        self->state = FRAMING_TRAILER_LF;
    }
    else if (byte == '\0' || byte == '\v' || byte == '\f') {
        fail_at(self, byte, "trailers: NUL, VT and FF are not allowed in a field");
    }
}

static void
take_trailer_byte(framing_decoder *self, uint8_t byte)
{
    if (++self->line_bytes > FRAMING_MAX_TRAILER_BYTES) {
        fail(self, "trailers are longer than " TEXT_OF(FRAMING_MAX_TRAILER_BYTES) " bytes");
        return;
    }
    switch (self->state) {
    case FRAMING_TRAILER_START:
        take_trailer_start(self, byte);
        break;
    case FRAMING_TRAILER_NAME:
        take_trailer_name(self, byte);
        break;
    case FRAMING_TRAILER_VALUE:
        take_trailer_value(self, byte);
        break;
    default: /* FRAMING_TRAILER_LF or FRAMING_LAST_LF */
        if (byte != '\n') {
            fail_at(self, byte, "trailers: expected LF after CR");
        }
        else if (self->state == FRAMING_LAST_LF) {
            self->state = FRAMING_FINISHED;
        }
        else {
            self->state = FRAMING_TRAILER_START;
        }
        break;
    }
}

static void
take_byte(framing_decoder *self, uint8_t byte)
{
    if (self->state < FRAMING_DATA) {
        take_head_byte(self, byte);
    }
    else if (self->state > FRAMING_DATA_LF) {
        take_trailer_byte(self, byte);
    }
    else if (byte != (self->state == FRAMING_DATA_CR ? '\r' : '\n')) {
        fail_at(self, byte, "chunk: expected CR LF after its data");
    }
    else {
        self->state = self->state == FRAMING_DATA_CR ? FRAMING_DATA_LF : FRAMING_SIZE;
    }
}

void
framing_init(framing_decoder *self)
{
    memset(self, 0, sizeof *self);
    self->state = FRAMING_SIZE;
}

size_t
framing_feed(framing_decoder *self, uint8_t *bytes, size_t size, size_t *consumed)
{
    size_t read = 0;
    size_t written = 0;

    while (read < size && self->state < FRAMING_FINISHED) {
        if (self->state != FRAMING_DATA) {
            take_byte(self, bytes[read++]);
            continue;
        }
        size_t there = size - read;
        size_t taken = self->left_bytes < there ? (size_t)self->left_bytes : there;
        if (read != written) {
            memmove(bytes + written, bytes + read, taken);
        }
        read += taken;
        written += taken;
        self->left_bytes -= taken;
        if (self->left_bytes == 0) {
            self->state = FRAMING_DATA_CR;
        }
    }
    *consumed = read;
    return written;
}
