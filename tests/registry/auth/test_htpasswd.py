import base64
import logging
import os
import re
import threading
from pathlib import Path

import bcrypt
import pytest
import trio
import trio.testing

from registry.auth import Access, Challenge, InvalidParameter, htpasswd, userfile
from registry.auth.htpasswd import HtpasswdAccess
from tests.kit.tools import require_tool

PULL = [Access("repository", "a/b", "pull")]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def record(user: str, password: str, cost: int = 4) -> str:
    return f"{user}:{userfile.hash_password(password.encode(), cost).decode()}\n"


async def admits(controller: HtpasswdAccess, user: str, password: str) -> bool:
    try:
        identity = await controller.authorize(basic(user, password), PULL)
    except Challenge:
        return False
    return identity.name == user


def write(path: Path, text: str) -> None:
    path.write_text(text)


def damage_file(path: Path, damage: str) -> None:
    path.unlink()
    if damage == "directory":
        path.mkdir()
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "huge":
        path.write_text("#" * 1001)


def mend_file(path: Path, text: str) -> None:
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(text)


def opened(path: Path) -> HtpasswdAccess:
    return HtpasswdAccess("Registry Realm", str(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    write(path, record("ann", "secret") + record("bob", "other"))
    return path


async def test_users_log_in_with_their_own_passwords(path: Path) -> None:
    controller = opened(path)
    assert await admits(controller, "ann", "secret")
    assert await admits(controller, "bob", "other")
    assert not await admits(controller, "ann", "other")
    assert not await admits(controller, "Ann", "secret")
    assert not await admits(controller, "zoe", "secret")
    assert not await admits(controller, "", "")


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Basic", "Basic !!!", "Basic dQ==", "Basic /w==", "Bearer YW5uOnNlY3JldA==", "\0"],
)
async def test_what_is_malformed_is_challenged(path: Path, authorization: str | None) -> None:
    with pytest.raises(Challenge) as caught:
        await opened(path).authorize(authorization, PULL)
    assert caught.value.header == 'Basic realm="Registry Realm"'
    assert caught.value.access == tuple(PULL)


async def test_everyone_known_may_do_everything(path: Path) -> None:
    controller = opened(path)
    identity = await controller.authorize(basic("ann", "secret"), [])
    assert controller.may(identity, Access("registry", "catalog", "*"))


async def test_long_passwords_are_refused_or_cut_but_never_an_error(path: Path) -> None:
    write(path, record("long", "x" * 72))
    controller = opened(path)
    assert await admits(controller, "long", "x" * 73)
    assert not await admits(controller, "long", "y" * 5000)


async def test_file_written_by_apache_lets_its_users_in(tmp_path: Path) -> None:
    tool = require_tool("htpasswd", "apache2-utils")
    path = tmp_path / "htpasswd"
    for options, user in (("-Bbc", "ann"), ("-Bb", "bob"), ("-bm", "md5"), ("-bs", "sha")):
        await trio.run_process([tool, options, str(path), user, f"{user}-pw"])
    controller = opened(path)
    assert await admits(controller, "ann", "ann-pw")
    assert await admits(controller, "bob", "bob-pw")
    assert not await admits(controller, "md5", "md5-pw")
    assert not await admits(controller, "sha", "sha-pw")


async def test_lines_that_cannot_be_used_are_named_and_let_nobody_in(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    costly = "$2y$16$" + "." * 53
    write(
        path,
        f"# team\n\n{record('ann', 'secret')}junk\nplain:plain\nslow:{costly}\n"
        f"cut:{record('cut', 'p')[4:-3]}\n",
    )
    controller = opened(path)
    said = [each.getMessage() for each in caplog.records]
    assert [line.split(": ")[0] for line in said] == [f"{path}:{n}" for n in (4, 5, 6, 7)]
    assert "cost of 16" in said[2]
    assert await admits(controller, "ann", "secret")
    for user, password in (("junk", ""), ("plain", "plain"), ("slow", ""), ("cut", "p")):
        assert not await admits(controller, user, password)


def test_complaints_about_one_file_are_bounded(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(path, "junk\n" * 1000)
    opened(path)
    assert len(caplog.records) == htpasswd.MAX_REPORTED + 1
    assert "980 more" in caplog.records[-1].getMessage()


def test_a_high_cost_is_warned_about(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, "ann:$2y$13$" + "." * 53 + "\n")
    opened(path)
    assert caplog.records[0].levelno == logging.WARNING
    assert "cost 13" in caplog.records[0].getMessage()


async def test_the_later_of_two_records_for_one_name_holds(path: Path) -> None:
    write(path, record("ann", "old") + record("ann", "new") + record("bob", "p") + "bob:x\n")
    controller = opened(path)
    assert await admits(controller, "ann", "new")
    assert not await admits(controller, "ann", "old")
    assert not await admits(controller, "bob", "p")


async def test_an_unknown_user_costs_as_much_as_the_dearest_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, record("ann", "p", cost=4) + record("bob", "p", cost=6))
    controller = opened(path)
    real, costs = userfile.matches, []

    def watched(password: bytes, hashed: bytes) -> bool:
        bcrypt.checkpw(password, hashed)  # it is a hash bcrypt works on, not one it rejects
        costs.append(userfile.cost_of(hashed))
        return real(password, hashed)

    monkeypatch.setattr(userfile, "matches", watched)
    assert not await admits(controller, "zoe", "p")
    assert costs == [6]


async def test_a_changed_file_is_read_again(
    path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    controller = opened(path)
    assert await admits(controller, "ann", "secret")
    write(path, record("ann", "changed") + record("new", "p"))
    await trio.sleep(htpasswd.CHECK_S)
    assert not await admits(controller, "ann", "secret")
    assert await admits(controller, "ann", "changed")
    assert await admits(controller, "new", "p")
    assert not await admits(controller, "bob", "other")


async def test_a_file_replaced_within_the_grain_of_its_stamp_is_read_again(
    path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing `stat` shows has changed, as when a file is written twice in one clock tick."""
    same = os.stat(path)
    monkeypatch.setattr(htpasswd, "_stamp", lambda _: (same.st_ino, same.st_size))
    controller = opened(path)
    write(path, record("ann", "Secret") + record("bob", "other"))
    await trio.sleep(htpasswd.CHECK_S)
    assert await admits(controller, "ann", "Secret")


async def test_a_settled_file_is_not_read_again(
    path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(htpasswd, "SETTLED_NS", -1)
    controller = opened(path)
    opens: list[object] = []
    monkeypatch.setattr("builtins.open", lambda *args: opens.append(args))
    await trio.sleep(htpasswd.CHECK_S)
    assert await admits(controller, "ann", "secret")
    assert opens == []


async def test_the_file_is_looked_at_a_few_times_a_second_at_most(
    path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = opened(path)
    looks: list[int] = []
    real = htpasswd._File.read_changed

    def counted(self: htpasswd._File) -> bytes | None:
        looks.append(1)
        return real(self)

    monkeypatch.setattr(htpasswd._File, "read_changed", counted)
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(admits, controller, "ann", "secret")
    assert len(looks) == 1


@pytest.mark.parametrize("damage", ["removed", "directory", "huge", "fifo"])
async def test_a_file_that_cannot_be_read_lets_nobody_in_until_it_can(
    path: Path,
    damage: str,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(htpasswd, "MAX_FILE_BYTES", 1000)
    controller = opened(path)
    assert await admits(controller, "ann", "secret")
    damage_file(path, damage)
    for _ in range(3):
        await trio.sleep(htpasswd.CHECK_S)
        assert not await admits(controller, "ann", "secret")
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert str(path) in errors[0].getMessage()
    mend_file(path, record("ann", "secret"))
    await trio.sleep(htpasswd.CHECK_S)
    assert await admits(controller, "ann", "secret")


def test_a_missing_file_is_created_once_with_a_password_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "htpasswd"
    starts = [threading.Thread(target=opened, args=(path,)) for _ in range(4)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    messages = [each.getMessage() for each in caplog.records]
    (created,) = [message for message in messages if "created" in message]
    found = re.search(r"user docker with password (\S{43})$", created)
    assert found
    assert path.stat().st_mode & 0o777 == 0o600
    name, _, hashed = path.read_bytes().strip().partition(b":")
    assert name == b"docker"
    assert userfile.matches(found[1].encode(), hashed)
    caplog.clear()
    opened(path)
    assert not caplog.records


def test_missing_directories_of_the_file_are_made_for_their_owner_only(tmp_path: Path) -> None:
    opened(tmp_path / "auth" / "deep" / "htpasswd")
    assert (tmp_path / "auth" / "deep" / "htpasswd").is_file()
    for made in (tmp_path / "auth", tmp_path / "auth" / "deep"):
        assert made.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("realm", "name", "parameter", "message"),
    [
        ("", "f", "realm", "is empty"),
        ("a\nb", "f", "realm", "control character"),
        ("r", "", "path", "is empty"),
        ("r", "file/below/f", "path", "file.* is not a directory"),
        ("r", "dangling/f", "path", "dangling.* is not a directory"),
        ("r", ".", "path", "not a regular file"),
        ("r", "dangling", "path", "no such file"),
        ("r", "n" * 300, "path", "cannot be created: file name too long"),
    ],
)
def test_parameters_that_cannot_work_are_refused_at_start(
    tmp_path: Path, realm: str, name: str, parameter: str, message: str
) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InvalidParameter, match=message) as caught:
        HtpasswdAccess(realm, str(tmp_path / name) if name else "")
    assert caught.value.parameter == parameter


async def test_a_cancelled_look_at_the_file_is_made_up_for(path: Path) -> None:
    controller = opened(path)
    with trio.CancelScope() as scope:
        scope.cancel("the client left")
        await controller.authorize(basic("ann", "secret"), PULL)
    assert scope.cancelled_caught
    assert await admits(controller, "ann", "secret")
