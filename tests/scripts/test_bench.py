"""The benchmark in its short form, end to end, and the parts of it that decide what is true."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmark.charts import Chart, Point
from scripts.benchmark.client import BenchError, Client
from scripts.benchmark.figures import is_reached, least_ratio
from scripts.benchmark.samples import Spread, order, ratios
from scripts.benchmark.settings import SHORT, WORKLOADS, Settings, make_rows
from tests.kit.tools import require_tool

ROOT = Path(__file__).parents[2]
PEER = "docker-registry"


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/bench", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BENCH_PYTHON": sys.executable},
    )


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    require_tool("gcc", "gcc")
    require_tool("openssl", "openssl")
    return Client(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory, client: Client) -> Path:
    """What a short run writes."""
    require_tool(PEER, PEER)
    directory = tmp_path_factory.mktemp("output")
    ended = bench("--short", "--output", str(directory))
    assert ended.returncode == 0, ended.stderr
    (directory / "stdout").write_text(ended.stdout)
    return directory


@pytest.fixture(scope="module")
def results(output: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((output / "results.json").read_text())
    return document


def test_every_workload_is_measured_on_every_server(results: dict[str, Any]) -> None:
    assert {row["workload"] for row in results["rows"]} == set(WORKLOADS)
    assert len(results["rows"]) == len(make_rows(SHORT))
    for row in results["rows"]:
        assert set(row["servers"]) == {"trireme", PEER}
        assert all(len(found["samples"]) >= 1 for found in row["servers"].values())
    assert results["left_out"] == []


def test_every_figure_has_a_ratio_with_its_spread(results: dict[str, Any]) -> None:
    rows = [row for row in results["rows"] if row["kind"] in ("push", "pull", "rate", "latency")]
    for row in rows:
        ratio = row["ratios"][PEER]
        assert ratio["min"] <= ratio["median"] <= ratio["max"]
    with_figure = [row for row in rows if "at_least" in row["ratios"][PEER]]
    assert len(with_figure) == 5 * 3 + 5 + 4


def test_costs_and_machine_are_told(results: dict[str, Any]) -> None:
    push = next(row for row in results["rows"] if row["workload"] == "push-length")
    for found in push["servers"].values():
        assert found["peak_pss_mib"] > 1
        assert "cpu_s_per_gib" in found
        assert found["share_of_sha256"] > 0
    assert results["machine"]["cores"] >= 1
    assert results["machine"]["processor"]
    assert {item["name"] for item in results["servers"]} == {"trireme", PEER}


def test_charts_are_valid_svg(output: Path) -> None:
    charts = sorted(output.glob("*.svg"))
    assert {"push", "push-tls", "pull", "requests", "latency", "memory", "cpu"} <= {
        path.stem for path in charts
    }
    for path in charts:
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_page_shows_every_chart(output: Path) -> None:
    page = (output / "results.md").read_text()
    assert all(f"]({path.name})" in page for path in output.glob("*.svg"))


def test_the_table_says_that_short_times_mean_nothing(output: Path) -> None:
    said = (output / "stdout").read_text()
    assert said.startswith("SHORT FORM")
    assert "push over TLS, Content-Length" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--peer", "v3"], "'v3' is not NAME=PATH"),
        (["--peer", "v3=/nowhere/registry"], "--peer v3=/nowhere/registry: there is no program"),
        (["--size", "12X"], "'12X' is not a size like 256M"),
        (["--rounds", "0"], "'0' is not a number of 1 or more"),
        (["--directory", "/nowhere"], "'/nowhere' is no directory"),
    ],
)
def test_a_wrong_option_is_named(words: list[str], said: str) -> None:
    ended = bench("--short", *words)
    assert ended.returncode != 0
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


class Liar(BaseHTTPRequestHandler):
    """Answers a blob of the right size and other bytes, and to a push what it is told to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, b"x" * 1000)

    def do_POST(self) -> None:
        self._answer(503, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        return


class LiarServer(ThreadingHTTPServer):
    def handle_error(self, *_words: object) -> None:
        """Say nothing: the client leaves as soon as it has seen through the lie."""


@pytest.fixture
def liar() -> Iterator[int]:
    with LiarServer(("127.0.0.1", 0), Liar) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def test_other_bytes_than_the_digest_names_end_the_run(client: Client, liar: int) -> None:
    asked = f"sha256:{hashlib.sha256(b'y' * 1000).hexdigest()}"
    with pytest.raises(BenchError, match=f"was answered to {asked}"):
        client.run("pull", "-p", liar, "-v", lines=[f"a {asked} 1000"])


def test_a_blob_of_another_size_ends_the_run(client: Client, liar: int) -> None:
    with pytest.raises(BenchError, match="answer 200 with 1000 bytes, not 200 with 1001"):
        client.run("pull", "-p", liar, lines=[f"a sha256:{'0' * 64} 1001"])


def test_a_refused_push_ends_the_run(client: Client, liar: int) -> None:
    with pytest.raises(BenchError, match="answer 503, not 202"):
        client.run(
            "push",
            *("-p", liar, "-m", "length", "-f", client.pattern.path, "-s", 1024),
            lines=[f"a sha256:{'0' * 64} token"],
        )


def test_no_two_blobs_are_the_same(client: Client) -> None:
    assert client.pattern.blob(2**20 + 1).digest != client.pattern.blob(2**20 + 1).digest


def test_each_server_is_at_each_place_in_turn() -> None:
    places = {(name, order("abc", number).index(name)) for number in range(6) for name in "abc"}
    assert len(places) == 9
    assert order("ab", 0) == ["a", "b"]
    assert order("ab", 1) == ["b", "a"]


def test_a_ratio_is_the_median_of_rounds_and_not_of_medians() -> None:
    slow_round_for_both = ratios([100, 10, 120], [50, 5, 100])
    assert Spread.of(slow_round_for_both) == Spread(2.0, 1.2, 2.0)


@pytest.mark.parametrize(
    ("workload", "connections", "peer", "least"),
    [
        ("push-length", 1, "docker-registry", 2.7),
        ("push-length", 1, "v3", 1.7),
        ("push-chunked", 4, "v3.1", 1.0),
        ("ping", 16, "docker-registry", 4),
        ("push-length", 1, "another", None),
        ("growth-push-sizes", 1, "v3", None),
    ],
)
def test_figures_are_those_of_the_peer(
    workload: str, connections: int, peer: str, least: float | None
) -> None:
    assert least_ratio(workload, connections, peer) == least


def test_a_figure_is_reached_from_five_percent_below() -> None:
    assert is_reached(1.91, 2.0)
    assert not is_reached(1.89, 2.0)


def test_rows_are_told_apart_by_their_labels() -> None:
    for settings in (SHORT, Settings()):
        names = [(row.workload, row.label) for row in make_rows(settings)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("lines", [False, True])
def test_a_chart_with_a_gap_and_awkward_names_is_valid(*, lines: bool) -> None:
    series = {"a<b": [Point(1, 0, 2), None], "c&d": [Point(0, 0, 0), Point(5e6, 1, 6e6)]}
    root = ET.fromstring(Chart("x > y", "%", ["1 & 2", "3\n4"], series, lines).render())
    assert "a<b" in "".join(root.itertext())
