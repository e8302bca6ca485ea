"""Tags and the catalog: order, pages, and what ``n`` and ``last`` may be."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.kit import content
from tests.kit.http import Client, codes
from tests.kit.servers import trireme

TAGS = ["0", "1.0", "A", "Z", "_x", "a", "a-b", "a.b", "a_b", "aa", "latest", "v10", "v9", "z"]
REPOSITORIES = ["a/b", "a/b/c", "a-b", "a.b", "aa", "b", "b/tags/list", "zz/blobs/uploads"]
"""In the order of a directory walk: component by component, not byte by byte."""

LINK = re.compile(r'<(/[^>]*)>; rel="next"')


def next_target(response: httpx2.Response) -> str | None:
    """Return where the Link header of a page leads, None without one."""
    header = response.headers.get("link")
    if header is None:
        return None
    match = LINK.fullmatch(header)
    assert match is not None, header
    return match[1]


def all_pages(client: Client, target: str, key: str) -> list[list[str]]:
    """Follow Link headers from `target` on."""
    pages: list[list[str]] = []
    following: str | None = target
    while following is not None:
        response = client.get(following)
        assert response.status_code == 200, response.text
        pages.append(response.json()[key])
        following = next_target(response)
        assert len(pages) < 50
    return pages


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A registry of its own that holds `REPOSITORIES`; the first has `TAGS`."""
    directory: Path = tmp_path_factory.mktemp("lists")
    environ = {"REGISTRY_TAGS_MAXTAGS": "10", "REGISTRY_CATALOG_MAXENTRIES": "7"}
    with trireme(directory, environ=environ) as server, Client(server.url) as client:
        for name in reversed(REPOSITORIES):
            client.push_manifest(name, "latest", content.index())
        query = "&".join(f"tag={tag}" for tag in reversed(TAGS))
        index = content.index()
        client.push_manifest("a/b", f"{content.digest(index)}?{query}", index)
        client.push_blob("only-blobs", b"x")
        client.begin("only-uploads")
        yield client


TAG_PAGES = [
    ("", TAGS, None),
    ("?n=3", TAGS[:3], "last=A&n=3"),
    ("?n=3&last=A", TAGS[3:6], "last=a&n=3"),
    ("?last=A&n=3", TAGS[3:6], "last=a&n=3"),
    ("?last=v9", TAGS[-1:], None),
    ("?last=between", [tag for tag in TAGS if tag > "between"], None),
    ("?last=z", [], None),
    ("?last=z&n=5", [], None),
    ("?last=", TAGS, None),
    ("?n=", TAGS, None),
    ("?n=&last=A", TAGS[3:], None),
    ("?n=0", [], None),
    ("?n=0&last=A", [], None),
    ("?n=4&last=latest", TAGS[-3:], None),
    ("?n=3&last=latest", TAGS[-3:], None),
    ("?n=2&last=latest", ["v10", "v9"], "last=v9&n=2"),
    ("?n=1000000", TAGS[:10], f"last={TAGS[9]}&n=10"),
    ("?n=10&ns=registry.test", TAGS[:10], f"last={TAGS[9]}&n=10"),
]


@pytest.mark.parametrize(("query", "tags", "link"), TAG_PAGES, ids=[row[0] for row in TAG_PAGES])
def test_tags(lists: Client, query: str, tags: list[str], link: str | None) -> None:
    response = lists.get(f"/v2/a/b/tags/list{query}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"name": "a/b", "tags": tags}
    assert next_target(response) == (link and f"/v2/a/b/tags/list?{link}")


@pytest.mark.parametrize("size", [1, 3, 5, 9, 10])
def test_pages_of_tags_join_to_the_whole(lists: Client, size: int) -> None:
    pages = all_pages(lists, f"/v2/a/b/tags/list?n={size}", "tags")
    assert list(chain(*pages)) == TAGS
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)


@pytest.mark.parametrize("n", ["-1", "x", "1.0", "+1", "%201", "1e3", "9" * 30, "٣"])
@pytest.mark.parametrize("path", ["a/b/tags/list", "_catalog"])
def test_n_that_is_no_number(lists: Client, path: str, n: str) -> None:
    response = lists.get(f"/v2/{path}?n={n}")
    assert (response.status_code, codes(response)) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_tags_of_an_unknown_repository(lists: Client) -> None:
    response = lists.get("/v2/none/tags/list")
    assert (response.status_code, codes(response)) == (404, ["NAME_UNKNOWN"])
    assert response.json()["errors"][0]["detail"] == {"name": "none"}


def test_tags_of_a_repository_that_lost_its_last_one(client: Client, repo: str) -> None:
    client.push_manifest(repo, "only", content.index())
    client.delete(f"/v2/{repo}/manifests/only")
    response = client.get(f"/v2/{repo}/tags/list")
    assert (response.status_code, response.json()) == (200, {"name": repo, "tags": []})


def test_tags_of_a_repository_that_never_had_one(client: Client, repo: str) -> None:
    index = content.index()
    client.push_manifest(repo, content.digest(index), index)
    assert client.get(f"/v2/{repo}/tags/list").json() == {"name": repo, "tags": []}


def test_head_of_tags_has_the_length_of_get(lists: Client) -> None:
    got, headed = lists.get("/v2/a/b/tags/list?n=3"), lists.head("/v2/a/b/tags/list?n=3")
    for name in ("content-length", "content-type", "link"):
        assert headed.headers[name] == got.headers[name]


CATALOG_PAGES = [
    ("", REPOSITORIES[:7], "last=b%2Ftags%2Flist&n=7"),
    ("?n=2", ["a/b", "a/b/c"], "last=a%2Fb%2Fc&n=2"),
    ("?n=2&last=a%2Fb%2Fc", ["a-b", "a.b"], "last=a.b&n=2"),
    ("?n=2&last=a/b/c", ["a-b", "a.b"], "last=a.b&n=2"),
    ("?n=7&last=a%2Fbb", REPOSITORIES[2:], None),
    ("?n=0", [], None),
    ("?last=zz/blobs/uploads", [], None),
    ("?n=7&last=b", REPOSITORIES[-2:], None),
]


@pytest.mark.parametrize(
    ("query", "names", "link"), CATALOG_PAGES, ids=[row[0] for row in CATALOG_PAGES]
)
def test_catalog(lists: Client, query: str, names: list[str], link: str | None) -> None:
    response = lists.get(f"/v2/_catalog{query}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"repositories": names}
    assert next_target(response) == (link and f"/v2/_catalog?{link}")


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_the_catalog_join_to_the_whole(lists: Client, size: int) -> None:
    pages = all_pages(lists, f"/v2/_catalog?n={size}", "repositories")
    assert list(chain(*pages)) == REPOSITORIES


def test_catalog_refuses_more_than_its_maximum(lists: Client) -> None:
    response = lists.get("/v2/_catalog?n=8")
    assert (response.status_code, codes(response)) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_link_of_a_page_carries_last_and_n_in_the_order_of_distribution(lists: Client) -> None:
    target = next_target(lists.get("/v2/_catalog?n=1"))
    assert target is not None
    assert parse_qs(urlsplit(target).query) == {"last": ["a/b"], "n": ["1"]}
