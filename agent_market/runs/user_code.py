"""The user's code that computes features, as a part of a run's identity.

FreqAI reuses predictions for as long as the identifier stays, so the identifier must change with every line
that a feature depends on: the feature methods, what they call, class attributes that they read, and modules
beside the strategy.  What only trades (entries, exits, stops) does not count, so that strategies which differ
in nothing else share their predictions.

Reachability goes by name.  It starts at FreqAI's methods and counts every statement of the user's files that
binds a reached name, whatever class owns it: that takes in too much sometimes, and never too little.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import secrets
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import agent_market

logger = logging.getLogger(__name__)

FEATURE_METHODS = (
    "feature_engineering_expand_all",
    "feature_engineering_expand_basic",
    "feature_engineering_standard",
    "set_freqai_targets",
)
"""What FreqAI calls on a strategy; a run's features start here."""

_OWN_ROOTS = ("__init__", "bot_start", "bot_loop_start", "populate_indicators")
_ROOTS = (*FEATURE_METHODS, *_OWN_ROOTS)
"""Where the features of a user's strategy may come from."""

CANDLE_READERS = frozenset(
    {
        *("get_pair_dataframe", "historic_ohlcv", "get_analyzed_dataframe", "ohlcv"),
        *("informative_pairs", "informative", "merge_informative_pair", "load_pair_history", "load_data"),
    }
)
"""Code that names one of these may read any candles on disk."""

FILE_READERS = frozenset(
    {
        *("open", "read_text", "read_bytes", "read_csv", "read_feather", "read_parquet", "read_json"),
        *("read_pickle", "read_excel", "read_hdf", "read_sql", "loadtxt", "genfromtxt", "fromfile"),
        *("urlopen", "connect", "create_engine"),
    }
)
"""Calls that read what no digest knows of, unless the file's name stands in the code."""

_PARAMS = "_params"
_PLAIN = (bool, int, float, str, bytes, type(None))


@dataclass(frozen=True, slots=True)
class UserCode:
    """The part of the user's code that a run depends on.

    `digest` is its hash.  `names` are the names in it.  `files_read` are files that it names and that exist;
    `is_opaque` says that it reads data which cannot be found out, so that nothing made by it may be reused.
    """

    digest: str = ""
    names: frozenset[str] = frozenset()
    files_read: tuple[Path, ...] = ()
    is_opaque: bool = False

    @property
    def reads_candles(self) -> bool:
        """Whether it may read candles beside those that FreqAI hands to it."""
        return not CANDLE_READERS.isdisjoint(self.names)


@dataclass(frozen=True, slots=True)
class _Statement:
    """One statement of a module or of a class body: the names that it binds and those in it."""

    file: Path
    node: ast.stmt
    binds: frozenset[str]
    names: frozenset[str]
    counts: bool

    @property
    def is_import(self) -> bool:
        return isinstance(self.node, ast.Import | ast.ImportFrom)


def feature_code(strategy: type | object, user_data: Path | None = None, with_data: bool = True) -> UserCode:
    """The code by which `strategy` computes its features, and the plain values that this code reads.

    :param strategy: a strategy, or its class.  Of an object its own values count, such as parameters of
        hyperopt.
    :param user_data: folder against which file names in the code are resolved, beside the strategy's own.
    :param with_data: False leaves files of data out: a live bot is not retrained for what they say.
    """
    kind = strategy if isinstance(strategy, type) else type(strategy)
    classes: dict[Path, set[str]] = {}
    for one in kind.__mro__:
        file = file_of_class(one)
        if file is not None and (_is_ours(file) or not _is_installed(file)):
            classes.setdefault(file, set()).add(one.__name__)
    # Our own code is hashed as a whole; it is followed only for the names that it reads off the strategy.
    statements = [s for file, names in classes.items() for s in _statements(file, names, not _is_ours(file))]
    reached = _reached(statements, set(_ROOTS))
    kept = [s for s in statements if s.counts and (not s.binds or s.binds & reached)]
    digest = hashlib.sha256()
    for dump in sorted(ast.dump(_without_words(s.node)) for s in kept if not s.is_import):
        digest.update(dump.encode())
    for name in sorted(reached):
        # Not through `getattr`: a property of Agent Market's would attach the strategy to its bot.
        digest.update(_value(name, inspect.getattr_static(strategy, name, None)))
    digest.update(_from_params_file(strategy, reached))
    modules = _modules(_inner_imports(kept))
    for module in modules:
        digest.update(module.name.encode() + module.read_bytes())
    trees = [*(s.node for s in kept if not s.is_import), *map(_parsed, modules)]
    places = [p for p in (user_data, *(s.file.parent for s in kept), Path.cwd()) if p is not None]
    return _code(digest, trees, places, with_data)


def whole_code(classes: Iterable[type], user_data: Path | None = None, with_data: bool = True) -> UserCode:
    """All code of the files of these classes outside installed packages, and of the modules they import."""
    files = [file for kind in classes for one in kind.__mro__ if (file := file_of_class(one)) is not None]
    return _whole(sorted({file for file in files if not _is_installed(file)}), user_data, with_data)


def whole_file(file: Path, user_data: Path | None = None) -> UserCode:
    """All code of one file, and of the user's modules that it imports."""
    return _whole([file], user_data, True)


def _whole(starts: list[Path], user_data: Path | None, with_data: bool) -> UserCode:
    modules = sorted({*starts, *_modules(s for file in starts for s in _imports(file))})
    digest = hashlib.sha256()
    for module in modules:
        digest.update(module.name.encode() + module.read_bytes())
    places = [p for p in (user_data, *(file.parent for file in starts), Path.cwd()) if p is not None]
    return _code(digest, [_parsed(module) for module in modules], places, with_data)


def file_of_class(kind: type) -> Path | None:
    """The file that a class is written in; None for one of the interpreter's own.

    freqtrade loads a strategy's file under a name that is not among the imported modules, and leaves the
    file's path on the class.
    """
    file_name = kind.__dict__.get("__file__")
    if isinstance(file_name, str) and file_name:
        return Path(file_name).resolve()
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    if file and hasattr(module, kind.__qualname__.split(".")[0]):
        return Path(file).resolve()
    for value in vars(kind).values():
        function = inspect.unwrap(getattr(value, "__func__", value))
        code = getattr(function, "__code__", None)
        if code is not None and Path(code.co_filename).is_file() and function.__module__ == kind.__module__:
            return Path(code.co_filename).resolve()
    return None


def refused(code: UserCode) -> str:
    """Empty, or for code whose data cannot be followed a word that no other run has: nothing is reused."""
    return _never_the_same() if code.is_opaque else ""


@cache
def _never_the_same() -> str:
    """A word that no other run has; the same within one."""
    logger.warning(
        "the strategy or model reads data by calls whose files are not named in its code, so Agent Market "
        "cannot tell whether they changed: nothing of an earlier run is reused. Name the file in the code, "
        "or make it a series of `agent_market.perception.context`"
    )
    return secrets.token_hex(8)


def _code(digest: Any, trees: list[ast.AST], places: list[Path], with_data: bool) -> UserCode:
    reads = with_data and any(_reads_files(tree) for tree in trees)
    words = {n.value for t in trees for n in ast.walk(t) if isinstance(n, ast.Constant)}
    found = {
        file.resolve()
        for word in words
        if reads and isinstance(word, str) and 0 < len(word) < 256 and "\n" not in word and "\0" not in word
        for place in places
        if _is_data(file := place / word)
    }
    for file in sorted(found):
        digest.update(file.name.encode() + file.read_bytes())
    names = frozenset(name for tree in trees for name in _names(tree))
    return UserCode(digest.hexdigest()[:16], names, tuple(sorted(found)), reads and not found)


def _is_data(file: Path) -> bool:
    try:
        return file.is_file() and file.suffix != ".py"
    except OSError:  # a name that is too long
        return False


def _reached(statements: list[_Statement], names: set[str]) -> set[str]:
    """Names that the features may depend on: those in every statement that binds one of them."""
    waiting = list(statements)
    while True:
        fresh = [s for s in waiting if (not s.binds and s.counts) or s.binds & names]
        if not fresh:
            return names
        taken = set(map(id, fresh))
        waiting = [s for s in waiting if id(s) not in taken]
        for statement in fresh:
            names |= statement.names


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_bytes(), filename=str(file))


def _statements(file: Path, classes: set[str], counts: bool) -> list[_Statement]:
    """The statements of a module, and in place of each of `classes` those of its body."""
    nodes: list[ast.stmt] = [
        node
        for node in _parsed(file).body
        if not (isinstance(node, ast.ClassDef) and node.name in classes) and not _is_words(node)
    ]
    for kind in ast.walk(_parsed(file)):
        if isinstance(kind, ast.ClassDef) and kind.name in classes:
            nodes += [node for node in kind.body if not _is_words(node)]
    found = [_statement(file, node, counts) for node in nodes]
    return [s for s in found if counts or s.binds.isdisjoint(_OWN_ROOTS)]


def _imports(file: Path) -> list[_Statement]:
    """Every import of a module, also those inside functions."""
    return list(
        _inner_imports(
            [_Statement(file, node, frozenset(), frozenset(), True) for node in _parsed(file).body]
        )
    )


def _inner_imports(statements: Iterable[_Statement]) -> Iterator[_Statement]:
    for statement in statements:
        for node in ast.walk(statement.node):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield _Statement(statement.file, node, frozenset(), frozenset(), True)


def _parsed(file: Path) -> ast.Module:
    """A module's tree; an empty one where it is not valid Python: loading it raises the better error."""
    try:
        return _tree(file)
    except (SyntaxError, ValueError, OSError):
        return ast.Module(body=[], type_ignores=[])


def _statement(file: Path, node: ast.stmt, counts: bool) -> _Statement:
    return _Statement(file, node, frozenset(_bound(node)), frozenset(_names(node)), counts)


def _bound(node: ast.stmt) -> Iterator[str]:
    """Names that a statement binds; none for one that may do anything, which then always counts."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        marks = [name for part in node.decorator_list for name in _names(part)]
        if "informative" not in marks:
            yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from _names(target)
            if isinstance(target, ast.Name) and target.id.endswith(_PARAMS) and node.value is not None:
                yield from _names(node.value)  # freqtrade sets the parameters that `buy_params` names
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for one in node.names:
            if one.name != "*":
                yield (one.asname or one.name).split(".")[0]


def _names(node: ast.AST) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Name):
            yield one.id
        elif isinstance(one, ast.Attribute):
            yield one.attr
        elif isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier():
            yield one.value  # getattr(self, "name")
        elif isinstance(one, ast.alias):
            yield one.name.split(".")[0]
        elif isinstance(one, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield one.name


def _is_words(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _without_words(node: ast.stmt) -> ast.stmt:
    """The statement without docstrings, which compute nothing."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_words(node.body[0]):
        return type(node)(**{**dict(ast.iter_fields(node)), "body": node.body[1:] or [ast.Pass()]})
    return node


def _reads_files(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in FILE_READERS:
                return True
    return False


def _modules(imports: Iterable[_Statement]) -> list[Path]:
    """Files of the user's own modules that these statements import, and those that they import in turn."""
    found: set[Path] = set()
    waiting = list(imports)
    while waiting:
        statement = waiting.pop()
        for file in _imported(statement):
            if file not in found:
                found.add(file)
                waiting += _imports(file)
    return sorted(found)


def _imported(statement: _Statement) -> Iterator[Path]:
    node, folder = statement.node, statement.file.parent
    if isinstance(node, ast.ImportFrom):
        base = folder
        for _ in range(max(node.level - 1, 0)):
            base = base.parent
        stem = (node.module or "").replace(".", "/")
        names = [stem, *(f"{stem}/{one.name}".lstrip("/") for one in node.names)]
        roots = [base] if node.level else _roots(folder)
    elif isinstance(node, ast.Import):
        names, roots = [one.name.replace(".", "/") for one in node.names], _roots(folder)
    else:
        return
    for name in names:
        for root in roots:
            package = [root / part / "__init__.py" for part in _parents(name)]
            for file in (root / f"{name}.py", root / name / "__init__.py", *package):
                if name and file.is_file() and not _is_installed(file.resolve()):
                    yield file.resolve()


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _roots(folder: Path) -> list[Path]:
    """Where a user's module may lie: beside the strategy, above it, or on Python's path."""
    own = [folder, *list(folder.parents)[:2]]
    return list(dict.fromkeys([*own, *(Path(entry or ".").resolve() for entry in sys.path)]))


@cache
def _installed_places() -> tuple[Path, ...]:
    schemes = (sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib", "purelib", "platlib"))
    extra = [*site.getsitepackages(), site.getusersitepackages()]
    modules = (sys.modules.get(name) for name in ("agent_market", "freqtrade"))
    packages = [Path(str(module.__file__)).parent for module in modules if module is not None]
    return tuple(place.resolve() for place in (*map(Path, (*schemes, *extra)), *packages))


def _is_installed(file: Path) -> bool:
    """Whether a file belongs to Python, to an installed package or to Agent Market itself."""
    return any(file.is_relative_to(place) for place in _installed_places())


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(Path(agent_market.__file__).resolve().parent)


def _value(name: str, value: Any) -> bytes:
    """A plain value that features may read, or a parameter's; empty for anything else."""
    value = getattr(value, "value", value) if hasattr(type(value), "can_optimize") else value
    if inspect.isroutine(value) or not _is_plain(value):
        return b""
    return f"{name}={value!r};".encode()


def _from_params_file(strategy: type | object, reached: set[str]) -> bytes:
    """What hyperopt wrote beside the strategy for parameters that its features read."""
    written = getattr(strategy, "_ft_params_from_file", None) or {}
    found = [
        f"{space}.{name}={value!r};"
        for space, values in sorted(written.items())
        if isinstance(values, dict)
        for name, value in sorted(values.items())
        if name in reached
    ]
    return "".join(found).encode()


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
