"""Paths are matched from the right: whatever a repository is called, its route is found."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.api.routes import METHODS, METRIC_HANDLERS, Match, Route, match

DIGEST = "sha256:" + "0" * 64

# Words of routes, so that names are as confusing as they can be.
segments = st.sampled_from(
    ["a", "b", "tags", "list", "blobs", "uploads", "manifests", "referrers", "v2", "_oci", "ext"]
)
names = st.lists(segments, min_size=1, max_size=5).map("/".join)
lasts = st.sampled_from([DIGEST, "latest", "list", "uploads", "a b", "ä", "x/y", "%", "?", "."])
tails = st.sampled_from(
    [
        (Route.TAGS, "tags/list", False),
        (Route.MANIFEST, "manifests/", True),
        (Route.REFERRERS, "referrers/", True),
        (Route.UPLOADS, "blobs/uploads/", False),
        (Route.UPLOADS, "blobs/uploads", False),
        (Route.UPLOAD, "blobs/uploads/", True),
        (Route.BLOB, "blobs/", True),
        (Route.REPOSITORY_EXTENSIONS, "_oci/ext/discover", False),
    ]
)
prefixes = st.sampled_from(["/", "/below/", "/v2/"])


@given(names, tails, lasts, prefixes)
def test_a_route_is_found_behind_any_name(
    name: str, tail: tuple[Route, str, bool], last: str, prefix: str
) -> None:
    route, text, has_last = tail
    if route is Route.BLOB and last == "uploads":
        route, text, has_last = Route.UPLOADS, "blobs/uploads", False  # no digest is called so
    path = f"{prefix}v2/{name}/{text}{quote(last, safe='') if has_last else ''}"
    assert match(path, prefix) == Match(route, name, last if has_last else "")


@given(st.text(max_size=30) | st.lists(segments | st.just(""), max_size=7).map("/".join), prefixes)
def test_any_path_is_a_route_with_its_variables_or_none(text: str, prefix: str) -> None:
    found = match(f"{prefix}v2/{text}", prefix)
    if found is None:
        return
    assert found.route in METHODS
    has_name = found.route not in (Route.BASE, Route.CATALOG, Route.EXTENSIONS)
    assert has_name or not found.name
    has_last = found.route in (Route.MANIFEST, Route.BLOB, Route.UPLOAD, Route.REFERRERS)
    assert bool(found.last) == has_last


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v2", Route.BASE),
        ("/v2/", Route.BASE),
        ("/v2/_catalog", Route.CATALOG),
        ("/v2/_oci/ext/discover", Route.EXTENSIONS),
    ],
)
def test_routes_without_a_repository(path: str, route: Route) -> None:
    assert match(path) == Match(route)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/v1/",
        "/v2x",
        "/v2//",
        "v2/",
        "/V2/",
        "//v2/",
        "/v2/_catalog/",
        "/v2/tags/list",
        "/v2/a/tags/list/",
        "/v2/a/tags",
        "/v2/a/manifests/",
        "/v2/a/manifests",
        "/v2/manifests/x",
        "/v2/a/blobs/",
        "/v2/blobs/uploads/",
        "/v2/a/referrers/",
        "/v2/a/manifests/x/y",
        "/v2/a",
    ],
)
def test_what_is_no_route(path: str) -> None:
    assert match(path) is None


@pytest.mark.parametrize(
    ("path", "name", "last"),
    [
        ("/v2/a/blobs/sha256%3Aab", "a", "sha256:ab"),
        ("/v2/a%2Fb/blobs/x", "a/b", "x"),
        ("/v2/a/blobs/x%2Fy", "a", "x/y"),
        ("/v2/a%00/blobs/%ff", "a\0", "\ufffd"),
        ("/v2/a/../b/blobs/x", "a/../b", "x"),
    ],
)
def test_segments_are_decoded_one_by_one(path: str, name: str, last: str) -> None:
    assert match(path) == Match(Route.BLOB, name, last)


def test_an_encoded_slash_makes_no_route() -> None:
    assert match("/v2/a/tags%2Flist") is None


@pytest.mark.parametrize("route", Route)
def test_every_route_has_methods_and_a_name_in_the_metrics(route: Route) -> None:
    assert METHODS[route]
    assert METRIC_HANDLERS[route]
    assert ("GET" in METHODS[route]) == ("HEAD" in METHODS[route])
