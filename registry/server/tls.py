"""TLS contexts of the listening side."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass

# Go's names of the TLS 1.2 suites that both stacks call secure, and OpenSSL's names for them. The
# suites of TLS 1.3 are always on, in Go too.
CIPHER_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
}
_DEFAULT = ":".join(
    CIPHER_SUITES[name]
    for name in CIPHER_SUITES
    if name.startswith("TLS_ECDHE") and ("GCM" in name or "CHACHA20" in name)
)
_TLS_1_3_SUITES = frozenset(
    {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """``http.tls``.

    Attributes:
        certificate: Path of a PEM file: the server's certificate, then any intermediates.
        key: Path of its private key.
        minimum: ``tls1.2`` or ``tls1.3``.
        cipher_suites: Go's names of the suites of TLS 1.2; empty for the strong ones.
        http2: Offer HTTP/2.
    """

    certificate: str
    key: str
    minimum: str = "tls1.2"
    cipher_suites: Sequence[str] = ()
    http2: bool = False


class TlsUnusable(Exception):
    """The certificate, key or suites cannot be used; the text names the key and the fix."""


def make_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return the context that `settings` describe.

    Raises:
        TlsUnusable: a file is missing, unreadable or no PEM, key and certificate do not belong
            together, or a suite is unknown.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = (
        ssl.TLSVersion.TLSv1_3 if settings.minimum == "tls1.3" else ssl.TLSVersion.TLSv1_2
    )
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_ciphers(_ciphers(settings.cipher_suites))
    context.set_alpn_protocols(["h2", "http/1.1"] if settings.http2 else ["http/1.1"])
    load_certificate(context, settings)
    return context


def load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Load certificate and key into `context`, also into one that is serving.

    Raises:
        TlsUnusable: see `make_context`; the context keeps what it had.
    """
    for key, path in (("certificate", settings.certificate), ("key", settings.key)):
        try:
            with open(path, "rb") as file:
                file.read(1)
        except OSError as exc:
            raise TlsUnusable(f"http.tls.{key}: cannot read {path!r}: {exc.strerror}") from exc
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as exc:
        reason = getattr(exc, "reason", None) or str(exc)
        if reason == "KEY_VALUES_MISMATCH":
            raise TlsUnusable(
                f"http.tls.key: {settings.key!r} is not the key of {settings.certificate!r}"
            ) from exc
        raise TlsUnusable(
            f"http.tls: cannot use {settings.certificate!r} with key {settings.key!r} "
            f"({reason}): the certificate file holds PEM certificates, the server's own first; "
            "the key file holds its PEM key without a password"
        ) from exc


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


def _ciphers(names: Sequence[str]) -> str:
    wanted = [name for name in names if name not in _TLS_1_3_SUITES]
    if not wanted:
        return _DEFAULT
    unknown = [name for name in wanted if name not in CIPHER_SUITES]
    if unknown:
        raise TlsUnusable(
            f"http.tls.ciphersuites: {unknown[0]!r} is not served; use one of "
            + ", ".join(sorted(CIPHER_SUITES))
        )
    return ":".join(CIPHER_SUITES[name] for name in wanted)
