import errno
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.auth import userfile
from registry.cli.htpasswd import main
from tests.kit.tools import require_privilege, require_tool

OURS = [
    sys.executable,
    "-c",
    "import sys; from registry.cli.htpasswd import main; sys.exit(main())",
]
FAST = "-C4"


@pytest.fixture(scope="module")
def apache() -> str:
    return require_tool("htpasswd", "apache2-utils")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    assert main(["-Bbc", FAST, str(path), "ann", "secret"]) == 0
    return path


def run(command: list[str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


def names(path: Path) -> list[bytes | None]:
    return [line.name for line in userfile.parse_lines(path.read_bytes())]


def test_the_words_of_the_recipe_print_a_record_that_go_can_check() -> None:
    ended = run([*OURS, "-Bbn", "testuser", "testpassword"])
    assert ended.returncode == 0
    assert ended.stderr == b""
    match = re.fullmatch(rb"testuser:(\$2y\$10\$.{53})\n\n", ended.stdout)
    assert match
    assert userfile.matches(b"testpassword", match[1])


def test_apache_verifies_what_we_write_and_we_what_apache_writes(
    apache: str, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    passwords = {"ann": "secret", "bob": "p\\w 'x\"", "ü": "ß€", "long": "x" * 100, "none": ""}
    for number, (user, password) in enumerate(passwords.items()):
        create = "-c" if number == 0 else "-B"
        assert run([*OURS, "-Bb", FAST, create, str(ours), user, password]).returncode == 0
        assert run([apache, "-Bb", create, str(theirs), user, password]).returncode == 0
    for user, password in passwords.items():
        for command, path in (([apache], ours), (OURS, theirs)):
            for tried, status in ((password, 0), ("not" + password, 3)):
                ended = run([*command, "-vb", str(path), user, tried])
                assert ended.returncode == status, (command, user, tried, ended.stderr)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-Bb", "F", "ann", "new"],
        ["-Bb", "F", "zoe", "new"],
        ["-B", "-b", "-C", "5", "F", "zoe", "new"],
        ["-bBC5", "F", "zoe", "new"],
        ["-B", "-b", "--", "F", "zoe", "new"],
        ["-Bbv", "F", "ann", "secret"],
        ["-Bbv", "F", "ann", "wrong"],
        ["-Bbv", "F", "zoe", "secret"],
        ["-Biv", "F", "ann"],
        ["-Bi", "F", "zoe"],
        ["-Bbi", "F", "zoe"],
        ["-Bib", "F", "zoe", "pw"],
        ["-Bin", "zoe"],
        ["-D", "F", "ann"],
        ["-D", "F", "zoe"],
        ["-D", "missing", "ann"],
        ["-Bb", "missing", "ann", "p"],
        ["-Bbv", "missing", "ann", "p"],
        ["-Bbc", "missing", "ann", "p"],
        ["-Bbc", "F", "ann", "p"],
        ["-Bbc", "no/such/directory", "ann", "p"],
        ["-Bbc", ".", "ann", "p"],
        ["-Bb", "J", "ann", "p"],
        ["-D", "J", "ann"],
        ["-Bbn", "a:b", "p"],
        ["-Bbn", "x" * 256, "p"],
        ["-Bbn", "x" * 194, "p"],
        ["-Bbn", "x" * 193, "p"],
        ["-Bbn", "u", "p" * 255],
        ["-Bbn", "u", "p" * 256],
        ["-C", "abc", "-Bbn", "u", "p"],
        ["-C", "-1", "-Bbn", "u", "p"],
        ["-cn", "F", "u"],
        ["-cD", "F", "u"],
        ["-bvD", "F", "u", "p"],
        ["-nvb", "u", "p"],
        ["-B"],
        [],
        ["-Bbn", "u"],
        ["-Bbn", "u", "p", "q"],
        ["F", "u", "-Bb"],
        ["-x"],
        ["-C"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40] or "nothing",
)
def test_statuses_and_effects_are_those_of_apache(
    apache: str, arguments: list[str], file: Path, tmp_path: Path
) -> None:
    junk = tmp_path / "junk"
    outcomes = []
    before = file.read_bytes()
    for command in ([apache], OURS):
        junk.write_text("not a record\n")
        file.write_bytes(before)
        (tmp_path / "missing").unlink(missing_ok=True)
        real = {"F": str(file), "J": str(junk)}
        ended = subprocess.run(
            [*command, *(real.get(argument, argument) for argument in arguments)],
            input=b"secret\n",
            capture_output=True,
            check=False,
            cwd=tmp_path,
        )
        users = [names(path) for path in (file, tmp_path / "missing") if path.exists()]
        said = [line for line in ended.stderr.split(b"\n") if b"Warning" not in line]
        first = said[0] if ended.returncode in (0, 3) else b""
        printed = re.sub(rb"\$2y\$.*", b"HASH", ended.stdout)
        outcomes.append((ended.returncode, first, printed, users, junk.read_bytes()))
        assert b"Traceback" not in ended.stderr
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("option", ["-m", "-2", "-5", "-d", "-s", "-p", "-r5000"])
def test_other_hashes_are_refused_with_the_reason(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([option, "-bn", "u", "p"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"htpasswd: {option[:2]} (")
    assert "use -B" in said.err


@pytest.mark.parametrize("cost", ["3", "16", "99999999999999999999"])
def test_a_cost_no_registry_accepts_is_refused(
    cost: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-bn", "-C", cost, "u", "p"]) == 2
    assert f"a cost of {cost} is not possible, use 4 to 15" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "#u", " u", "u ", "a\nb", "a\x7f"])
def test_names_that_would_be_lost_in_the_file_are_refused(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["-bn", name, "p"]) == 6
    assert capsys.readouterr().err.startswith("htpasswd: username ")


def test_a_password_that_bcrypt_cuts_is_warned_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-bn", FAST, "u", "p" * 73]) == 0
    assert "only the first 72 bytes" in capsys.readouterr().err
    assert main(["-bn", FAST, "u", "p" * 72]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("stdin", "password"),
    [(b"pw", b"pw"), (b"pw\n", b"pw"), (b"pw\r\n", b"pw"), (b"a\nb\n", b"a\nb"), (b"", b"")],
)
def test_one_end_of_line_is_not_part_of_the_password(stdin: bytes, password: bytes) -> None:
    ended = run([*OURS, "-in", FAST, "u"], stdin)
    assert userfile.matches(password, ended.stdout.strip().partition(b":")[2])


def test_other_lines_stay_as_they_are(file: Path) -> None:
    record = file.read_bytes().strip()
    file.write_bytes(b"# team\n\nold:plain\n" + record + b"\nann:again\nlast:x")
    assert main(["-b", FAST, str(file), "ann", "new"]) == 0
    lines = file.read_bytes().split(b"\n")
    assert lines[:3] == [b"# team", b"", b"old:plain"]
    assert userfile.matches(b"new", lines[3].partition(b":")[2])
    assert lines[4:] == [b"last:x", b""]
    assert main(["-D", str(file), "ann"]) == 0
    assert file.read_bytes() == b"# team\n\nold:plain\nlast:x\n"


def test_an_old_file_keeps_its_mode_and_a_new_one_follows_the_umask(
    file: Path, tmp_path: Path
) -> None:
    file.chmod(0o640)
    assert main(["-b", FAST, str(file), "bob", "p"]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        assert main(["-bc", FAST, str(tmp_path / "new"), "bob", "p"]) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["htpasswd", "new"]


def test_an_old_file_keeps_its_owner(file: Path) -> None:
    require_privilege("giving a file to another user takes root", held=os.geteuid() == 0)
    os.chown(file, 1234, 4321)
    assert main(["-b", FAST, str(file), "bob", "p"]) == 0
    assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_a_reader_keeps_the_old_file_whole(file: Path) -> None:
    before = file.read_bytes()
    with file.open("rb") as reader:
        assert main(["-b", FAST, str(file), "bob", "p"]) == 0
        assert reader.read() == before


def test_a_link_is_followed(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert main(["-b", FAST, str(link), "bob", "p"]) == 0
    assert link.is_symlink()
    assert names(file) == [b"ann", b"bob"]


@pytest.mark.parametrize("refusal", [errno.EBUSY, errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_that_cannot_be_replaced_is_written_over(
    file: Path, refusal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(os, "replace", refuse)
    inode = file.stat().st_ino
    assert main(["-b", FAST, str(file), "bob", "p"]) == 0
    assert names(file) == [b"ann", b"bob"]
    assert main(["-D", str(file), "ann"]) == 0
    assert names(file) == [b"bob"]
    assert file.stat().st_ino == inode
    assert list(file.parent.iterdir()) == [file]


def test_a_full_disk_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = file.read_bytes()
    monkeypatch.setattr(os, "fsync", refuse)
    assert main(["-b", FAST, str(file), "bob", "p"]) == 1
    assert f"cannot write file {file}: no space left" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_it_writes_to_a_pipe() -> None:
    ended = run([*OURS, "-bc", FAST, "/dev/stdout", "u", "p"])
    assert ended.returncode == 0
    assert ended.stdout.startswith(b"u:$2y$04$")


def test_runs_at_the_same_time_lose_nobody(file: Path) -> None:
    users = [f"u{number}" for number in range(8)]

    def add(user: str) -> int:
        return run([*OURS, "-b", FAST, str(file), user, "p"]).returncode

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(add, users)) == {0}
    assert set(names(file)) == {b"ann", *(user.encode() for user in users)}


INTERRUPT = b"\x03"  # Ctrl-C


def talk(arguments: list[str], *answers: bytes) -> tuple[int, bytes]:
    """Run the command on a terminal and type an answer at each prompt."""
    pid, terminal = pty.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, set())  # whatever this process holds back
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execv(OURS[0], [*OURS, *arguments])
    shown = b""
    waiting = list(answers)
    typed = b""
    while True:
        # An interrupt that comes just before the read begins is noticed with the next key.
        if typed == INTERRUPT and not select.select([terminal], [], [], 1)[0]:
            os.write(terminal, typed)
            continue
        try:
            piece = os.read(terminal, 1000)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        shown += piece
        if waiting and shown.endswith(b": "):
            typed = waiting.pop(0)
            os.write(terminal, typed)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
def test_a_person_is_asked_twice_and_nothing_is_shown(file: Path) -> None:
    status, shown = talk([FAST, str(file), "bob"], b"s3cret\n", b"s3cret\n")
    assert status == 0
    assert shown.startswith(b"New password: \r\nRe-type new password: ")
    assert b"s3cret" not in shown
    assert main(["-vb", str(file), "bob", "s3cret"]) == 0
    status, shown = talk([FAST, str(file), "bob"], b"one\n", b"two\n")
    assert status == 3
    assert b"password verification error" in shown
    assert main(["-vb", str(file), "bob", "s3cret"]) == 0
    status, shown = talk(["-v", str(file), "bob"], b"s3cret\n")
    assert status == 0
    assert shown.startswith(b"Enter password: ")
    assert b"Password for user bob correct." in shown


@pytest.mark.filterwarnings("ignore:.*forkpty.*:DeprecationWarning")
def test_an_interrupt_at_the_prompt_changes_nothing(file: Path) -> None:
    before = file.read_bytes()
    status, shown = talk([str(file), "ann"], INTERRUPT)
    assert status == 4
    assert b"Interrupted" in shown
    assert b"Traceback" not in shown
    assert file.read_bytes() == before


def test_without_a_terminal_an_ended_input_is_an_error() -> None:
    ended = subprocess.run(
        [*OURS, "-n", "u"], input=b"", capture_output=True, check=False, start_new_session=True
    )
    assert ended.returncode == 3
    assert b"the input ended" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "-b  take the password" in capsys.readouterr().out
