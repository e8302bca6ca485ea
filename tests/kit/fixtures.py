"""Fixtures of the storage and service tests: a store of each form, and all parts over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drivers.stores import Store
from tests.kit.assembly import Assembly, assemble
from tests.kit.machines import FORMS, Forms


@pytest.fixture(params=FORMS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    forms = Forms(request.param)
    yield forms.store
    forms.close()


@pytest.fixture(params=[form for form in FORMS if form != "parts"])
def appending(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Only the stores that can append, for what a Go registry or a crash leaves on those."""
    forms = Forms(request.param)
    yield forms.store
    forms.close()


@pytest.fixture
def parts(store: Store) -> Assembly:
    return assemble(store.open())
