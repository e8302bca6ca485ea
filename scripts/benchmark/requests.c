/* Small requests: as many as a server answers, pings with their times, and uploads that trickle. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PING_PAUSE_NS 1000000
#define MAX_PINGS 1000000

/* Return the length of the answer at the start of `in`, 0 when it is not whole yet. */
static size_t answer_length(const char *in, bool bodiless)
{
    const char *end = strstr(in, "\r\n\r\n");
    if (end == NULL)
        return 0;
    if (strncmp(in, "HTTP/1.1 200", 12) != 0)
        die("answer %.12s, not 200", in);
    size_t head = (size_t)(end - in) + 4;
    if (bodiless)
        return head;
    for (const char *line = in; line < end; line = strstr(line, "\r\n") + 2)
        if (strncasecmp(line, "content-length:", 15) == 0)
            return head + strtoull(line + 15, NULL, 10);
    die("an answer without Content-Length");
}

/* One request after the other on each connection, none ahead of its answer. */
void run_rate(struct load *load)
{
    const struct line *line = &load->line[0];
    bool bodiless = strcmp(line->word[0], "HEAD") == 0;
    char request[2048];
    int length = snprintf(request, sizeof request,
                          "%s %s HTTP/1.1\r\nHost: localhost:%d\r\nAccept: %s\r\n\r\n",
                          line->word[0], line->word[1], load->target.port, line->word[2]);
    struct wire **wires = calloc((size_t)load->connections, sizeof *wires);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < load->connections; i++) {
        wires[i] = malloc(sizeof **wires);
        wire_open(wires[i], &load->target);
        fcntl(wires[i]->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = wires[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, wires[i]->fd, &event);
        wire_send(wires[i], request, (size_t)length, false);
    }
    double begun = seconds_now() + load->warm_s, end = begun + load->duration_s, now;
    int64_t answers = 0;
    while ((now = seconds_now()) < end) {
        struct epoll_event events[64];
        int count = epoll_wait(poll, events, 64, 1000 * WIRE_DEADLINE_S);
        if (count == 0)
            die("no answer within %d s", WIRE_DEADLINE_S);
        for (int i = 0; i < count; i++) {
            struct wire *wire = events[i].data.ptr;
            ssize_t got = recv(wire->fd, wire->in + wire->have, sizeof wire->in - 1 - wire->have, 0);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0)
                die("the server closed a connection");
            wire->have += (size_t)got;
            wire->in[wire->have] = '\0';
            size_t whole = answer_length(wire->in, bodiless);
            if (whole == 0 || wire->have < whole)
                continue;
            if (wire->have > whole)
                die("more bytes than the answer has");
            wire->have = 0;
            answers += now >= begun;
            wire_send(wire, request, (size_t)length, false);
        }
    }
    printf("{\"seconds\": %.6f, \"answers\": %lld}\n", now - begun, (long long)answers);
}

static int compare(const void *left, const void *right)
{
    double one = *(const double *)left, other = *(const double *)right;
    return (one > other) - (one < other);
}

/* The time of each ping runs from its sending; the pause comes after its answer. */
void run_ping(struct load *load)
{
    static struct wire wire;
    struct answer answer;
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    struct timespec pause = {.tv_nsec = PING_PAUSE_NS};
    char head[256];
    double *times = malloc(MAX_PINGS * sizeof *times);
    size_t count = 0;
    if (times == NULL)
        die("no memory");
    snprintf(head, sizeof head, "GET /v2/ HTTP/1.1\r\nHost: localhost:%d\r\n\r\n",
             load->target.port);
    wire_open(&wire, &load->target);
    wire_ask(&wire, head, 200, &answer);
    printf("ready\n");
    fflush(stdout);
    while (count < MAX_PINGS && poll(&in, 1, 0) == 0) {
        double begun = seconds_now();
        wire_ask(&wire, head, 200, &answer);
        times[count++] = seconds_now() - begun;
        nanosleep(&pause, NULL);
    }
    wire_close(&wire);
    if (count == 0)
        die("no ping was answered");
    qsort(times, count, sizeof *times, compare);
    printf("{\"count\": %zu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n", count,
           times[count / 2] * 1e6, times[(count * 99 - 1) / 100] * 1e6, times[count - 1] * 1e6);
}

/* All uploads from one thread, a tenth of a second's bytes at a time. */
void run_slow(struct load *load)
{
    struct answer answer;
    char head[8192];
    struct wire **wires = calloc((size_t)load->connections, sizeof *wires);
    size_t part = (size_t)(load->rate / 10);
    if (part == 0 || part > PATTERN_BYTES)
        die("-r %lld: 10 to %d bytes per second", (long long)load->rate, 10 * PATTERN_BYTES);
    for (int i = 0; i < load->connections; i++) {
        wires[i] = malloc(sizeof **wires);
        wire_open(wires[i], &load->target);
        snprintf(head, sizeof head,
                 "POST /v2/%s/blobs/uploads/ HTTP/1.1\r\nHost: localhost:%d\r\n"
                 "Content-Length: 0\r\n\r\n",
                 load->line[0].word[0], load->target.port);
        wire_ask(wires[i], head, 202, &answer);
        int length = snprintf(head, sizeof head,
                              "PATCH %s HTTP/1.1\r\nHost: localhost:%d\r\n"
                              "Content-Type: application/octet-stream\r\n"
                              "Content-Length: %lld\r\n\r\n",
                              answer.location, load->target.port, (long long)load->size);
        wire_send(wires[i], head, (size_t)length, false);
    }
    double begun = seconds_now();
    int64_t sent = 0;
    for (double next = begun; next < begun + load->duration_s; next += 0.1) {
        double wait = next - seconds_now();
        if (wait > 0)
            usleep((useconds_t)(wait * 1e6));
        for (int i = 0; i < load->connections; i++)
            wire_send(wires[i], load->pattern, part, false);
        sent += (int64_t)part * load->connections;
    }
    double seconds = seconds_now() - begun;
    for (int i = 0; i < load->connections; i++)
        wire_close(wires[i]);
    printf("{\"seconds\": %.6f, \"bytes\": %lld}\n", seconds, (long long)sent);
}
