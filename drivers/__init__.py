"""Where bytes rest: the driver contract and one module per store.

Nothing here knows what a registry is. A driver keeps named byte strings below one root and lets
an upload grow until it is committed to a name.
"""
