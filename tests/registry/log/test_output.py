"""Setting up the log for a process, and taking it down."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import time

import pytest

from registry.log import bind, setup


def test_both_packages_log_to_the_stream_and_are_restored() -> None:
    stream = io.StringIO()
    before = logging.getLogger("registry").level
    with setup("info", "json", {"service": "registry"}, stream=stream) as writer:
        with bind({"http.request.id": "7"}):
            logging.getLogger("registry.api").info("one", extra={"vars.name": "a"})
        logging.getLogger("drivers.filesystem").warning("two")
        logging.getLogger("registry.api").debug("not shown")
        assert writer.dropped == 0
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["msg"] for line in lines] == ["one", "two"]
    assert lines[0]["http.request.id"] == "7"
    assert lines[0]["vars.name"] == "a"
    assert {line["service"] for line in lines} == {"registry"}
    assert logging.getLogger("registry").level == before
    assert logging.getLogger("registry").handlers == []
    assert logging.getLogger("registry").propagate


def test_one_record_is_one_line_whatever_it_says() -> None:
    stream = io.StringIO()
    with setup(stream=stream):
        logging.getLogger("registry").info("a\nlevel=error msg=forged\r\x1b[2K\u2028")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue()[:-1].isprintable()


def test_the_standard_error_of_the_moment_is_the_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with setup("debug"):
        logging.getLogger("registry").debug("here")
    assert "level=debug msg=here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "formatter", "part"),
    [("loud", "text", "log.level: 'loud'"), ("info", "xml", "log.formatter: 'xml'")],
)
def test_an_unknown_choice_names_key_value_and_choices(
    level: str, formatter: str, part: str
) -> None:
    with pytest.raises(ValueError, match="use one of") as caught, setup(level, formatter):
        pass
    assert part in str(caught.value)


def test_logging_does_not_wait_for_a_stalled_reader() -> None:
    read, write = os.pipe()
    with os.fdopen(write, "w") as stream:
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"#" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        with setup(stream=stream, max_lines=50) as writer:
            logger = logging.getLogger("registry.x")
            slowest = 0.0
            for i in range(500):
                start = time.monotonic()
                logger.info("line %d", i)
                slowest = max(slowest, time.monotonic() - start)
            assert slowest < 0.25
            assert writer.dropped >= 300
            text = os.read(read, 1 << 20)  # the reader is back
        dropped = writer.dropped
    text += b"".join(iter(lambda: os.read(read, 65536), b""))
    os.close(read)
    told = re.findall(rb'msg="log lines were dropped" log\.dropped=(\d+)\n', text)
    assert sum(map(int, told)) == dropped
