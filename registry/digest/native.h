/* What the files that know Python share: objects, their state, and who may touch them.
 *
 * An object serves one thread at a time. `busy` is set, under the GIL, while a call works on it
 * without; whatever else touches the object then gets RuntimeError, and never a half-made state. */
#ifndef TRIREME_NATIVE_H
#define TRIREME_NATIVE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>

#include "framing.h"
#include "sha256.h"

/* Below this, giving the GIL back and taking it again costs more than the work. */
#define RELEASE_GIL_FROM_BYTES 2048

typedef struct {
    PyObject *sha256_type;
    PyObject *decoder_type;
    size_t backend_count;
    const sha256_backend *backends[SHA256_MAX_BACKENDS]; /* of this machine, fastest first */
} module_state;

typedef struct {
    PyObject_HEAD
    sha256_context context;
    bool busy;
} Sha256;

typedef struct {
    PyObject_HEAD
    framing_decoder framing;
    bool busy;
} Decoder;

extern PyType_Spec sha256_spec;
extern PyType_Spec decoder_spec;

/* Each returns -1, with an exception set, when the answer is no. */
int sha256_check_not_busy(const Sha256 *self);
int sha256_check_room(const Sha256 *self, size_t size);
int decoder_check_not_busy(const Decoder *self);

/* ValueError unless `start` to `end` is a range within `bytes`. */
int check_range(const Py_buffer *bytes, Py_ssize_t start, Py_ssize_t end);

/* (payload bytes, consumed bytes, whether the body is whole, what broke the grammar or None); a new
 * reference. `framing` may be NULL. */
PyObject *describe_block(const framing_decoder *framing, size_t payload, size_t consumed);

#endif
