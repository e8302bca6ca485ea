"""An authority with an intermediate, in the files that servers and clients read."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files of one server.

    Attributes:
        directory: Where they are: also a ``--cert-dir`` of skopeo and its kin.
        authority: PEM of the root, which clients trust; named ``ca.crt``.
        bundle: The server's certificate followed by the intermediate, as the Docker page has it.
        leaf: The server's certificate alone.
        key: Its private key.
    """

    directory: Path
    authority: Path
    bundle: Path
    leaf: Path
    key: Path

    def variables(self) -> dict[str, str]:
        """Return the variables of the Docker page that make a registry speak TLS."""
        return {
            "REGISTRY_HTTP_TLS_CERTIFICATE": str(self.bundle),
            "REGISTRY_HTTP_TLS_KEY": str(self.key),
        }

    def context(self) -> ssl.SSLContext:
        """Return what a client that trusts the authority uses."""
        return ssl.create_default_context(cafile=self.authority)


def make_certificates(directory: Path, *names: str) -> Certificates:
    """Write the files for a server that clients call by `names`, by default localhost."""
    directory.mkdir(parents=True, exist_ok=True)
    root = trustme.CA()
    intermediate = root.create_child_ca()
    server = intermediate.issue_cert(*(names or ("localhost", "127.0.0.1")))
    leaf, *between = (blob.bytes() for blob in server.cert_chain_pems)
    made = Certificates(
        directory,
        authority=directory / "ca.crt",
        bundle=directory.parent / "domain.crt",
        leaf=directory.parent / "leaf.crt",
        key=directory.parent / "domain.key",
    )
    made.authority.write_bytes(root.cert_pem.bytes())
    made.bundle.write_bytes(leaf + b"".join(between))
    made.leaf.write_bytes(leaf)
    made.key.write_bytes(server.private_key_pem.bytes())
    made.key.chmod(0o600)
    return made
