/* Blobs over one connection: a push from its POST to its 201, a pull with its digest. */
#include "load.h"

#include <stdio.h>
#include <string.h>

static void send_pattern(struct wire *wire, const char *pattern, size_t period, int64_t count)
{
    while (count > 0) {
        size_t part = count < (int64_t)period ? (size_t)count : period;
        wire_send(wire, pattern, part, true);
        count -= (int64_t)part;
    }
}

static void send_plain_body(struct load *load, struct wire *wire, const char *token)
{
    size_t tail = strlen(token);
    send_pattern(wire, load->pattern, PATTERN_BYTES, load->size - (int64_t)tail);
    wire_send(wire, token, tail, false);
}

/* The last chunk or two hold the end of the pattern and the token. */
static void send_chunked_body(struct load *load, struct wire *wire, const char *token)
{
    size_t tail = strlen(token);
    int64_t frames = (load->size - (int64_t)tail) / CHUNK_BYTES;
    size_t left = (size_t)(load->size - frames * CHUNK_BYTES);
    size_t at = (size_t)(frames % (PATTERN_BYTES / CHUNK_BYTES)) * CHUNK_BYTES;
    char last[CHUNK_BYTES + 256], head[16];
    send_pattern(wire, load->framed, PATTERN_BYTES / CHUNK_BYTES * FRAME_BYTES,
                 frames * FRAME_BYTES);
    memcpy(last, load->pattern + at, left - tail);
    memcpy(last + left - tail, token, tail);
    for (size_t start = 0; start < left; start += CHUNK_BYTES) {
        size_t part = left - start < CHUNK_BYTES ? left - start : CHUNK_BYTES;
        int length = snprintf(head, sizeof head, "%zx\r\n", part);
        wire_send(wire, head, (size_t)length, true);
        wire_send(wire, last + start, part, true);
        wire_send(wire, "\r\n", 2, true);
    }
    wire_send(wire, "0\r\n\r\n", 5, false);
}

void push_blob(struct load *load, struct wire *wire, const struct line *line)
{
    const char *repository = line->word[0], *digest = line->word[1], *token = line->word[2];
    struct answer answer;
    char head[8192];
    snprintf(head, sizeof head,
             "POST /v2/%s/blobs/uploads/ HTTP/1.1\r\nHost: localhost:%d\r\n"
             "Content-Length: 0\r\n\r\n",
             repository, load->target.port);
    wire_ask(wire, head, 202, &answer);
    if (load->mode != 'm') {
        int length = snprintf(head, sizeof head,
                              "PATCH %s HTTP/1.1\r\nHost: localhost:%d\r\n"
                              "Content-Type: application/octet-stream\r\n",
                              answer.location, load->target.port);
        if (load->mode == 'c')
            length += snprintf(head + length, sizeof head - (size_t)length,
                               "Transfer-Encoding: chunked\r\n\r\n");
        else
            length += snprintf(head + length, sizeof head - (size_t)length,
                               "Content-Length: %lld\r\n\r\n", (long long)load->size);
        wire_send(wire, head, (size_t)length, true);
        if (load->mode == 'c')
            send_chunked_body(load, wire, token);
        else
            send_plain_body(load, wire, token);
        wire_head(wire, &answer, false);
        wire_body(wire, answer.length, NULL);
        if (answer.status != 202)
            die("PATCH: answer %d, not 202", answer.status);
    }
    int length = snprintf(head, sizeof head,
                          "PUT %s%sdigest=%s HTTP/1.1\r\nHost: localhost:%d\r\n"
                          "Content-Type: application/octet-stream\r\nContent-Length: %lld\r\n\r\n",
                          answer.location, strchr(answer.location, '?') != NULL ? "&" : "?", digest,
                          load->target.port, load->mode == 'm' ? (long long)load->size : 0LL);
    wire_send(wire, head, (size_t)length, load->mode == 'm');
    if (load->mode == 'm')
        send_plain_body(load, wire, token);
    wire_head(wire, &answer, false);
    wire_body(wire, answer.length, NULL);
    if (answer.status != 201)
        die("PUT: answer %d, not 201", answer.status);
}

static void check_digest(EVP_MD_CTX *hash, const char *expected)
{
    unsigned char bytes[MAX_DIGEST_BYTES];
    unsigned int count;
    char text[2 * MAX_DIGEST_BYTES + 8] = "sha256:";
    EVP_DigestFinal_ex(hash, bytes, &count);
    for (unsigned int i = 0; i < count; i++)
        snprintf(text + 7 + 2 * i, 3, "%02x", bytes[i]);
    if (strcmp(text, expected) != 0)
        die("a blob of %s was answered to %s", text, expected);
}

void pull_blob(struct load *load, struct wire *wire, const struct line *line)
{
    const char *repository = line->word[0], *digest = line->word[1];
    long long size = 0;
    struct answer answer;
    char head[2048];
    EVP_MD_CTX *hash = NULL;
    sscanf(line->word[2], "%lld", &size);
    if (load->verify && (hash = EVP_MD_CTX_new()) != NULL)
        EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    int length = snprintf(head, sizeof head,
                          "GET /v2/%s/blobs/%s HTTP/1.1\r\nHost: localhost:%d\r\n\r\n", repository,
                          digest, load->target.port);
    wire_send(wire, head, (size_t)length, false);
    wire_head(wire, &answer, false);
    if (answer.status != 200 || answer.length != size)
        die("GET of a blob: answer %d with %lld bytes, not 200 with %lld", answer.status,
            (long long)answer.length, size);
    wire_body(wire, answer.length, hash);
    if (hash != NULL) {
        check_digest(hash, digest);
        EVP_MD_CTX_free(hash);
    }
}
