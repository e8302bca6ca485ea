"""The one suite that every driver passes.

Bind it by a class whose fixture ``store`` gives a `tests.drivers.stores.Store`:

    class TestMyDriver(DriverSuite):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

from __future__ import annotations

from tests.drivers.suite_cancels import CancelSuite
from tests.drivers.suite_content import ContentSuite
from tests.drivers.suite_uploads import UploadSuite


class DriverSuite(ContentSuite, UploadSuite, CancelSuite):
    """All of it."""
