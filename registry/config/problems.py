"""What can be said about a configuration: problems that stop the start, and warnings."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SHOWN_CHARACTERS = 80  # of a value in a message; a file pasted into a variable must not fill a log


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that keeps the registry from starting.

    Attributes:
        place: ``file:line:column``, the name of a variable, or the name of a file.
        key: Dotted path of the key, such as ``http.tls.key``; empty for the whole file.
        message: What is wrong, with the value unless it is a secret.
        fix: What to write instead.
    """

    place: str
    key: str
    message: str
    fix: str

    def __str__(self) -> str:
        """Write one line."""
        head = ": ".join(part for part in (self.place, self.key) if part)
        return f"{head}: {self.message}; {self.fix}" if self.fix else f"{head}: {self.message}"


class ConfigurationError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: All that was found; never empty. Those of variables come first, then types and
            required keys in the order of the schema, then what does not fit together.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class ConfigurationWarning:
    """Something that was read but does not do what its writer may expect.

    Attributes:
        place: As for `Problem`.
        key: Dotted path of the key; empty where a variable fits none.
        message: What was found.
        nearest: The known name that looks most like it, or None.
        quiet: Usual on some platforms and harmless: worth a line at debug level only.
    """

    place: str
    key: str
    message: str
    nearest: str | None = None
    quiet: bool = False

    def __str__(self) -> str:
        """Write one line."""
        head = ": ".join(part for part in (self.place, self.key) if part)
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{head}: {self.message}{hint}"


def shown(value: str, *, secret: bool = False) -> str:
    """Return `value` for a message: quoted, cut to a length, and hidden when it is a secret."""
    if secret:
        return "the value (not shown)"
    cut = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"
    return repr(cut)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return which of `names` looks most like `name`, or None when none does."""
    by_folded = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
