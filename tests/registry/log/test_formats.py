"""The three formats: what they show, and that nothing gets out of them."""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log.fields import bind
from registry.log.formats import FORMATTERS, LineFormatter

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
any_value = st.one_of(
    any_text,
    st.integers(),
    st.integers(min_value=10**5000, max_value=10**5000 + 5),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=100),
    st.lists(st.integers(), max_size=3),
)


def formatter(name: str, *, report_caller: bool = False, **static: str) -> LineFormatter:
    return LineFormatter(FORMATTERS[name], static_fields=static, report_caller=report_caller)


def record(
    message: object = "response completed",
    *args: object,
    level: int = logging.INFO,
    exc: BaseException | None = None,
    extra: dict[str, object] | None = None,
) -> logging.LogRecord:
    made = logging.LogRecord(
        "registry.api.blobs",
        level,
        "/opt/lib/registry/api/blobs.py",
        12,
        message,
        args,
        (type(exc), exc, exc.__traceback__) if exc else None,
        "get_blob",
    )
    made.created = 1_700_000_000.25
    made.__dict__.update(extra or {})
    return made


def test_text_is_as_logrus_writes_it() -> None:
    line = formatter("text", service="registry").format(
        record(extra={"http.response.status": 200, "vars.name": "a b", "ok": True})
    )
    assert line == (
        'time="2023-11-14T22:13:20.250000Z" level=info msg="response completed" '
        'http.response.status=200 ok=true service=registry vars.name="a b"'
    )


def test_json_is_as_logrus_writes_it() -> None:
    line = formatter("json").format(record(level=logging.WARNING, extra={"vars.name": "größe"}))
    assert json.loads(line) == {
        "level": "warning",
        "msg": "response completed",
        "time": "2023-11-14T22:13:20.250000Z",
        "vars.name": "größe",
    }
    assert list(json.loads(line)) == sorted(json.loads(line))


def test_logstash_has_its_own_names_for_time_and_message() -> None:
    assert json.loads(formatter("logstash").format(record(level=logging.DEBUG))) == {
        "@timestamp": "2023-11-14T22:13:20.250000Z",
        "@version": "1",
        "level": "debug",
        "message": "response completed",
    }


@pytest.mark.parametrize(
    ("level", "name"),
    [(50, "fatal"), (40, "error"), (30, "warning"), (20, "info"), (10, "debug"), (5, "trace")],
)
def test_levels_have_logrus_names(level: int, name: str) -> None:
    assert f" level={name} " in formatter("text").format(record(level=level))


def test_the_caller_is_shown_from_the_package_on() -> None:
    line = formatter("text", report_caller=True).format(record())
    assert 'func=get_blob file="registry/api/blobs.py:12"' in line
    document = json.loads(formatter("json", report_caller=True).format(record()))
    assert (document["func"], document["file"]) == ("get_blob", "registry/api/blobs.py:12")


def test_a_record_wins_over_the_scope_and_the_scope_over_static_fields() -> None:
    with bind(a="scope", b="scope"):
        document = json.loads(
            formatter("json", a="static", b="static", c="static").format(
                record(extra={"a": "record"})
            )
        )
    assert {k: document[k] for k in "abc"} == {"a": "record", "b": "scope", "c": "static"}


def test_a_field_named_like_the_frame_is_moved_aside() -> None:
    document = json.loads(
        formatter("json").format(record(extra={"time": "t", "level": "l", "file": None}))
    )
    assert document["fields.time"] == "t"
    assert document["fields.level"] == "l"
    assert document["level"] == "info"


def test_an_exception_is_one_line_with_its_end_kept() -> None:
    def fail(depth: int) -> None:
        if depth:
            fail(depth - 1)
        raise ValueError("x" * 30_000 + " the end\nhttps://u:secret@h/")

    try:
        fail(3)
    except ValueError as exc:
        made = record(exc=exc)
    for name in FORMATTERS:
        line = formatter(name).format(made)
        assert "\n" not in line
        assert "secret" not in line
        assert line.count("the end") >= 1
    document = json.loads(formatter("json").format(made))
    assert document["error"].startswith("ValueError: xxx")
    assert document["stack"].startswith("(beginning cut)...")
    assert len(document["stack"]) < 17_000


def test_arguments_that_do_not_fit_become_a_line_that_says_so() -> None:
    line = formatter("text").format(record("%d blobs", "three"))
    assert 'msg="%d blobs (arguments do not fit: TypeError)"' in line


def test_a_value_that_cannot_be_shown_becomes_a_note() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    document = json.loads(
        formatter("json").format(record("%s", Broken(), extra={"detail": Broken()}))
    )
    assert document["detail"] == "(a Broken that cannot be shown)"
    assert document["msg"] == "%s (arguments do not fit: RuntimeError)"


def test_numbers_json_cannot_hold_become_text() -> None:
    document = json.loads(
        formatter("json").format(
            record(extra={"a": float("nan"), "b": float("inf"), "c": 2**70, "d": 10**5000})
        )
    )
    assert (document["a"], document["b"], document["c"]) == ("nan", "inf", str(2**70))
    assert document["d"] == "(a int that cannot be shown)"


@pytest.mark.parametrize("name", FORMATTERS)
def test_secrets_are_in_no_format(name: str) -> None:
    line = formatter(name).format(
        record(
            "sent %s",
            "Authorization: Basic YWxpY2U6c2VzYW1l",
            extra={
                "http.request.uri": "/v2/a/blobs/uploads/1?_state=STATE",
                "http.request.authorization": "anything",
                "err.detail": {"password": "hunter2"},
            },
        )
    )
    for secret in ("YWxpY2U6c2VzYW1l", "STATE", "anything", "hunter2"):
        assert secret not in line


@given(any_text, st.dictionaries(any_text, any_value, max_size=5))
def test_a_text_line_is_printable_whatever_is_in_it(
    message: str, fields: dict[str, object]
) -> None:
    made = record("%s", message)
    with bind(fields):  # type: ignore[arg-type]  # more kinds than the contract allows
        line = formatter("text").format(made)
    assert line.isprintable()
    line.encode("utf-8")
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "Q", line)
    assert re.fullmatch(r"time=Q level=info(?: [A-Za-z0-9_.@-]+=[^ \"]*)*", rest)


@pytest.mark.parametrize("name", ["json", "logstash"])
@given(message=any_text, fields=st.dictionaries(any_text, any_value, max_size=5))
def test_a_json_line_is_ascii_and_parses(
    name: str, message: str, fields: dict[str, object]
) -> None:
    with bind(fields):  # type: ignore[arg-type]  # more kinds than the contract allows
        line = formatter(name).format(record("%s", message))
    assert line.isascii()
    assert line.isprintable()
    document = json.loads(line, parse_constant=pytest.fail)
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in message) and message.isalnum():
        assert document["msg" if name == "json" else "message"] == message


def test_formatting_needs_no_frame_of_the_interpreter() -> None:
    made = record()
    made.exc_info = (None, None, None)
    assert "error=" not in formatter("text").format(made)
    assert sys.exc_info() == (None, None, None)
