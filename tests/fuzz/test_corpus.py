"""Every input that the fuzzer found worth keeping, or to break something once, again."""

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
CASES = sorted(path for path in CORPUS.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name[:12]}")
def test_a_kept_input_still_agrees_with_the_oracles(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {path.parent.name for path in CASES} == set(TARGETS)


@pytest.mark.parametrize("target", TARGETS)
def test_an_empty_input_is_a_case(target: str) -> None:
    TARGETS[target](b"")
