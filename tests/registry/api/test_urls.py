"""URLs of answers, and that no header can put anything into them."""

import re
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.urls import Origin, UrlPolicy, Urls, origin_of
from registry.digest import Digest
from registry.oci.names import RepositoryName, UploadId

NAME, DIGEST, UPLOAD = RepositoryName("a/b"), Digest.of("sha256", b""), UploadId("an-id")
SAFE = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@=%]+")

hosts = st.sampled_from(
    ["registry.test", "registry.test:5000", "10.0.0.1", "[::1]:5000", "[2001:db8::1]", "a_b"]
)
hostile = st.text(max_size=20) | st.text('a.:/[]@"\\ ;,=\r\n\t\0%?#', max_size=20)
optional = st.none() | hosts | hostile


def urls_of(origin: Origin, policy: UrlPolicy | None = None) -> list[str]:
    urls = Urls(policy or UrlPolicy(), origin)
    return [urls.blob(NAME, DIGEST), urls.manifest(NAME, DIGEST), urls.upload(NAME, UPLOAD, "s=")]


@given(
    st.sampled_from(["http", "https"]),
    optional,
    st.none() | hostile | hosts.map(lambda host: f'for=x;host="{host}";proto=https'),
    optional,
    optional,
)
def test_no_header_gets_a_break_or_blank_into_a_url(
    scheme: str, host: str | None, forwarded: str | None, proto: str | None, listed: str | None
) -> None:
    origin = origin_of(scheme, host, forwarded, proto, listed)
    for url in urls_of(origin):
        assert SAFE.fullmatch(url), url
        parts = urlsplit(url)
        assert parts.path.startswith("/v2/a/b/")
        assert parts.username is None
        assert (parts.scheme, parts.netloc) == (
            (origin.scheme, origin.host) if origin.host else ("", "")
        )


@given(hosts, st.sampled_from(["http", "https"]))
def test_without_a_proxy_the_connection_says_it(host: str, scheme: str) -> None:
    origin = origin_of(scheme, host, None, None, None)
    assert (origin.scheme, origin.host) == (scheme, host)
    assert urls_of(origin)[0] == f"{scheme}://{host}/v2/a/b/blobs/{DIGEST}"


@given(hosts, hosts, st.sampled_from(["", ", second.test", ",", " , a, b"]))
def test_the_first_forwarded_host_counts(inner: str, outer: str, rest: str) -> None:
    origin = origin_of("http", inner, None, "HTTPS" + rest, f" {outer}{rest}")
    assert origin == Origin("https", outer)


@given(hosts, hosts, st.booleans(), st.sampled_from([";", " ; "]))
def test_forwarded_elements_are_read(inner: str, outer: str, quoted: bool, between: str) -> None:
    value = f'"{outer}"' if quoted or ":" in outer else outer
    header = between.join(["for=_x", f"Host={value}", "proto=https"]) + ", host=second.test"
    assert origin_of("http", inner, header, None, "third.test") == Origin("https", outer)


@pytest.mark.parametrize(
    ("header", "origin"),
    [
        ("", Origin("http", "inner")),
        ("proto=https", Origin("https", "inner")),
        ("host=first;host=again", Origin("http", "first")),
        ('host="a\\.b"', Origin("http", "a.b")),
        ("for=x, host=second", Origin("http", "inner")),
        ("host=a b", Origin("http", "a")),
        ('host="unclosed', Origin("http", "inner")),
        ("proto=gopher;host=ok", Origin("http", "ok")),
        (";;;", Origin("http", "inner")),
    ],
)
def test_odd_forwarded_headers(header: str, origin: Origin) -> None:
    assert origin_of("http", "inner", header, None, None) == origin


@pytest.mark.parametrize(
    "host", ["a/b", "u@h", "a b", "", ":80", "[::1", "a:", "a:123456", "ä", "a?b"]
)
def test_what_is_no_host_is_passed_over(host: str) -> None:
    assert origin_of("http", host, None, None, None) == Origin("http", "")
    assert origin_of("http", "inner", None, None, host) == Origin("http", "inner")


@pytest.mark.parametrize(
    ("policy", "base"),
    [
        (UrlPolicy(), "https://seen.test/"),
        (UrlPolicy(prefix="/below/"), "https://seen.test/below/"),
        (UrlPolicy(host="http://said.test"), "http://said.test/"),
        (UrlPolicy(host="http://said.test/"), "http://said.test/"),
        (UrlPolicy(host="http://said.test/x", prefix="/below/"), "http://said.test/x/"),
        (UrlPolicy(relative=True), "/"),
        (UrlPolicy(host="http://said.test", prefix="/below/", relative=True), "/below/"),
    ],
)
def test_the_policy_decides_the_base(policy: UrlPolicy, base: str) -> None:
    assert urls_of(Origin("https", "seen.test"), policy) == [
        f"{base}v2/a/b/blobs/{DIGEST}",
        f"{base}v2/a/b/manifests/{DIGEST}",
        f"{base}v2/a/b/blobs/uploads/an-id?_state=s=",
    ]
