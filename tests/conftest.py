from collections import Counter

import pytest

from tests.kit.tools import PRIVILEGE


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was not tried because this process may not do it."""
    missing: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if PRIVILEGE in reason:
            missing[reason.partition(PRIVILEGE)[2]] += 1
    if missing:
        terminalreporter.section("not tried for want of a privilege")
        for reason, tests in sorted(missing.items()):
            terminalreporter.line(f"{tests} test{'' if tests == 1 else 's'}: {reason}")
