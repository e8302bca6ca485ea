import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from registry.cli import main
from registry.cli.demo import walk
from registry.cli.demo.client import DemoFailed, Target, connect, parse_target
from registry.cli.demo.image import LAYER, Image, digest_of, make_image, unpacked
from registry.cli.demo.report import Report, readable_size
from tests.kit.certificates import Certificates, make_certificates
from tests.kit.http import Client
from tests.kit.servers import Server, free_port, trireme
from tests.kit.tampering import Answer, Lie, lying_registry
from tests.kit.users import PASSWORD, USER, htpasswd_variables, make_htpasswd


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with trireme(tmp_path_factory.mktemp("plain")) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("guarded")
    users = make_htpasswd(directory / "htpasswd")
    with trireme(directory, environ=htpasswd_variables(users)) as server:
        yield server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def secure(certificates: Certificates) -> Iterator[Server]:
    directory = certificates.directory.parent
    with trireme(directory, environ=certificates.variables(), tls=True) as server:
        yield server


@pytest.fixture(scope="module")
def image() -> Image:
    return make_image("marker")


def local(server: Server) -> str:
    return f"{server.scheme}://127.0.0.1:{server.port}"


def kept_tag(output: str) -> str:
    found = re.search(r"docker pull \S+:(demo-[0-9a-f]+)$", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


class TestImage:
    def test_the_same_marker_gives_the_same_bytes(self, image: Image) -> None:
        assert make_image("marker") == image

    def test_another_marker_shares_no_content(self, image: Image) -> None:
        other = make_image("another")
        digests = {blob.digest for blob in image.blobs} | {image.index.digest}
        assert digests.isdisjoint({blob.digest for blob in other.blobs} | {other.index.digest})

    def test_layers_unpack_to_the_archives_that_the_configuration_names(self, image: Image) -> None:
        for item in image.platforms:
            archives = [digest_of(unpacked(layer.data)) for layer in (image.base, item.layer)]
            assert json.loads(item.config.data)["rootfs"]["diff_ids"] == archives

    def test_what_is_not_gzip_cannot_be_unpacked(self) -> None:
        with pytest.raises(ValueError, match="header"):
            unpacked(b"no gzip")


class TestOnARegistry:
    def test_pushes_pulls_and_cleans_up(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", local(server), "--repository", "clean/app"]) == 0
        output = capsys.readouterr().out
        assert "FAILED" not in output
        assert re.search(r"All \d+ steps went well", output)
        with Client(local(server)) as client:
            assert not client.get("/v2/clean/app/tags/list").json().get("tags")

    def test_every_step_has_a_time_and_a_push_its_size(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        main(["demo", local(server)])
        steps = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
        assert all(re.search(r"\d\.\d ms$", line) for line in steps)
        (mounted,) = (line for line in steps if "mount it" in line)
        (chunked,) = (line for line in steps if "layer of linux/amd64, in chunks (13)" in line)
        assert "MiB" not in mounted
        assert "3.0 MiB" in chunked

    def test_kept_images_can_be_pulled_by_others(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", local(server), "--repository", "kept/app", "--keep"]) == 0
        tag = kept_tag(capsys.readouterr().out)
        with Client(local(server)) as client:
            index = client.get(f"/v2/kept/app/manifests/{tag}").json()
            manifest = client.get(f"/v2/kept/app/manifests/{index['manifests'][1]['digest']}")
            layer = manifest.json()["layers"][1]
            assert layer["mediaType"] == LAYER
            content = client.get(f"/v2/kept/app/blobs/{layer['digest']}").content
        assert len(content) == layer["size"]

    def test_the_address_comes_from_the_configuration(
        self, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("REGISTRY_HTTP_ADDR", f":{server.port}")
        assert main(["demo"]) == 0
        assert f"push to http://127.0.0.1:{server.port}\n" in capsys.readouterr().out

    def test_a_prefix_and_a_slash_belong_to_the_url(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with trireme(tmp_path, environ={"REGISTRY_HTTP_PREFIX": "/hub/"}) as server:
            assert main(["demo", f"{local(server)}/hub/"]) == 0, capsys.readouterr().err

    def test_disabled_deletes_leave_the_image_and_say_so(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with trireme(tmp_path, environ={"REGISTRY_STORAGE_DELETE_ENABLED": "false"}) as server:
            assert main(["demo", local(server)]) == 0
            assert "deletes are disabled here" in capsys.readouterr().out
            with Client(local(server)) as client:
                assert len(client.get("/v2/trireme/demo/tags/list").json()["tags"]) == 1

    def test_a_read_only_registry_fails_the_first_push_with_its_own_words(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        variables = {"REGISTRY_STORAGE_MAINTENANCE_READONLY": "{enabled: true}"}
        with trireme(tmp_path, environ=variables) as server:
            assert main(["demo", local(server)]) == 1
        captured = capsys.readouterr()
        assert "FAILED  push the base layer" in captured.out
        assert "answered 405 Method Not Allowed (UNSUPPORTED" in captured.err

    def test_two_at_once_do_not_disturb_each_other(self, server: Server) -> None:
        statuses: list[int] = []

        async def both() -> None:
            async with trio.open_nursery() as nursery:
                for marker in ("one", "two"):
                    nursery.start_soon(walk_through, server, marker)

        async def walk_through(server: Server, marker: str) -> None:
            made = await trio.to_thread.run_sync(make_image, marker)
            place = walk.Place("both/app", "both/app-base", f"demo-{marker}")
            report = quiet()
            async with connect(Target(local(server))) as client:
                await walk.push(client, made, place, report)
                await walk.pull(client, made, place, report)
                await walk.clean_up(client, made, place, report)
            statuses.append(report.steps)

        trio.run(both)
        assert statuses[0] == statuses[1] > 20


class TestWithUsers:
    def test_user_and_password_by_options(self, guarded: Server) -> None:
        assert main(["demo", local(guarded), "--username", USER, "--password", PASSWORD]) == 0

    def test_user_and_password_in_the_url_are_never_shown(
        self, guarded: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        url = local(guarded).replace("://", f"://{USER}:{PASSWORD}@")
        assert main(["demo", url, "--keep"]) == 0
        captured = capsys.readouterr()
        assert PASSWORD not in captured.out + captured.err

    def test_password_from_the_environment(
        self, guarded: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TRIREME_DEMO_PASSWORD", PASSWORD)
        assert main(["demo", local(guarded), "--username", USER]) == 0

    def test_no_user_is_told_the_options(
        self, guarded: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", local(guarded)]) == 1
        assert "it asks for a user: give --username and --password" in capsys.readouterr().err

    def test_wrong_password_names_the_user_and_not_the_password(
        self, guarded: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["demo", local(guarded), "--username", USER, "--password", "wrong-secret"]
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert f"does not take this password of {USER!r}" in error
        assert "wrong-secret" not in error


class TestWithTls:
    def test_a_trusted_certificate(
        self, secure: Server, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
        assert main(["demo", secure.url]) == 0

    def test_an_unknown_certificate_is_refused_and_the_way_out_named(
        self, secure: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", secure.url]) == 1
        error = capsys.readouterr().err
        assert "a certificate that is not trusted here" in error
        assert "name its CA in SSL_CERT_FILE, or use --insecure" in error

    def test_insecure_takes_any_certificate(self, secure: Server) -> None:
        assert main(["demo", secure.url, "--insecure"]) == 0

    def test_http_to_a_tls_port(self, secure: Server, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["demo", secure.url.replace("https", "http")]) == 1
        assert "https:// and not http://?" in capsys.readouterr().err

    def test_https_to_a_plain_port(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", server.url.replace("http", "https")]) == 1
        assert "is it http:// and not https://?" in capsys.readouterr().err


def flip_a_byte(answer: Answer) -> None:
    if answer.method == "GET" and "/blobs/sha256" in answer.path and len(answer.body) > 2000:
        answer.body = answer.body[:-1] + bytes([answer.body[-1] ^ 1])


def cut_a_blob(answer: Answer) -> None:
    if answer.method == "GET" and "/blobs/sha256" in answer.path:
        answer.body = answer.body[:-1]


def lengthen_a_blob(answer: Answer) -> None:
    if answer.method == "GET" and "/blobs/sha256" in answer.path:
        answer.body += b"more"


def reformat_the_index(answer: Answer) -> None:
    if answer.method == "GET" and "/manifests/demo-" in answer.path and answer.status == 200:
        answer.body = answer.body.replace(b'"schemaVersion": 2', b'"schemaVersion":  2')


def shift_a_range(answer: Answer) -> None:
    if answer.status == 206:
        answer.body = answer.body[1:] + b"\0"


def name_another_digest(answer: Answer) -> None:
    if answer.method == "PUT" and "/manifests/" in answer.path:
        answer.headers["docker-content-digest"] = digest_of(b"")


def keep_the_subject_quiet(answer: Answer) -> None:
    answer.headers.pop("oci-subject", None)


def forget_the_offset(answer: Answer) -> None:
    if answer.method == "GET" and "/uploads/" in answer.path:
        answer.headers["range"] = "0-0"


def forget_referrers(answer: Answer) -> None:
    if "/referrers/" in answer.path:
        document = json.loads(answer.body)
        answer.body = json.dumps({**document, "manifests": []}).encode()


def forget_tags(answer: Answer) -> None:
    if answer.path.endswith("/tags/list"):
        answer.body = b'{"name":"trireme/demo","tags":["latest"]}'


def keep_what_was_deleted(answer: Answer) -> None:
    if answer.method == "GET" and answer.status == 404:
        answer.status = 200


def answer_no_location(answer: Answer) -> None:
    if answer.method == "POST":
        answer.headers.pop("location", None)


def answer_no_json(answer: Answer) -> None:
    if answer.path.endswith("/tags/list"):
        answer.body = b"<html>"


def ask_for_a_token(answer: Answer) -> None:
    answer.status = 401
    answer.headers["www-authenticate"] = 'Bearer realm="http://127.0.0.1/token"'


class TestARegistryThatLies:
    @pytest.mark.parametrize(
        ("lie", "step", "said"),
        [
            (flip_a_byte, "pull the layers of linux/amd64", "altered it"),
            (cut_a_blob, "pull the manifest and configuration", "bytes, it has"),
            (lengthen_a_blob, "pull the manifest and configuration", "bytes, more than"),
            (reformat_the_index, "pull the index by", "bytes, it has"),
            (shift_a_range, "pull 1000 bytes", "came back as others"),
            (name_another_digest, "push the manifest of", "docker-content-digest, expected"),
            (keep_the_subject_quiet, "push a note", "has no oci-subject"),
            (forget_the_offset, "push the base layer", "range, expected '0-262143'"),
            (forget_referrers, "list what refers", "pushed with it as its subject"),
            (forget_tags, "ask for demo-", "list of tags does not name demo-"),
            (
                keep_what_was_deleted,
                "look for what was deleted",
                "answered 200 OK (MANIFEST_UNKNOWN",
            ),
            (answer_no_location, "push the base layer", "answered 202 without a Location"),
            (answer_no_json, "ask for demo-", "no JSON object"),
            (ask_for_a_token, "find the registry", "it asks for tokens"),
        ],
        ids=lambda value: value.__name__ if callable(value) else None,
    )
    def test_is_noticed(
        self,
        server: Server,
        lie: Lie,
        step: str,
        said: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        with lying_registry(server.port, lie) as url:
            assert main(["demo", url]) == 1
        captured = capsys.readouterr()
        assert f"  FAILED  {step}" in captured.out
        assert said in captured.err
        assert "steps went well" not in captured.out

    async def test_a_blob_that_changed_on_disk_is_noticed(
        self, server: Server, image: Image
    ) -> None:
        place = walk.Place("disk/app", "disk/app-base", "demo-disk")
        async with connect(Target(local(server))) as client:
            await walk.push(client, image, place, quiet())
            encoded = image.platforms[1].layer.digest.removeprefix("sha256:")
            (data,) = server.root.rglob(f"{encoded}/data")
            content = bytearray(data.read_bytes())
            content[1000] ^= 1
            data.write_bytes(content)
            with pytest.raises(DemoFailed, match=f"the layer sha256:{encoded} .* altered it"):
                await walk.pull(client, image, place, quiet())

    def test_a_registry_that_declines_to_mount_gets_the_layer_pushed(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def decline(answer: Answer) -> None:
            if "mount=" in answer.path:
                upload = begin(server, "trireme/demo")
                answer.status, answer.headers["location"] = 202, upload

        with lying_registry(server.port, decline) as url:
            assert main(["demo", url]) == 0
        assert "as no mount is offered" in capsys.readouterr().out

    def test_a_registry_that_declines_single_posts_gets_a_put(
        self, server: Server, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def decline(answer: Answer) -> None:
            if answer.method == "POST" and "digest=" in answer.path and "mount=" not in answer.path:
                answer.status = 202
                answer.headers["location"] = begin(server, "trireme/demo")

        with lying_registry(server.port, decline) as url:
            assert main(["demo", url]) == 0, capsys.readouterr().err

    def test_credentials_do_not_follow_a_location_elsewhere(self, server: Server) -> None:
        seen: list[dict[str, str]] = []

        def send_away(answer: Answer) -> None:
            if answer.method == "POST":
                answer.headers["location"] = f"http://localhost:{server.port}/v2/"

        async def go() -> None:
            with lying_registry(server.port, send_away) as url:
                target = Target(url, username=USER, password=PASSWORD)
                async with connect(target) as client:
                    answer = await client.ask("POST", "a/blobs/uploads/", expect=(202,))
                    seen.append(client._credentials(answer.url))
                    seen.append(client._credentials(answer.location()))

        trio.run(go)
        assert [sorted(headers) for headers in seen] == [["Authorization"], []]


class TestErrors:
    def test_nothing_listens(self, capsys: pytest.CaptureFixture[str]) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        assert main(["demo", url]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"registry: nothing answers at {url} (connection refused): ")
        assert "'registry serve'" in error

    def test_something_else_listens(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=greet, args=(listener,))
            thread.start()
            assert main(["demo", f"http://127.0.0.1:{listener.getsockname()[1]}"]) == 1
            thread.join()
        assert "is it another service" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["localhost:5000"], "expected a URL such as"),
            (["ftp://localhost"], "expected a URL such as"),
            (["http://localhost:port"], "the URL is not valid"),
            (["http://localhost/?a=b"], "has a query"),
            (
                ["http://localhost", "--repository", "Upper"],
                "--repository 'Upper': expected a name",
            ),
            (["http://localhost", "--password", "x"], "--password needs --username"),
            (["http://localhost", "--username", "a:b", "--password", "x"], "cannot have a colon"),
            (["http://localhost", "--config", "c.yml"], "exclude each other"),
        ],
    )
    def test_what_cannot_be_meant_is_a_usage_error(
        self, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", *arguments]) == 2
        assert said in capsys.readouterr().err

    @pytest.mark.parametrize(
        "url", ["http://me:pass/word@host", "ftp://me:password@host", "http://me:pass\nword@host"]
    )
    def test_a_password_in_a_wrong_url_is_not_shown(
        self, url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["demo", url]) == 2
        assert "pass" not in capsys.readouterr().err

    def test_user_and_password_of_a_url_are_decoded(self) -> None:
        target = parse_target("https://me%40home:p%3Aw@[::1]:5000/v2/", verify=True)
        assert target == Target("https://[::1]:5000", username="me@home", password="p:w")


@pytest.mark.parametrize(
    ("size_bytes", "text"), [(1023, "1023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB")]
)
def test_sizes_are_told_in_binary_units(size_bytes: int, text: str) -> None:
    assert readable_size(size_bytes) == text


def quiet() -> Report:
    from rich.console import Console

    return Report(Console(quiet=True))


def begin(server: Server, name: str) -> str:
    with Client(local(server)) as client:
        return str(client.begin(name).url.join(client.begin(name).headers["location"]))


def greet(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"220 mail.example ESMTP\r\n")
