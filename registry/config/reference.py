"""The reference of every key, printed from the schema so that it cannot drift.

``python -m registry.config.reference > docs/configuration.md`` writes the page again after a key
was added or served.
"""

import sys
from collections.abc import Iterator

from registry.config.defaults import builtin
from registry.config.durations import format_duration
from registry.config.environment import variable_name
from registry.config.keys import Field, Shape, fields_of, walk
from registry.config.load import SERVED_DRIVERS
from registry.config.schema import Configuration
from registry.config.served import NO_EFFECT, NOT_SERVED_REFUSE, NOT_SERVED_WARN
from registry.config.stores import driver_fields

_HEAD = """\
# Configuration

Trireme reads the configuration files and the environment variables of distribution, the registry
behind `registry:2` and `registry:3`, versions 2.8 and 3. This page is printed from the schema the
server itself reads; a test keeps the two equal.

## Where it comes from

1. The file named on the command line, else the one named by `REGISTRY_CONFIGURATION_PATH`, else the
   built-in configuration below. A file is taken as it is: nothing built in is mixed into it, and a
   key it leaves out has the default of the tables on this page.
2. Environment variables that begin with `REGISTRY_`, laid over it.

The registry does not start with a configuration it cannot use, and then names all that is wrong at
once: the place, the key, the value, and what to write instead.

## The file

YAML, UTF-8, at most 1 MiB, with a map at the top and `version: 0.1` in it. Anchors, aliases and
merge keys (`<<`) work. A key that stands twice in one map is an error. An unknown key is a warning
with its line and the nearest known name.

* **Durations** are numbers with units as Go writes them: `100ms`, `10s`, `1h30m`, `1.5h`. A bare
  whole number is nanoseconds.
* **Texts** need no quotes to stay texts: `password: 0755` is `0755` and `realm: 1:30` is `1:30`.
* **Truths** are `true` and `false`; `yes`, `no`, `on` and `off` are read as well.
* In maps without known keys (log fields, parameters of a driver of your own) a value without quotes
  is what Go's YAML library makes of it: `yes` is true, `0755` is 493, a date is a text.

## Environment variables

The name is the path of the key in capitals, joined by underscores: `http.tls.key` is
`REGISTRY_HTTP_TLS_KEY`. The value is YAML, so a list is `[a, b]` and a map `{a: b}`; a text with
special characters needs quotes of its own.

* Variables are applied in the order of their names, the shorter ones first.
* A word for a whole section replaces it: `REGISTRY_STORAGE=s3` removes the driver of the file and
  puts `s3` in its place, and `REGISTRY_STORAGE_S3_BUCKET` then fills it. The same goes for
  `REGISTRY_AUTH=htpasswd`. Without it, `REGISTRY_STORAGE_S3_BUCKET` over a file with `filesystem`
  names two drivers, which is an error.
* Elements of lists are numbered from 0: `REGISTRY_HEALTH_FILE_0_FILE`. The number after the last
  appends; a gap is an error.
* In a map without known keys, an existing key is found whatever its case, and a new one is written
  in small letters: `REGISTRY_HTTP_HEADERS_X-Frame-Options='[DENY]'`.
* The names of distribution's own fields work too: `REGISTRY_NOTIFICATIONS_EVENTCONFIG_…`,
  `REGISTRY_HEALTH_FILECHECKERS_…`, `…_HTTPCHECKERS_…`, `…_TCPCHECKERS_…` and
  `REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY`.
* A variable that fits no key is a warning. Those Kubernetes sets for a service called `registry`
  (`REGISTRY_PORT`, `REGISTRY_SERVICE_HOST` and so on) are ignored, with one warning for all.

## What is not served yet

A key that decides who may do what, or where data rests, is never ignored: where it is not served
yet, the registry **refuses** to start and says so. Any other key that is not served **warns**. A
key of **no effect** asks for something that is so anyway.

## Where we differ

* `http.http2` left out means HTTP/1.1 only; `http.http2.disabled: false`, written out, turns HTTP/2
  on.
* `http.draintimeout` left out is 8 s, because `docker stop` kills after 10; an explicit `0` stops
  at once.
* With neither `validation.manifests.urls.allow` nor `deny` distribution refuses every layer that
  has `urls`. Here that holds for Docker's media types only, and other layers may have http and
  https URLs: the OCI conformance suite pushes such manifests, and their URLs are never followed by
  the registry. With either of the two, every layer is checked.

Our own keys stand below one map, `trireme`, or among the parameters of a driver or of a type of
authentication; a configuration full of them still starts the registry of distribution.

## The built-in configuration

In the image (`TRIREME_CONTAINER=1`):

```yaml
{in_container}```

Anywhere else, the registry listens on `127.0.0.1:5000` and keeps its data in `./data`.

## Keys

Versions: 2.8 and 3 are distribution's; a key of either is read always. A `[]` in a path is any
element of a list, `_0` in the variable its number.
"""

_COLUMNS = ("Key", "Type", "Default", "Variable", "Versions", "State", "Meaning")
_WORDS = {"flag": "true or false", "whole": "whole number", "any": "anything"}


def reference_markdown() -> str:
    """Return ``docs/configuration.md`` as it must be."""
    pieces = [_HEAD.replace("{in_container}", builtin(in_container=True))]
    rows = list(walk(Configuration))
    for top in fields_of(Configuration):
        table = [_row(path, key) for path, key in rows if _is_below(path, top.name)]
        pieces.append(f"### {top.name}\n\n{_sentence(top)}\n\n{_table(table)}\n")
    return "\n".join(pieces)


def state(path: str) -> str:
    """Return what happens to the key at a dotted path: served, refuses, warns or no effect."""
    refused_drivers = (
        f"storage.{key.name}" for key in driver_fields() if key.name not in SERVED_DRIVERS
    )
    refused = [*refused_drivers, *(row.path for row in NOT_SERVED_REFUSE)]
    for word, paths in (
        ("refuses", refused),
        ("warns", [row.path for row in NOT_SERVED_WARN]),
        ("no effect", NO_EFFECT),
    ):
        if any(_is_below(path.replace("[]", ""), above) for above in paths):
            return word
    return "served"


def _is_below(path: str, above: str) -> bool:
    return path.replace("[]", "") == above or path.replace("[]", "").startswith(above + ".")


def _row(path: str, key: Field) -> tuple[str, ...]:
    versions = {"both": "2.8, 3", "own": "Trireme"}.get(key.key.version, key.key.version)
    meaning = key.key.meaning + (" (required)" if key.key.required else "")
    return (
        f"`{path}`",
        _type(key.shape),
        _default(key),
        f"`{variable_name(path)}`",
        versions,
        state(path),
        meaning,
    )


def _type(shape: Shape) -> str:
    match shape.kind:
        case "choice":
            return " or ".join(f"`{word}`" for word in shape.choices)
        case "list":
            return f"list of {_type(shape.inner)}" if shape.inner else "list"
        case "map":
            return f"map of {_type(shape.inner)}" if shape.inner else "map"
        case "section":
            return "map"
        case kind:
            return _WORDS.get(kind, kind)


def _default(key: Field) -> str:
    if key.key.default is not None:
        return f"`{key.key.default}`" if key.key.default != "none" else "none"
    value = key.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{format_duration(value)}`"
    if isinstance(value, str | int) and value != "":
        return f"`{value}`"
    return "none"


def _sentence(key: Field) -> str:
    return key.key.meaning[0].upper() + key.key.meaning[1:] + "."


def _table(rows: list[tuple[str, ...]]) -> str:
    return "\n".join(_lines([_COLUMNS, tuple("---" for _ in _COLUMNS), *rows]))


def _lines(rows: list[tuple[str, ...]]) -> Iterator[str]:
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


if __name__ == "__main__":
    sys.stdout.write(reference_markdown())
