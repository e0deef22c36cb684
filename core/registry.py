"""One registry for verifiers, algorithms, tasks, samplers: name -> thing, with plugins.

A plugin is an entry point of the group `truing` named `KIND.NAME`, such as `verifier.sudoku`; it is
loaded when first asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from .errors import DuplicateName, PluginError, UnknownName

ENTRY_POINT_GROUP = "truing"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A registered thing: its name, one line about it, and where it comes from."""

    name: str
    value: T
    description: str
    source: str


class Registry(Generic[T]):
    """Names and what they stand for, of one kind.

    >>> VOWELS: Registry[str] = Registry("vowel")
    >>> VOWELS.add("alpha", "a", description="the first letter")
    'a'
    >>> VOWELS["alpha"]
    'a'
    >>> VOWELS["alpah"]
    Traceback (most recent call last):
    truing.core.errors.UnknownName: no vowel is named 'alpah'. Did you mean 'alpha'? Known: alpha.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry[T]] = {}
        self._plugins: dict[str, EntryPoint] | None = None

    def add(self, name: str, value: T, *, description: str = "", source: str = "") -> T:
        """Register `value` under `name` and return it.

        Raises:
            DuplicateName: the name is taken by something else.
        """
        known = self._entries.get(name)
        # The same source again is a cell of a notebook run twice, or a module loaded anew.
        again = known is not None and bool(source) and known.source == source
        if known is not None and known.value is not value and not again:
            raise DuplicateName(
                f"{self.kind} {name!r} is registered twice: by {known.source} and by "
                f"{source or _source(value)}; rename one of them"
            )
        self._entries[name] = Entry(
            name, value, description or _first_line(value), source or _source(value)
        )
        return value

    def register(self, name: str, *, description: str = "") -> Callable[[T], T]:
        """Decorator form of `add`."""
        return lambda value: self.add(name, value, description=description)

    def __getitem__(self, name: str) -> T:
        return self.entry(name).value

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._found_plugins()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._entries, *self._found_plugins()}))

    def entry(self, name: str) -> Entry[T]:
        """The entry registered under `name`, loading its plugin if need be.

        Raises:
            UnknownName: nothing has that name; near names are suggested.
        """
        if name not in self._entries:
            plugin = self._found_plugins().get(name)
            if plugin is None:
                raise UnknownName(self._unknown(name))
            value = self._load(plugin)
            if name not in self._entries:  # else its module registered it
                self.add(name, value, source=f"entry point {plugin.value}")
        return self._entries[name]

    def entries(self) -> list[Entry[T]]:
        """All entries, plugins loaded, by name."""
        return [self.entry(name) for name in self]

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, description, source) of each entry; a plugin that does not load says so."""
        rows = []
        for name in self:
            try:
                entry = self.entry(name)
            except PluginError as fault:
                point = self._found_plugins()[name]
                rows.append((name, f"does not load: {fault}", f"entry point {point.value}"))
            else:
                rows.append((name, entry.description, entry.source))
        return rows

    def _load(self, plugin: EntryPoint) -> T:
        try:
            value: T = plugin.load()
        except Exception as fault:
            # A plugin's border: whatever its import raises is a fault of the installation.
            raise PluginError(
                f"{self.kind} plugin {plugin.name!r} ({plugin.value}) cannot be loaded: "
                f"{type(fault).__name__}: {fault}; mend or uninstall it"
            ) from fault
        return value

    def _found_plugins(self) -> dict[str, EntryPoint]:
        if self._plugins is None:
            prefix = f"{self.kind}."
            found: dict[str, EntryPoint] = {}
            for point in entry_points(group=ENTRY_POINT_GROUP):
                if not point.name.startswith(prefix):
                    continue
                name = point.name.removeprefix(prefix)
                other = found.get(name)
                if name in self._entries or (other is not None and other.value != point.value):
                    taken = self._entries[name].source if name in self._entries else str(other)
                    raise DuplicateName(
                        f"{self.kind} {name!r} is registered twice: by {taken} and by entry point "
                        f"{point.value}; uninstall or rename one of them"
                    )
                found[name] = point
            self._plugins = found
        return self._plugins

    def _unknown(self, name: str) -> str:
        known = list(self)
        near = get_close_matches(name, known, n=1, cutoff=0.6)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        return f"no {self.kind} is named {name!r}.{hint} Known: {', '.join(known) or 'none'}."


def _first_line(value: object) -> str:
    return next(iter((getattr(value, "__doc__", None) or "").strip().splitlines()), "")


def _source(value: object) -> str:
    return getattr(value, "__module__", None) or type(value).__module__
