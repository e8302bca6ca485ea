from tests.kit.fixtures import appending, parts, store

__all__ = ["appending", "parts", "store"]
