/* What the load client's commands share. */
#ifndef LOAD_H
#define LOAD_H

#include "wire.h"

#define CHUNK_BYTES 32768 /* as io.Copy in Go cuts a body */
#define FRAME_BYTES (6 + CHUNK_BYTES + 2)
#define PATTERN_BYTES (1024 * 1024)
#define MAX_CONNECTIONS 1024

struct line {
    char word[3][256];
};

struct load {
    struct target target;
    int connections;
    char *pattern; /* PATTERN_BYTES, of which every blob is made */
    char *framed;  /* the same as chunks with their framing */
    int64_t size;
    char mode; /* 'l'ength, 'm'onolithic, 'c'hunked */
    double duration_s, warm_s;
    int64_t rate; /* bytes per second of each slow upload */
    bool verify;
    struct line *line;
    size_t lines;
};

void push_blob(struct load *load, struct wire *wire, const struct line *line);
void pull_blob(struct load *load, struct wire *wire, const struct line *line);
void run_rate(struct load *load);
void run_ping(struct load *load);
void run_slow(struct load *load);

#endif
