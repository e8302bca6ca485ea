"""Lets assertions in the shared suite explain themselves as those in test modules do."""

import pytest

for part in ("cancelling", "suite_cancels", "suite_content", "suite_uploads"):
    pytest.register_assert_rewrite(f"tests.drivers.{part}")
