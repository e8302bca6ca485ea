"""The printed reference."""

from pathlib import Path

import pytest

from registry.config.environment import variable_name
from registry.config.keys import walk
from registry.config.reference import reference_markdown, state
from registry.config.schema import Configuration

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_what_the_schema_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), (
        "write it again with `python -m registry.config.reference > docs/configuration.md`"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("http.addr", "served"),
        ("http.tls.clientcas", "refuses"),
        ("storage.s3.bucket", "refuses"),
        ("storage.filesystem.rootdirectory", "served"),
        ("middleware.storage[].name", "refuses"),
        ("notifications.endpoints[].url", "warns"),
        ("storage.tag.concurrencylimit", "no effect"),
        ("http.h2c.enabled", "warns"),
        ("http.http2.disabled", "served"),
    ],
)
def test_states(path: str, expected: str) -> None:
    assert state(path) == expected


def test_every_key_has_one_row_with_its_variable() -> None:
    rows = [line for line in reference_markdown().splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == [path for path, _ in walk(Configuration)]
    for row in rows:
        assert f"| `{variable_name(row.split('`')[1])}` |" in row


def test_rows_are_well_formed() -> None:
    for line in reference_markdown().splitlines():
        if line.startswith("| "):
            assert line.count(" | ") == 6
