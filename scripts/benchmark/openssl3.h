/* What the load client uses of OpenSSL 3, declared here so that its headers need not be installed:
 * the library itself is wherever Python is. Names, types and numbers as in its manual pages
 * SSL_CTX_ctrl(3), SSL_ctrl(3), BIO_ctrl(3), BIO_f_buffer(3).
 */
#ifndef OPENSSL3_H
#define OPENSSL3_H

#include <stddef.h>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct bio_st BIO;
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;

#define CTX_SET_READ_AHEAD 41
#define SET_HOST_NAME 55
#define BIO_FLUSH 11
#define BIO_SET_BUFFER_SIZE 117
#define BIO_OF_WRITES 1
#define KEEP_DESCRIPTOR 0
#define VERIFY_PEER 1
#define MAX_DIGEST_BYTES 64

const void *TLS_client_method(void);
SSL_CTX *SSL_CTX_new(const void *method);
long SSL_CTX_ctrl(SSL_CTX *, int command, long number, void *pointer);
int SSL_CTX_load_verify_locations(SSL_CTX *, const char *file, const char *directory);
int SSL_CTX_set_ciphersuites(SSL_CTX *, const char *names);
void SSL_CTX_set_default_read_buffer_len(SSL_CTX *, size_t count);
void SSL_CTX_set_verify(SSL_CTX *, int mode, void *callback);
SSL *SSL_new(SSL_CTX *);
void SSL_free(SSL *);
long SSL_ctrl(SSL *, int command, long number, const void *pointer);
void SSL_set0_rbio(SSL *, BIO *);
void SSL_set0_wbio(SSL *, BIO *);
BIO *SSL_get_wbio(const SSL *);
int SSL_set1_host(SSL *, const char *name);
int SSL_connect(SSL *);
int SSL_read(SSL *, void *into, int count);
int SSL_write(SSL *, const void *bytes, int count);

const void *BIO_f_buffer(void);
BIO *BIO_new(const void *method);
BIO *BIO_new_socket(int descriptor, int close);
BIO *BIO_push(BIO *first, BIO *second);
int BIO_up_ref(BIO *);
long BIO_ctrl(BIO *, int command, long number, void *pointer);
long BIO_int_ctrl(BIO *, int command, long number, int which);

unsigned long ERR_get_error(void);
const char *ERR_reason_error_string(unsigned long error);

const EVP_MD *EVP_sha256(void);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *);
int EVP_DigestInit_ex(EVP_MD_CTX *, const EVP_MD *, void *engine);
int EVP_DigestUpdate(EVP_MD_CTX *, const void *bytes, size_t count);
int EVP_DigestFinal_ex(EVP_MD_CTX *, unsigned char *into, unsigned int *count);

#endif
