/* The Python type of a SHA-256 whose state can be taken out and put back. */
#include "native.h"

#include <string.h>

int
sha256_check_not_busy(const Sha256 *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is updating this hash");
        return -1;
    }
    return 0;
}

int
sha256_check_room(const Sha256 *self, size_t size)
{
    if (size > SHA256_MAX_BYTES - self->context.length) {
        PyErr_SetString(PyExc_OverflowError, "SHA-256 takes at most 2**61 - 1 bytes");
        return -1;
    }
    return 0;
}

/* NULL, with ValueError set, for a backend this machine does not have. */
static const sha256_backend *
find_backend(const module_state *state, const char *name)
{
    for (size_t i = 0; i < state->backend_count; i++) {
        if (name == NULL || strcmp(name, state->backends[i]->name) == 0) {
            return state->backends[i];
        }
    }
    const char *fastest = state->backends[0]->name;
    const char *last = state->backends[state->backend_count - 1]->name;
    if (state->backend_count == 1) {
        PyErr_Format(PyExc_ValueError, "no SHA-256 backend '%s' on this machine: choose '%s'", name,
                     last);
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "no SHA-256 backend '%s' on this machine: choose '%s' or '%s'", name, fastest,
                     last);
    }
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
    const sha256_backend *found = find_backend(state, backend);
    if (found == NULL) {
        return NULL;
    }
    Sha256 *self = allocate(type);
    if (self != NULL) {
        sha256_init(&self->context, found);
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
    const sha256_backend *found = find_backend(state, backend);
    if (found == NULL) {
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
    problem = sha256_import(&self->context, found, bytes.buf);
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
    if (sha256_check_not_busy(self) < 0) {
        goto exit;
    }
    size_t size = (size_t)bytes.len;
    if (sha256_check_room(self, size) < 0) {
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

    if (sha256_check_not_busy(self) < 0) {
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

    if (sha256_check_not_busy(self) < 0) {
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

    if (sha256_check_not_busy(self) < 0) {
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

    if (sha256_check_not_busy(self) < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLongLong(self->context.length);
}

static PyObject *
sha256_get_backend(PyObject *object, void *Py_UNUSED(closure))
{
    Sha256 *self = (Sha256 *)object;
    return PyUnicode_FromString(self->context.backend->name);
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

PyType_Spec sha256_spec = {
    .name = "registry.digest._native.Sha256",
    .basicsize = sizeof(Sha256),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = sha256_slots,
};
