"""The cipher suites a configuration may name, by the names Go gives them."""

_ECDHE = (
    "AES_128_CBC_SHA",
    "AES_256_CBC_SHA",
    "AES_128_CBC_SHA256",
    "AES_128_GCM_SHA256",
    "AES_256_GCM_SHA384",
    "CHACHA20_POLY1305",
    "CHACHA20_POLY1305_SHA256",
    "RC4_128_SHA",
)
_RSA = (
    "RC4_128_SHA",
    "3DES_EDE_CBC_SHA",
    "AES_128_CBC_SHA",
    "AES_256_CBC_SHA",
    "AES_128_CBC_SHA256",
    "AES_128_GCM_SHA256",
    "AES_256_GCM_SHA384",
)

GO_NAMES = frozenset(
    {f"TLS_RSA_WITH_{suite}" for suite in _RSA}
    | {f"TLS_ECDHE_{key}_WITH_{suite}" for key in ("RSA", "ECDSA") for suite in _ECDHE}
    | {"TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"}
    | {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)
"""Every name distribution 2.8 and 3 take, the weak ones included."""
