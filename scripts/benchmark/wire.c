#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (1024 * 1024)
#define TLS_BATCH_BYTES (256 * 1024) /* ciphertext per system call, both ways */

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    fflush(stderr);
    _exit(1); /* not exit: other threads use what its handlers would take away */
}

double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

SSL_CTX *wire_tls(const char *authority)
{
    if (authority == NULL)
        return NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_load_verify_locations(context, authority, NULL) != 1)
        die("cannot read the certificate %s", authority);
    SSL_CTX_set_verify(context, VERIFY_PEER, NULL);
    /* The order of Go's clients on processors with AES instructions, so that every server agrees to
     * the same cipher. */
    SSL_CTX_set_ciphersuites(
        context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_ctrl(context, CTX_SET_READ_AHEAD, 1, NULL);
    SSL_CTX_set_default_read_buffer_len(context, TLS_BATCH_BYTES);
    return context;
}

static void start_tls(struct wire *wire)
{
    BIO *socket = BIO_new_socket(wire->fd, KEEP_DESCRIPTOR);
    BIO *buffer = BIO_new(BIO_f_buffer());
    wire->ssl = SSL_new(wire->target->tls);
    if (socket == NULL || buffer == NULL || wire->ssl == NULL)
        die("no memory for TLS");
    BIO_int_ctrl(buffer, BIO_SET_BUFFER_SIZE, TLS_BATCH_BYTES, BIO_OF_WRITES);
    BIO_up_ref(socket);
    SSL_set0_rbio(wire->ssl, socket);
    SSL_set0_wbio(wire->ssl, BIO_push(buffer, socket));
    SSL_ctrl(wire->ssl, SET_HOST_NAME, 0, "localhost");
    SSL_set1_host(wire->ssl, "localhost");
    if (SSL_connect(wire->ssl) != 1)
        die("TLS handshake: %s", ERR_reason_error_string(ERR_get_error()));
}

void wire_open(struct wire *wire, const struct target *target)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)target->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval deadline = {.tv_sec = WIRE_DEADLINE_S};
    int on = 1;
    wire->target = target;
    wire->ssl = NULL;
    wire->have = wire->at = 0;
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0 || connect(wire->fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("cannot connect to port %d: %s", target->port, strerror(errno));
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    if (target->tls != NULL)
        start_tls(wire);
}

void wire_close(struct wire *wire)
{
    if (wire->ssl != NULL)
        SSL_free(wire->ssl);
    close(wire->fd);
}

void wire_send(struct wire *wire, const void *bytes, size_t count, bool more)
{
    const char *from = bytes;
    while (count > 0) {
        ssize_t sent;
        if (wire->ssl != NULL)
            sent = SSL_write(wire->ssl, from, (int)(count < READ_BYTES ? count : READ_BYTES));
        else
            sent = send(wire->fd, from, count, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        if (sent < 0 && wire->ssl == NULL && errno == EINTR)
            continue;
        if (sent <= 0)
            die("the server took no more of a request: %s",
                wire->ssl != NULL ? "TLS ended" : strerror(errno));
        from += sent;
        count -= (size_t)sent;
    }
    if (wire->ssl != NULL && !more && BIO_ctrl(SSL_get_wbio(wire->ssl), BIO_FLUSH, 0, NULL) != 1)
        die("the server took no more of a request over TLS");
}

static size_t receive(struct wire *wire, void *into, size_t count, int flags)
{
    for (;;) {
        ssize_t got;
        if (wire->ssl != NULL)
            got = SSL_read(wire->ssl, into, (int)(count < READ_BYTES ? count : READ_BYTES));
        else
            got = recv(wire->fd, into, count, flags);
        if (got > 0)
            return (size_t)got;
        if (got < 0 && wire->ssl == NULL && errno == EINTR)
            continue;
        if (got == 0 || wire->ssl != NULL)
            die("the server closed the connection before its answer was whole");
        die("no answer: %s", strerror(errno));
    }
}

/* Return the value of a header of the head `head`, NULL when it is not there. */
static const char *find_header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " ");
    }
    return NULL;
}

static void read_location(const char *value, char *into, size_t room)
{
    const char *path = value;
    if (strncmp(value, "http", 4) == 0) {
        const char *host = strstr(value, "://");
        path = host != NULL ? strchr(host + 3, '/') : NULL;
    }
    size_t length = path != NULL ? strcspn(path, "\r\n") : 0;
    if (length == 0 || length >= room)
        die("a Location that cannot be used: %.200s", value);
    memcpy(into, path, length);
    into[length] = '\0';
}

void wire_head(struct wire *wire, struct answer *answer, bool bodiless)
{
    char *end;
    do {
        if (wire->at > 0) {
            memmove(wire->in, wire->in + wire->at, wire->have - wire->at);
            wire->have -= wire->at;
            wire->at = 0;
        }
        for (;;) {
            wire->in[wire->have] = '\0';
            if ((end = strstr(wire->in, "\r\n\r\n")) != NULL)
                break;
            if (wire->have + 1 >= sizeof wire->in)
                die("the head of an answer is longer than %zu bytes", sizeof wire->in);
            wire->have += receive(wire, wire->in + wire->have, sizeof wire->in - 1 - wire->have, 0);
        }
        end[2] = '\0';
        if (sscanf(wire->in, "HTTP/1.1 %d", &answer->status) != 1)
            die("not an answer: %.100s", wire->in);
        wire->at = (size_t)(end - wire->in) + 4;
    } while (answer->status < 200);
    const char *length = find_header(wire->in, "content-length");
    const char *location = find_header(wire->in, "location");
    answer->length = length != NULL && !bodiless ? strtoll(length, NULL, 10) : 0;
    answer->location[0] = '\0';
    if (location != NULL)
        read_location(location, answer->location, sizeof answer->location);
    if (length == NULL && !bodiless && answer->status != 204)
        die("an answer %d without Content-Length", answer->status);
}

void wire_body(struct wire *wire, int64_t count, EVP_MD_CTX *hash)
{
    static _Thread_local char into[READ_BYTES];
    while (count > 0) {
        size_t part = wire->have - wire->at;
        const char *bytes = wire->in + wire->at;
        if (part > 0) {
            part = (int64_t)part < count ? part : (size_t)count;
            wire->at += part;
        } else {
            bool drop = hash == NULL && wire->ssl == NULL;
            part = count < READ_BYTES ? (size_t)count : READ_BYTES;
            part = receive(wire, into, part, drop ? MSG_TRUNC : 0);
            bytes = into;
        }
        if (hash != NULL)
            EVP_DigestUpdate(hash, bytes, part);
        count -= (int64_t)part;
    }
}

void wire_ask(struct wire *wire, const char *head, int status, struct answer *answer)
{
    wire_send(wire, head, strlen(head), false);
    wire_head(wire, answer, strncmp(head, "HEAD ", 5) == 0);
    wire_body(wire, answer->length, NULL);
    if (answer->status != status)
        die("%.*s: answer %d, not %d", (int)strcspn(head, "\r"), head, answer->status, status);
}
