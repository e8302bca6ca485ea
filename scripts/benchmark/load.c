/* Loads a registry: pushes, pulls, requests in a row, pings with their times, slow uploads.
 *
 * One client for every server, so that what it costs is the same for all. It sends from a buffer
 * that stays in the processor's cache and throws away what it receives: the bytes cost it little,
 * and two cores are left to the server as far as can be. A blob is the pattern file over and over,
 * ended by a token of its own, so each push is of a blob no server has seen.
 *
 *     load push  -p PORT [-t CA] -c CONNECTIONS -f PATTERN -s SIZE -m length|monolithic|chunked
 *                on stdin one line for each blob: REPOSITORY DIGEST TOKEN
 *     load pull  -p PORT [-t CA] -c CONNECTIONS [-v]
 *                on stdin one line for each blob: REPOSITORY DIGEST SIZE; -v also checks digests
 *     load rate  -p PORT -c CONNECTIONS -d SECONDS -w SECONDS
 *                on stdin the request: METHOD PATH ACCEPT; the second time is not counted
 *     load ping  -p PORT [-t CA]     a ping each millisecond until the end of stdin
 *     load slow  -p PORT -c CONNECTIONS -f PATTERN -s SIZE -d SECONDS -r BYTES_PER_SECOND
 *                on stdin a repository; uploads declare SIZE and are broken off after SECONDS
 *
 * Lines go to the connections in turn. Times run from the moment all connections stand to the last
 * answer. Prints one JSON object; any answer but the right one ends it with status 1.
 */
#include "load.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void read_pattern(struct load *load, const char *path)
{
    FILE *file = fopen(path, "rb");
    load->pattern = malloc(PATTERN_BYTES);
    if (file == NULL || load->pattern == NULL ||
        fread(load->pattern, 1, PATTERN_BYTES, file) != PATTERN_BYTES)
        die("cannot read %d bytes of %s", PATTERN_BYTES, path);
    fclose(file);
    size_t frames = PATTERN_BYTES / CHUNK_BYTES;
    char *to = load->framed = malloc(frames * FRAME_BYTES);
    if (to == NULL)
        die("no memory");
    for (size_t i = 0; i < frames; i++) {
        memcpy(to, "8000\r\n", 6);
        memcpy(to + 6, load->pattern + i * CHUNK_BYTES, CHUNK_BYTES);
        memcpy(to + 6 + CHUNK_BYTES, "\r\n", 2);
        to += FRAME_BYTES;
    }
}

static void read_lines(struct load *load)
{
    size_t room = 0;
    char line[1024];
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (load->lines == room) {
            room = room ? 2 * room : 64;
            load->line = realloc(load->line, room * sizeof *load->line);
            if (load->line == NULL)
                die("no memory");
        }
        struct line *into = &load->line[load->lines++];
        if (sscanf(line, "%255s %255s %255s", into->word[0], into->word[1], into->word[2]) < 1)
            die("an empty line on stdin");
    }
    if (load->lines == 0)
        die("nothing on stdin");
}

struct worker {
    struct load *load;
    int number;
    void (*work)(struct load *, struct wire *, const struct line *);
    pthread_barrier_t *start;
    double begun, ended; /* by its own clock: this program's main thread may wake up late */
};

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    struct load *load = worker->load;
    struct wire *wire = malloc(sizeof *wire);
    if (wire == NULL)
        die("no memory");
    wire_open(wire, &load->target);
    pthread_barrier_wait(worker->start);
    worker->begun = seconds_now();
    for (size_t i = (size_t)worker->number; i < load->lines; i += (size_t)load->connections)
        worker->work(load, wire, &load->line[i]);
    worker->ended = seconds_now();
    wire_close(wire);
    free(wire);
    return NULL;
}

static double cpu_now(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6;
}

/* Do every line on its connection, and say how long it took. */
static void run_lines(struct load *load,
                      void (*work)(struct load *, struct wire *, const struct line *))
{
    pthread_t threads[MAX_CONNECTIONS];
    struct worker workers[MAX_CONNECTIONS];
    pthread_barrier_t start;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024 + 1024 * 1024);
    pthread_barrier_init(&start, NULL, (unsigned)load->connections);
    for (int i = 0; i < load->connections; i++) {
        workers[i] = (struct worker){load, i, work, &start, 0, 0};
        if (pthread_create(&threads[i], &small, run_worker, &workers[i]) != 0)
            die("cannot start thread %d", i);
    }
    double begun = 0, ended = 0;
    for (int i = 0; i < load->connections; i++) {
        pthread_join(threads[i], NULL);
        begun = i == 0 || workers[i].begun < begun ? workers[i].begun : begun;
        ended = workers[i].ended > ended ? workers[i].ended : ended;
    }
    printf("{\"seconds\": %.6f, \"client_cpu_s\": %.6f}\n", ended - begun, cpu_now());
}

static void read_options(struct load *load, int count, char **words)
{
    int option;
    const char *authority = NULL;
    while ((option = getopt(count, words, "p:t:c:f:s:m:d:w:r:v")) != -1) {
        switch (option) {
        case 'p': load->target.port = atoi(optarg); break;
        case 't': authority = optarg; break;
        case 'c': load->connections = atoi(optarg); break;
        case 'f': read_pattern(load, optarg); break;
        case 's': load->size = strtoll(optarg, NULL, 10); break;
        case 'm': load->mode = optarg[0]; break;
        case 'd': load->duration_s = atof(optarg); break;
        case 'w': load->warm_s = atof(optarg); break;
        case 'r': load->rate = strtoll(optarg, NULL, 10); break;
        case 'v': load->verify = true; break;
        default: exit(2);
        }
    }
    if (load->connections < 1 || load->connections > MAX_CONNECTIONS)
        die("-c %d: 1 to %d connections", load->connections, MAX_CONNECTIONS);
    load->target.tls = wire_tls(authority);
}

int main(int count, char **words)
{
    static struct load load = {.connections = 1, .duration_s = 1};
    const char *command = count > 1 ? words[1] : "";
    signal(SIGPIPE, SIG_IGN);
    read_options(&load, count - 1, words + 1);
    if (strcmp(command, "ping") == 0) {
        run_ping(&load);
        return 0;
    }
    read_lines(&load);
    if (strcmp(command, "push") == 0)
        run_lines(&load, push_blob);
    else if (strcmp(command, "pull") == 0)
        run_lines(&load, pull_blob);
    else if (strcmp(command, "rate") == 0)
        run_rate(&load);
    else if (strcmp(command, "slow") == 0)
        run_slow(&load);
    else
        die("push, pull, rate, ping or slow, not %s", command);
    return 0;
}
