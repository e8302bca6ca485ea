"""A registry of one process per module, once on a plain and once on a TLS port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.ports import Port, open_port


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Port]:
    with open_port(tmp_path_factory.mktemp("port"), tls=request.param) as opened:
        yield opened
