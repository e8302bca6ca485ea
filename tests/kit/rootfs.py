"""Our image, built and run without an engine: a stand-in base, buildah, and a process in its root.

The base is made by mmdebstrap from the Debian sources that this machine itself uses, and kept,
since it depends on its package list alone. What pip needs to find packages here (its configuration,
the CA, local directories) is mounted into the build and stays out of the image.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.kit.servers import END_S, clean_environment
from tests.kit.tools import require_privilege, require_tool

PACKAGES = ("gcc", "libc6-dev", "python3-dev", "python3-venv")
LEFT_OUT = (  # nothing that a build of ours would read
    "/usr/share/doc/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/bin/*lto-dump*",
    "/usr/lib/gcc/*/lto1",
    "/usr/lib/python3*/config-*/*.a",
)
MOUNTED = "/run/pip"  # below it, in the build: what pip's configuration names
BASE = "localhost/stand-in"
LONG_S = 400.0
SHORT_S = 60.0

Words = Sequence[str | Path]


def run(words: Words, timeout_s: float = LONG_S) -> str:
    """Run a program to its end and return what it printed; fails the test when it fails."""
    done = subprocess.run(
        [str(word) for word in words],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=timeout_s,
    )
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}"[-6000:]
        pytest.fail(f"{words[0]} failed with status {done.returncode}:\n{said}", pytrace=False)
    return done.stdout


def require_roots() -> None:
    """Skip the test unless this process may make namespaces, mount and change its root."""
    words = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "chroot", "/", "true"]
    held = os.geteuid() == 0 and subprocess.run(words, check=False, capture_output=True)
    require_privilege(
        "builds an image and runs it in its root, which takes root, mount and chroot",
        held=bool(held and held.returncode == 0),
    )


def stand_in_base() -> Path:
    """Return an archive with a Debian that has Python and a compiler, as `LEFT_OUT` leaves it."""
    mmdebstrap = require_tool("mmdebstrap", "mmdebstrap")
    codename = platform.freedesktop_os_release()["VERSION_CODENAME"]
    recipe = hashlib.sha256(repr((codename, PACKAGES, LEFT_OUT)).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "trireme"
    kept = cache / f"stand-in-{recipe}.tar"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / f"{kept.name}.{os.getpid()}"
    sources = cache / f"{kept.name}.{os.getpid()}.sources"
    sources.write_text(_debian_sources(codename))
    options = [f"--include={','.join(PACKAGES)}", '--aptopt=APT::Install-Recommends "false"']
    options += [f"--aptopt={line}" for line in _fetch_options()]
    options += [f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT]
    try:
        what = ["--mode=root", "--variant=minbase", "--format=tar"]
        run([mmdebstrap, *what, *options, codename, made, sources])
        made.rename(kept)
    finally:
        made.unlink(missing_ok=True)
        sources.unlink()
    return kept


def _debian_sources(codename: str) -> str:
    """Return this machine's apt sources that are Debian's own, in the form with fields."""
    wanted = {codename, f"{codename}-updates", f"{codename}-security"}
    stanzas: list[str] = []
    directory = Path("/etc/apt/sources.list.d")
    for path in sorted(directory.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = dict(re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            suites = fields.get("Suites", "").split()
            if suites and wanted.issuperset(suites) and "main" in fields.get("Components", ""):
                stanzas.append(re.sub(r"^#.*\n?", "", stanza, flags=re.MULTILINE).strip())
    for path in (Path("/etc/apt/sources.list"), *sorted(directory.glob("*.list"))):
        for line in path.read_text().splitlines() if path.exists() else ():
            found = re.fullmatch(
                r"deb\s+(?:\[(.*)\]\s+)?(\S+)\s+(\S+)\s+(.*\bmain\b.*)", line.strip()
            )
            if found and found[3] in wanted:
                signed = re.search(r"signed-by=(\S+)", found[1] or "")
                key = f"\nSigned-By: {signed[1]}" if signed else ""
                stanzas.append(
                    f"Types: deb\nURIs: {found[2]}\nSuites: {found[3]}\nComponents: main{key}"
                )
    assert stanzas, f"no apt source on this machine has Debian's {codename}"
    return "\n\n".join(stanzas) + "\n"


def _fetch_options() -> list[str]:
    """Return how this machine's apt fetches: proxies, and whether dates matter."""
    dump = run(["apt-config", "dump"], SHORT_S)
    return re.findall(r'^(Acquire::(?:https?::.*|Check-[\w-]+) ".*";)$', dump, re.MULTILINE)


def pip_mounts(directory: Path) -> list[str]:
    """Return options that give a build this machine's pip configuration, read-only."""
    listed = run([sys.executable, "-m", "pip", "config", "list"], SHORT_S)
    settings: dict[str, str] = {}
    for scope in ("global", ":env:"):  # what is found later is what pip prefers
        for name, value in re.findall(rf"^{scope}\.([\w-]+)=('.*'|\".*\")$", listed, re.MULTILINE):
            settings[name] = ast.literal_eval(value)
    mounts: dict[str, str] = {}

    def inside(value: str) -> str:
        """Return a value with each local path in it replaced by where it is mounted."""
        words = []
        for word in value.split():
            parts = urlsplit(word)
            path = unquote(parts.path)
            if parts.scheme in ("", "file") and path.startswith("/") and os.path.exists(path):
                # A page of links may lead to what lies beside it, so its parent comes along.
                source = os.path.dirname(path) if parts.scheme else path
                target = mounts.setdefault(os.path.realpath(source), f"{MOUNTED}/{len(mounts)}")
                path = target + path.removeprefix(source)
                words.append(f"file://{path}" if parts.scheme else path)
            else:
                words.append(word)
        return " ".join(words)

    lines = [f"{name} = {inside(value)}\n" for name, value in sorted(settings.items())]
    configuration = directory / "pip.conf"
    configuration.write_text("[global]\n" + "".join(lines))
    configuration.chmod(0o600)
    mounts[str(configuration)] = "/etc/pip.conf"
    return [f"--volume={source}:{target}:ro" for source, target in mounts.items()]


@dataclass(frozen=True)
class Built:
    """An image that was built, and its root laid out.

    Attributes:
        name: In buildah's storage.
        root: What a container of it would have as ``/``.
        buildah: The program with the options that name its storage.
    """

    name: str
    root: Path
    buildah: tuple[str, ...]

    def run(self, *words: str, user: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a program of the image in its root, with the image's own variables only."""
        return subprocess.run(
            ["chroot", f"--userspec={user}:{user}", str(self.root), *words],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environ(),
            timeout=SHORT_S,
        )

    def environ(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the image's variables, and `extra`."""
        template = "{{range .OCIv1.Config.Env}}{{println .}}{{end}}"
        inspected = run([*self.buildah, "inspect", "--type=image", "-f", template, self.name])
        own = dict(line.split("=", 1) for line in inspected.split("\n") if line)
        return {**own, **(extra or {})}


@contextmanager
def built_image(directory: Path, context: Path) -> Iterator[Built]:
    """Build the Containerfile of `context` on the stand-in base; all of it is gone afterwards."""
    buildah = _storage(directory)
    base = stand_in_base()
    try:
        empty = run([*buildah, "from", "scratch"]).strip()
        run([*buildah, "add", "--quiet", empty, base, "/"])
        run([*buildah, "commit", "--quiet", "--rm", "--format=docker", empty, BASE])
        name = "localhost/trireme"
        how = ["--isolation=chroot", "--format=docker", f"--build-arg=BASE={BASE}"]
        what = [f"--file={context}/Containerfile", f"--tag={name}", str(context)]
        run([*buildah, "bud", *how, *pip_mounts(directory), *what])
        container = run([*buildah, "from", name]).strip()
        yield Built(name, Path(run([*buildah, "mount", container]).strip()), buildah)
    finally:
        subprocess.run([*buildah, "rm", "--all"], check=False, capture_output=True)  # unmounts
        shutil.rmtree(directory, ignore_errors=True)


def _storage(directory: Path) -> tuple[str, ...]:
    """Return buildah with storage below `directory`: layered where that works, else copied."""
    program = require_tool("buildah", "buildah")
    for driver in ("overlay", "vfs"):
        place = directory / driver
        places = (f"--root={place}/storage", f"--runroot={place}/run")
        words = (program, f"--storage-driver={driver}", *places)
        done = subprocess.run([*words, "info"], check=False, capture_output=True, text=True)
        if done.returncode == 0:
            return words
    pytest.fail(f"buildah cannot keep images:\n{done.stderr}", pytrace=False)


@dataclass
class Contained:
    """A container's first process, in namespaces of its own.

    Attributes:
        pid: As this side sees it; to itself it is 1.
    """

    pid: int
    _image: Built
    _outer: subprocess.Popen[bytes]
    _environ: Mapping[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside it, as an engine runs a health check."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid"]
        return subprocess.run(
            [*enter, "chroot", str(self._image.root), *words],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=dict(self._environ),
            timeout=SHORT_S,
        )

    def stop(self) -> int:
        """Send SIGTERM to the process, wait for its end, and return its status."""
        os.kill(self.pid, signal.SIGTERM)
        return self._outer.wait(END_S)


@contextmanager
def contained(
    image: Built, log: Path, *arguments: str, environ: Mapping[str, str]
) -> Iterator[Contained]:
    """Run the image's entry point with arguments as process 1, and kill it at the end.

    Args:
        image: What is run.
        log: Gets its output.
        arguments: What follows the entry point.
        environ: Variables besides the image's own.
    """
    variables = image.environ(environ)
    words = ["unshare", "--mount", f"--mount-proc={image.root}/proc", "--pid", "--fork"]
    words += ["--kill-child", "chroot", str(image.root), "/entrypoint.sh", *arguments]
    with log.open("wb") as out:
        outer = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=variables
        )
    try:
        yield Contained(_child(outer), image, outer, variables)
    finally:
        if outer.poll() is None:
            outer.kill()
            outer.wait()


def _child(outer: subprocess.Popen[bytes]) -> int:
    """Return the process that `outer` has started."""
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        found = children.read_text().split() if outer.poll() is None else []
        if found:
            return int(found[0])
        time.sleep(0.01)
    raise AssertionError("the container did not start")
