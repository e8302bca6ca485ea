"""Which decoder runs, in processes of their own since it is decided at import."""

import os
import subprocess
import sys

import pytest

import registry.digest
from registry.framing import implementation, implementations, new_decoder

REPORT = """
from registry.framing import implementation, implementations, new_decoder
print(implementation, type(new_decoder()).__name__, *implementations())
"""

has_native = pytest.mark.skipif("native" not in implementations(), reason="no C module here")


def run(code: str, **environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIREME_")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@has_native
@pytest.mark.parametrize("forced", ["", "native"])
def test_the_c_module_runs_where_it_hashes(forced: str) -> None:
    assert run(REPORT, TRIREME_DIGEST=forced)[:2] == ["native", "NativeDecoder"]


@has_native
def test_another_digest_implementation_brings_the_decoder_in_python() -> None:
    said = run(REPORT, TRIREME_DIGEST="hashlib")
    assert said == ["python", "PythonDecoder", "native", "python"]


def test_without_the_c_module_python_decodes() -> None:
    code = f"import sys; sys.modules['registry.digest._native'] = None\n{REPORT}"
    assert run(code) == ["python", "PythonDecoder", "python"]


def test_the_choice_is_that_of_the_digests() -> None:
    assert (implementation == "native") == (registry.digest.implementation == "native")
    assert implementation in implementations()
    assert type(new_decoder()) is type(new_decoder(using=implementation))


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    choices = ", ".join(implementations())
    with pytest.raises(ValueError, match=f"no decoder 'rust' here, choose one of {choices}"):
        new_decoder(using="rust")
