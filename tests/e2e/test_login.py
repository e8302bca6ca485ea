"""Logging in: docker without a daemon, skopeo, and a file of users that changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.auth.htpasswd import CHECK_S
from tests.e2e.conftest import Site
from tests.kit.clients import Clients
from tests.kit.http import Client
from tests.kit.images import Layout
from tests.kit.users import PASSWORD, USER, htpasswd
from tests.kit.waiting import wait_until

CHALLENGE = 'Basic realm="Registry Realm"'
TAKEN_OVER_S = 20 * CHECK_S

pytestmark = pytest.mark.parametrize(
    "site",
    [(False, True), (True, True)],
    ids=["plain-htpasswd", "tls-htpasswd"],
    indirect=True,
    scope="module",
)


def http(site: Site) -> Client:
    verify = site.certificates.context() if site.certificates else True
    return Client(site.server.url, verify=verify)


@pytest.fixture
def newcomer(site: Site, tmp_path: Path) -> Clients:
    """Return tools that trust the registry and have no credentials for it."""
    certificates = site.certificates
    return Clients(
        tmp_path / "newcomer",
        site.server,
        authority=certificates.authority if certificates else None,
        certificates=certificates.directory if certificates else None,
    )


def test_docker_logs_in_and_out(newcomer: Clients) -> None:
    host = newcomer.server.host
    done = newcomer.docker("login", "-u", USER, "--password-stdin", host, text=PASSWORD)
    assert "Login Succeeded" in done.stdout
    assert host in newcomer.logins("docker")

    newcomer.docker("logout", host)
    assert newcomer.logins("docker") == {}


def test_docker_is_refused_with_a_wrong_password(newcomer: Clients) -> None:
    done = newcomer.docker(
        "login", "-u", USER, "--password-stdin", newcomer.server.host, text="wrong", ok=False
    )
    assert "401" in done.stderr or "unauthorized" in done.stderr.lower()
    assert not (newcomer.directory / "docker" / "config.json").exists()


def test_skopeo_logs_in_pushes_and_out(newcomer: Clients, layout: Layout) -> None:
    host = newcomer.server.host
    newcomer.skopeo("login", "-u", USER, "--password-stdin", host, text=PASSWORD)
    newcomer.push(f"oci:{layout.directory}:one", "login/skopeo:v1")

    newcomer.skopeo("logout", host)
    refused = newcomer.skopeo("inspect", newcomer.image("login/skopeo:v1"), ok=False)
    assert "unauthorized" in refused.stderr or "authentication required" in refused.stderr


def test_skopeo_is_refused_with_a_wrong_password(newcomer: Clients) -> None:
    done = newcomer.skopeo(
        "login", "-u", USER, "--password-stdin", newcomer.server.host, text="wrong", ok=False
    )
    assert "invalid username/password" in done.stderr


def test_a_login_of_docker_serves_skopeo(newcomer: Clients, layout: Layout) -> None:
    host = newcomer.server.host
    newcomer.docker("login", "-u", USER, "--password-stdin", host, text=PASSWORD)
    config = newcomer.directory / "docker" / "config.json"
    newcomer.push(f"oci:{layout.directory}:one", "login/docker:v1", f"--authfile={config}")


@pytest.mark.parametrize("user", [USER, "nobody"])
def test_v2_challenges_whoever_has_no_right_password(site: Site, user: str) -> None:
    with http(site) as client:
        for auth in (None, (user, "wrong")):
            answer = client.get("/v2/", auth=auth)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == CHALLENGE
            assert answer.headers["docker-distribution-api-version"] == "registry/2.0"
            assert answer.json()["errors"][0]["code"] == "UNAUTHORIZED"


def test_the_root_stays_open_for_simple_balancers(site: Site) -> None:
    with http(site) as client:
        assert client.get("/").status_code == 200


def test_changed_users_count_without_a_restart(site: Site) -> None:
    """A user who is added gets in, with a new password only by that one, and once removed not."""
    assert site.users is not None
    file = str(site.users)
    with http(site) as client:

        def answers(password: str, status: int) -> Callable[[], bool]:
            return lambda: client.get("/v2/", auth=("late", password)).status_code == status

        assert answers("first", 401)()
        assert htpasswd("-Bb", file, "late", "first").returncode == 0
        wait_until(answers("first", 200), TAKEN_OVER_S)
        assert htpasswd("-Bb", file, "late", "second").returncode == 0
        wait_until(answers("second", 200), TAKEN_OVER_S)
        assert answers("first", 401)()
        assert htpasswd("-D", file, "late").returncode == 0
        wait_until(answers("second", 401), TAKEN_OVER_S)
        assert client.get("/v2/", auth=(USER, PASSWORD)).status_code == 200
