"""The distribution API over HTTP: one module per resource, one table of routes.

A handler takes a `call.Call` and returns a `call.Answer`; no framework is known here. `dispatch`
leads from one to the other, `front` is the ASGI layer that counts, logs and heals whatever passes.
"""
