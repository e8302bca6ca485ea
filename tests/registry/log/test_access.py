"""The access log: combined format, and no line a client could forge."""

from __future__ import annotations

import io
import logging
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log.access import AccessLog

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)

COMBINED = re.compile(
    r'(?P<addr>\S+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<request>(?:[^"\\]|\\.)*)" '
    r'(?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)"'
)


def line(**changes: object) -> str:
    stream = io.StringIO()
    arguments: dict[str, object] = {
        "remote_addr": "192.0.2.1",
        "user": None,
        "method": "GET",
        "uri": "/v2/",
        "status": 200,
        "written_bytes": 2,
        "received_s": 1_700_000_000.9,
    }
    with AccessLog(stream) as log:
        log.write(**{**arguments, **changes})  # type: ignore[arg-type]  # checked by the test
    return stream.getvalue()


def test_a_line_is_in_combined_format() -> None:
    assert line() == (
        '192.0.2.1 - - [14/Nov/2023:22:13:20 +0000] "GET /v2/ HTTP/1.1" 200 2 "-" "-"\n'
    )
    assert line(user="alice", referer="http://x/", user_agent="docker/27.0 (linux)").endswith(
        '"GET /v2/ HTTP/1.1" 200 2 "http://x/" "docker/27.0 (linux)"\n'
    )


def test_the_target_stands_as_the_client_sent_it() -> None:
    assert '"GET /v2/a%0d%0a%2fb HTTP/1.1"' in line(uri=b"/v2/a%0d%0a%2fb")
    assert r'"GET /v2/\xff\x1b[1m HTTP/1.1"' in line(uri=b"/v2/\xff\x1b[1m")


def test_the_upload_state_is_struck_out() -> None:
    shown = line(method="PATCH", uri="/v2/a/blobs/uploads/1?_state=SECRET")
    assert '"PATCH /v2/a/blobs/uploads/1?_state=*** HTTP/1.1"' in shown


def test_a_user_cannot_add_fields() -> None:
    assert COMBINED.fullmatch(line(user='a b [x] "\n')[:-1])


@given(any_text, any_text, any_text, any_text)
def test_no_client_can_forge_or_split_a_line(user: str, method: str, uri: str, agent: str) -> None:
    shown = line(user=user, method=method, uri=uri, user_agent=agent, referer=agent)
    assert shown.endswith("\n")
    assert shown[:-1].isprintable()
    assert COMBINED.fullmatch(shown[:-1])


def test_a_disabled_log_writes_nothing() -> None:
    stream = io.StringIO()
    with AccessLog(stream, disabled=True) as log:
        assert log.disabled
        log.write(remote_addr="x", user=None, method="GET", uri="/", status=200, written_bytes=0)
    assert stream.getvalue() == ""
    assert log.dropped == 0


def test_dropped_lines_are_told_by_the_other_log(caplog: pytest.LogCaptureFixture) -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream, caplog.at_level(logging.WARNING):
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"#" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        log = AccessLog(stream, max_lines=10)
        for _ in range(100):
            log.write(
                remote_addr="x", user=None, method="GET", uri="/", status=200, written_bytes=0
            )
        dropped = log.dropped
        assert dropped >= 80
        os.read(read, 1 << 20)
        log.close()
    os.close(read)
    told = [r.__dict__["log.dropped"] for r in caplog.records]
    assert sum(told) == dropped
