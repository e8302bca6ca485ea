/* registry.digest._native: SHA-256 whose state can be taken out and put back.
 *
 * An object serves one thread at a time. `busy` is set, under the GIL, while an update runs without
 * it; whatever else touches the object then gets RuntimeError, and never a half-made state. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <string.h>

#include "sha256.h"

/* Below this, giving the GIL back and taking it again costs more than the hash. */
#define RELEASE_GIL_FROM_BYTES 2048

typedef struct {
    PyObject *sha256_type;
    sha256_compress shani; /* NULL where the processor has no SHA extensions */
} module_state;

typedef struct {
    PyObject_HEAD
    sha256_context context;
    bool busy;
} Sha256;

static int
check_not_busy(const Sha256 *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is updating this hash");
        return -1;
    }
    return 0;
}

/* NULL, with ValueError set, for a backend this machine does not have. */
static sha256_compress
find_compress(const module_state *state, const char *backend)
{
    if (backend == NULL) {
        return state->shani != NULL ? state->shani : sha256_compress_portable;
    }
    if (strcmp(backend, "portable") == 0) {
        return sha256_compress_portable;
    }
    if (strcmp(backend, "shani") == 0 && state->shani != NULL) {
        return state->shani;
    }
    PyErr_Format(PyExc_ValueError, "no SHA-256 backend '%s' on this machine: choose %s", backend,
                 state->shani != NULL ? "'shani' or 'portable'" : "'portable'");
    return NULL;
}

static Sha256 *
allocate(PyTypeObject *type)
{
    Sha256 *self = PyObject_New(Sha256, type);
    if (self != NULL) {
        self->busy = false;
    }
    return self;
}

static PyObject *
sha256_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"backend", NULL};
    const char *backend = NULL;
    const module_state *state = PyType_GetModuleState(type);

    if (state == NULL || !PyArg_ParseTupleAndKeywords(args, kwargs, "|z:Sha256", names, &backend)) {
        return NULL;
    }
    sha256_compress compress = find_compress(state, backend);
    if (compress == NULL) {
        return NULL;
    }
    Sha256 *self = allocate(type);
    if (self != NULL) {
        sha256_init(&self->context, compress);
    }
    return (PyObject *)self;
}

static void
sha256_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(from_state_doc,
"from_state(state, backend=None)\n--\n\n"
"Go on from the 108 bytes that `state` gave here or that Go wrote.\n\n"
"Raises ValueError when they are not a state of SHA-256.");

static PyObject *
sha256_from_state(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"state", "backend", NULL};
    const char *backend = NULL;
    const char *problem;
    Py_buffer bytes;
    Sha256 *self = NULL;
    const module_state *state = PyType_GetModuleState((PyTypeObject *)cls);

    if (state == NULL
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "y*|z:from_state", names, &bytes, &backend)) {
        return NULL;
    }
    sha256_compress compress = find_compress(state, backend);
    if (compress == NULL) {
        goto exit;
    }
    if (bytes.len != SHA256_STATE_BYTES) {
        PyErr_Format(PyExc_ValueError, "state of SHA-256 has %zd bytes, not %d", bytes.len,
                     SHA256_STATE_BYTES);
        goto exit;
    }
    self = allocate((PyTypeObject *)cls);
    if (self == NULL) {
        goto exit;
    }
    problem = sha256_import(&self->context, compress, bytes.buf);
    if (problem != NULL) {
        PyErr_Format(PyExc_ValueError, "state of SHA-256 %s", problem);
        Py_DECREF(self);
        self = NULL;
    }
exit:
    PyBuffer_Release(&bytes);
    return (PyObject *)self;
}

PyDoc_STRVAR(update_doc,
"update(data, /)\n--\n\n"
"Hash the bytes of `data`, without the GIL from 2048 bytes up.\n\n"
"Raises RuntimeError while another thread does; nothing is hashed then.");

static PyObject *
sha256_update_method(PyObject *object, PyObject *data)
{
    Sha256 *self = (Sha256 *)object;
    PyObject *result = NULL;
    Py_buffer bytes;

    if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    /* Not before the buffer is there: to get one may run Python code, and so another thread. */
    if (check_not_busy(self) < 0) {
        goto exit;
    }
    size_t size = (size_t)bytes.len;
    if (size > SHA256_MAX_BYTES - self->context.length) {
        PyErr_SetString(PyExc_OverflowError, "SHA-256 takes at most 2**61 - 1 bytes");
        goto exit;
    }
    if (size >= RELEASE_GIL_FROM_BYTES) {
        self->busy = true;
        Py_BEGIN_ALLOW_THREADS
        sha256_update(&self->context, bytes.buf, size);
        Py_END_ALLOW_THREADS
        self->busy = false;
    }
    else {
        sha256_update(&self->context, bytes.buf, size);
    }
    result = Py_NewRef(Py_None);
exit:
    PyBuffer_Release(&bytes);
    return result;
}

PyDoc_STRVAR(digest_doc,
"digest()\n--\n\n"
"Return the 32 bytes of the hash so far; hashing can go on.");

static PyObject *
sha256_digest_method(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Sha256 *self = (Sha256 *)object;
    uint8_t digest[SHA256_DIGEST_BYTES];

    if (check_not_busy(self) < 0) {
        return NULL;
    }
    sha256_digest(&self->context, digest);
    return PyBytes_FromStringAndSize((const char *)digest, sizeof digest);
}

PyDoc_STRVAR(state_doc,
"state()\n--\n\n"
"Return the 108 bytes from which `from_state`, or Go, can go on.");

static PyObject *
sha256_state_method(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Sha256 *self = (Sha256 *)object;
    uint8_t state[SHA256_STATE_BYTES];

    if (check_not_busy(self) < 0) {
        return NULL;
    }
    sha256_export(&self->context, state);
    return PyBytes_FromStringAndSize((const char *)state, sizeof state);
}

PyDoc_STRVAR(copy_doc,
"copy()\n--\n\n"
"Return another hash that stands where this one does.");

static PyObject *
sha256_copy_method(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Sha256 *self = (Sha256 *)object;

    if (check_not_busy(self) < 0) {
        return NULL;
    }
    Sha256 *twin = allocate(Py_TYPE(object));
    if (twin != NULL) {
        twin->context = self->context;
    }
    return (PyObject *)twin;
}

static PyObject *
sha256_get_length(PyObject *object, void *Py_UNUSED(closure))
{
    Sha256 *self = (Sha256 *)object;

    if (check_not_busy(self) < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(self->context.length);
}

static PyObject *
sha256_get_backend(PyObject *object, void *Py_UNUSED(closure))
{
    Sha256 *self = (Sha256 *)object;
    bool portable = self->context.compress == sha256_compress_portable;
    return PyUnicode_FromString(portable ? "portable" : "shani");
}

/* A method that takes keywords has another type than the one a table can hold. */
#define WITH_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef sha256_methods[] = {
    {"copy", sha256_copy_method, METH_NOARGS, copy_doc},
    {"digest", sha256_digest_method, METH_NOARGS, digest_doc},
    {"from_state", WITH_KEYWORDS(sha256_from_state), METH_CLASS | METH_VARARGS | METH_KEYWORDS,
     from_state_doc},
    {"state", sha256_state_method, METH_NOARGS, state_doc},
    {"update", sha256_update_method, METH_O, update_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef sha256_properties[] = {
    {"backend", sha256_get_backend, NULL, "The compress function in use.", NULL},
    {"length", sha256_get_length, NULL, "Bytes hashed so far.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(sha256_doc,
"Sha256(backend=None)\n--\n\n"
"A SHA-256 hash for one thread at a time; the fastest backend unless one is named.");

static PyType_Slot sha256_slots[] = {
    {Py_tp_dealloc, sha256_dealloc},
    {Py_tp_doc, (void *)sha256_doc},
    {Py_tp_getset, sha256_properties},
    {Py_tp_methods, sha256_methods},
    {Py_tp_new, sha256_new},
    {0, NULL},
};

static PyType_Spec sha256_spec = {
    .name = "registry.digest._native.Sha256",
    .basicsize = sizeof(Sha256),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sha256_slots,
};

static int
module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);

    if (state == NULL) {
        return -1;
    }
    state->shani = sha256_find_shani();
    state->sha256_type = PyType_FromModuleAndSpec(module, &sha256_spec, NULL);
    if (state->sha256_type == NULL
        || PyModule_AddObjectRef(module, "Sha256", state->sha256_type) < 0) {
        return -1;
    }
    PyObject *backends = state->shani != NULL ? Py_BuildValue("(ss)", "shani", "portable")
                                              : Py_BuildValue("(s)", "portable");
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
    }
    return 0;
}

static int
module_clear(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    if (state != NULL) {
        Py_CLEAR(state->sha256_type);
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
    .m_doc = "SHA-256 whose state can be taken out and put back.",
    .m_size = sizeof(module_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC
PyInit__native(void)
{
    return PyModuleDef_Init(&module_definition);
}
