/* The Python type of a decoder of chunked bodies. */
#include "native.h"

int
decoder_check_not_busy(const Decoder *self)
{
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this decoder");
        return -1;
    }
    return 0;
}

int
check_range(const Py_buffer *bytes, Py_ssize_t start, Py_ssize_t end)
{
    if (start < 0 || start > end || end > bytes->len) {
        PyErr_Format(PyExc_ValueError, "range %zd:%zd is not within a block of %zd bytes", start,
                     end, bytes->len);
        return -1;
    }
    return 0;
}

static PyObject *
describe_fault(const framing_decoder *framing)
{
    if (framing == NULL || framing->fault == NULL) {
        return Py_NewRef(Py_None);
    }
    if (framing->fault_byte < 0) {
        return PyUnicode_FromString(framing->fault);
    }
    return PyUnicode_FromFormat("%s, got byte 0x%02x", framing->fault, framing->fault_byte);
}

PyObject *
describe_block(const framing_decoder *framing, size_t payload, size_t consumed)
{
    bool finished = framing != NULL && framing->state == FRAMING_FINISHED;
    PyObject *fault = describe_fault(framing);

    if (fault == NULL) {
        return NULL;
    }
    return Py_BuildValue("(nnNN)", (Py_ssize_t)payload, (Py_ssize_t)consumed,
                         PyBool_FromLong(finished), fault);
}

static PyObject *
decoder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Decoder", names)) {
        return NULL;
    }
    Decoder *self = PyObject_New(Decoder, type);
    if (self != NULL) {
        framing_init(&self->framing);
        self->busy = false;
    }
    return (PyObject *)self;
}

static void
decoder_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(feed_doc,
"feed(block, start, end, /)\n--\n\n"
"Undo the framing of ``block[start:end]`` in place, without the GIL from 2048 bytes up.\n\n"
"Returns payload bytes, now from `start` on; consumed bytes; whether the body is whole; and what\n"
"broke the grammar, or None. Raises RuntimeError while another thread uses the decoder.");

static PyObject *
decoder_feed(PyObject *object, PyObject *args)
{
    Decoder *self = (Decoder *)object;
    PyObject *result = NULL;
    Py_buffer block;
    Py_ssize_t start, end;

    if (!PyArg_ParseTuple(args, "w*nn:feed", &block, &start, &end)) {
        return NULL;
    }
    /* Not before the buffer is there: to get one may run Python code, and so another thread. */
    if (decoder_check_not_busy(self) < 0 || check_range(&block, start, end) < 0) {
        goto exit;
    }
    uint8_t *bytes = (uint8_t *)block.buf + start;
    size_t size = (size_t)(end - start);
    size_t payload, consumed;
    if (size >= RELEASE_GIL_FROM_BYTES) {
        self->busy = true;
        Py_BEGIN_ALLOW_THREADS
        payload = framing_feed(&self->framing, bytes, size, &consumed);
        Py_END_ALLOW_THREADS
        self->busy = false;
    }
    else {
        payload = framing_feed(&self->framing, bytes, size, &consumed);
    }
    result = describe_block(&self->framing, payload, consumed);
exit:
    PyBuffer_Release(&block);
    return result;
}

static PyObject *
decoder_get_finished(PyObject *object, void *Py_UNUSED(closure))
{
    Decoder *self = (Decoder *)object;

    if (decoder_check_not_busy(self) < 0) {
        return NULL;
    }
    return PyBool_FromLong(self->framing.state == FRAMING_FINISHED);
}

static PyMethodDef decoder_methods[] = {
    {"feed", decoder_feed, METH_VARARGS, feed_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef decoder_properties[] = {
    {"finished", decoder_get_finished, NULL, "The body is whole.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(decoder_doc,
"Decoder()\n--\n\n"
"Takes one chunked body in blocks cut anywhere, for one thread at a time.");

static PyType_Slot decoder_slots[] = {
    {Py_tp_dealloc, decoder_dealloc},
    {Py_tp_doc, (void *)decoder_doc},
    {Py_tp_getset, decoder_properties},
    {Py_tp_methods, decoder_methods},
    {Py_tp_new, decoder_new},
    {0, NULL},
};

PyType_Spec decoder_spec = {
    .name = "registry.digest._native.Decoder",
    .basicsize = sizeof(Decoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decoder_slots,
};
