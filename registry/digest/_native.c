/* registry.digest._native: SHA-256 with a state that travels, a decoder of chunked bodies, and one
 * call that takes a block from wire to disk through both. */
#define _GNU_SOURCE            /* pwrite */
#define _FILE_OFFSET_BITS 64

#include "native.h"

#include <errno.h>
#include <limits.h>
#include <sys/types.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == sizeof(long long), "an offset of Python's is one of the system's");

typedef struct {
    Decoder *decoder; /* NULL: the block is payload already */
    Sha256 *hash;     /* NULL: it is hashed elsewhere */
    int fd;
    long long offset;
    uint8_t *bytes;
    size_t size;
    /* Results. */
    size_t payload;
    size_t consumed;
    int error; /* errno, or 0 */
} block_job;

/* Returns 0 or an errno. Signals are left to the interpreter, which sees them after the call. */
static int
write_all(int fd, const uint8_t *bytes, size_t size, long long offset)
{
    while (size > 0) {
        ssize_t written = pwrite(fd, bytes, size, offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return written < 0 ? errno : EIO; /* nothing written and no reason given */
        }
        bytes += written;
        size -= (size_t)written;
        offset += written;
    }
    return 0;
}

/* Runs without the GIL: no Python API. The hash is last, so that it counts only what was written. */
static void
do_block(block_job *job)
{
    job->payload = job->consumed = job->size;
    if (job->decoder != NULL) {
        job->payload = framing_feed(&job->decoder->framing, job->bytes, job->size, &job->consumed);
    }
    job->error = write_all(job->fd, job->bytes, job->payload, job->offset);
    if (job->error == 0 && job->hash != NULL) {
        sha256_update(&job->hash->context, job->bytes, job->payload);
    }
}

static void
set_busy(const block_job *job, bool busy)
{
    if (job->decoder != NULL) {
        job->decoder->busy = busy;
    }
    if (job->hash != NULL) {
        job->hash->busy = busy;
    }
}

static int
check_type(PyObject *object, PyObject *type, const char *name)
{
    if (object != Py_None && (PyObject *)Py_TYPE(object) != type) {
        PyErr_Format(PyExc_TypeError, "%s must be one of this module's or None", name);
        return -1;
    }
    return 0;
}

/* Refuses before anything is changed; -1 with an exception set. */
static int
check_job(const block_job *job)
{
    if (job->decoder != NULL && decoder_check_not_busy(job->decoder) < 0) {
        return -1;
    }
    if (job->hash != NULL
        && (sha256_check_not_busy(job->hash) < 0 || sha256_check_room(job->hash, job->size) < 0)) {
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(write_block_doc,
"write_block(decoder, hasher, fd, offset, block, start, end, /)\n--\n\n"
"Decode ``block[start:end]`` in place, write the payload at `offset` of `fd` and hash it, without\n"
"the GIL. `decoder` and `hasher` may be None.\n\n"
"Returns what `Decoder.feed` does; the payload before a fault was written and hashed. Raises\n"
"OSError when it could not all be written: it is not hashed then, but the decoder has gone on.");

static PyObject *
write_block(PyObject *module, PyObject *args)
{
    const module_state *state = PyModule_GetState(module);
    PyObject *decoder, *hash, *block_object;
    PyObject *result = NULL;
    Py_buffer block;
    Py_ssize_t start, end;
    block_job job = {0};

    if (state == NULL
        || !PyArg_ParseTuple(args, "OOiLOnn:write_block", &decoder, &hash, &job.fd, &job.offset,
                             &block_object, &start, &end)
        || check_type(decoder, state->decoder_type, "decoder") < 0
        || check_type(hash, state->sha256_type, "hasher") < 0) {
        return NULL;
    }
    int flags = decoder == Py_None ? PyBUF_SIMPLE : PyBUF_WRITABLE;
    if (PyObject_GetBuffer(block_object, &block, flags) < 0) {
        return NULL;
    }
    if (check_range(&block, start, end) < 0) {
        goto exit;
    }
    job.decoder = decoder == Py_None ? NULL : (Decoder *)decoder;
    job.hash = hash == Py_None ? NULL : (Sha256 *)hash;
    job.bytes = (uint8_t *)block.buf + start;
    job.size = (size_t)(end - start);
    if (check_job(&job) < 0) {
        goto exit;
    }
    set_busy(&job, true);
    Py_BEGIN_ALLOW_THREADS
    do_block(&job);
    Py_END_ALLOW_THREADS
    set_busy(&job, false);
    if (job.error != 0) {
        errno = job.error;
        PyErr_SetFromErrno(PyExc_OSError);
        goto exit;
    }
    result = describe_block(job.decoder != NULL ? &job.decoder->framing : NULL, job.payload,
                            job.consumed);
exit:
    PyBuffer_Release(&block);
    return result;
}

static PyMethodDef module_methods[] = {
    {"write_block", write_block, METH_VARARGS, write_block_doc},
    {NULL, NULL, 0, NULL},
};

static PyObject *
name_backends(const module_state *state)
{
    PyObject *names = PyTuple_New((Py_ssize_t)state->backend_count);

    for (size_t i = 0; names != NULL && i < state->backend_count; i++) {
        PyObject *name = PyUnicode_FromString(state->backends[i]->name);
        if (name == NULL || PyTuple_SetItem(names, (Py_ssize_t)i, name) < 0) {
            Py_CLEAR(names);
        }
    }
    return names;
}

static int
add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **kept)
{
    *kept = PyType_FromModuleAndSpec(module, spec, NULL);
    return *kept == NULL ? -1 : PyModule_AddObjectRef(module, name, *kept);
}

static int
module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);

    if (state == NULL) {
        return -1;
    }
    state->backend_count = sha256_find_backends(state->backends);
    if (add_type(module, &sha256_spec, "Sha256", &state->sha256_type) < 0
        || add_type(module, &decoder_spec, "Decoder", &state->decoder_type) < 0) {
        return -1;
    }
    PyObject *backends = name_backends(state);
    int failed = backends == NULL || PyModule_AddObjectRef(module, "backends", backends) < 0;
    Py_XDECREF(backends);
    return failed ? -1 : 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = PyModule_GetState(module);
    if (state != NULL) {
        Py_VISIT(state->sha256_type);
        Py_VISIT(state->decoder_type);
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (state != NULL) {
        Py_CLEAR(state->sha256_type);
        Py_CLEAR(state->decoder_type);
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    /* ISO C has no conversion from a function to an object pointer; the slot wants one. */
    {Py_mod_exec, (void *)module_exec},
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "registry.digest._native",
    .m_doc = "SHA-256 with a state that travels, and chunked bodies decoded in place.",
    .m_size = sizeof(module_state),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
