from collections import Counter
from collections.abc import Generator

import pytest

pytest.register_assert_rewrite("tests.kit")  # before anything imports from it

from tests.kit.tools import PRIVILEGE  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give a skip in an async test its reason back: pytest-trio raises a new one without it."""
    report = yield
    raised = call.excinfo.value if call.excinfo else None
    if isinstance(raised, pytest.skip.Exception) and not raised.msg:
        group = raised.__context__
        while isinstance(group, BaseExceptionGroup) and len(group.exceptions) == 1:
            group = group.exceptions[0]
        if isinstance(group, pytest.skip.Exception):
            report.longrepr = (str(item.path), report.location[1] or 0, f"Skipped: {group.msg}")
    return report


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
