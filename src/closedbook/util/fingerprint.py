"""The identity of code: what a stage does, whatever its comments, docstrings, layout, and the names and places of its modules say.

Counted is each definition (function, class, assignment at the top of a module) that a stage reaches by name from where it starts, and
what the modules of these do when they are imported. So a moved module or a new function that nothing of a stage calls changes nothing;
a changed helper, however far away, does. Where a module itself is passed on, or asked for what its text does not define, all of it counts.
"""

import ast
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from closedbook import layout
from closedbook.util import files
from closedbook.util.errors import UserError

PACKAGE = Path(__file__).parent.parent
ROOT = "closedbook"
NEUTRAL = frozenset({"closedbook.util.errors", "closedbook.util.terminal", "closedbook.params", "closedbook.training.tracking", "closedbook.util.fingerprint",
                     "closedbook.util.together", "closedbook.llm.account", "closedbook.llm.flight", "closedbook.training.room"})  # fmt: skip
"""modules that can't change a result: how errors are said, and what is printed; how parameters are read, whose values are in the recipes;
how runs are logged; how code is identified; what decides when a request leaves, or that none does; and what estimates whether a
training has room"""
EXTRACTIVE = frozenset({"closedbook.generation.extractive.generator"})
"""of the stage passages; a model that writes has no use for it"""
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
SCOPES = (*FUNCTIONS, ast.ClassDef, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""what has names of its own"""
MEMORY, REMEMBERED = layout.WORK / "code", 1000
"""where modules stay as they were parsed, by the hash of their text, for to parse them takes longer than most commands; so many, and those in use"""
BODY = ""
"""the name of what a module does when it is imported, beside defining things"""


class Place(NamedTuple):
    """A definition: its module, and its name there."""

    module: str
    name: str


def of_stage(module: str, files_of: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> str:
    """What a stage runs, `job` of its module, and the definition ("closedbook.workflow.registry:_runs") of which files it is given."""
    return files.sha256_text(digest(f"{module}:job", without, package) + digest(files_of, package=package))


@cache
def digest(start: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> str:
    """SHA-256 of all that counts for the definition `start` ("closedbook.stages.runs:job"), but for what lies in the modules `without`.

    Equal for two states of the code exactly where each definition reached is equal and reaches equal ones: names of modules, which differ
    after a move, do not enter.
    """
    found = reached(start, without, package)
    shapes = {place: known["shape"] for place, (known, _) in found.items()}
    hashes, kinds = shapes, 0
    while kinds < (kinds := len(set(hashes.values()))):  # until no further round tells more of them apart
        hashes = {place: files.sha256_text("".join([shapes[place], *(",".join(hashes[one] for one in several) + ";" for several in targets)]))
                  for place, (_, targets) in found.items()}
    _memory().save()
    return files.sha256_text("".join([hashes[_place(start)], *sorted(hashes.values())]))


def parse_anew() -> None:
    """Believe no memory in this process, as an audit must: whoever can write to it could make other code look unchanged."""
    _memory().known.clear()
    for one in (_parsed, digest):
        one.cache_clear()


def reached(start: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> dict[Place, tuple[dict, list[list[Place]]]]:
    """Each definition that counts, as it was parsed, and the definitions that each of its references may mean."""
    found, waiting = {}, [_place(start)]
    while waiting:
        place = waiting.pop()
        if place not in found:
            known = _parsed(_text(place.module, package))["definitions"][place.name]
            targets = [_meant(reference, place.module, without, package) for reference in known["references"]]
            found[place] = known, [*targets, *([] if place.name == BODY else _ambient(place.module, package))]
            waiting += chain.from_iterable(found[place][1])
    return found


def modules(start: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> set[str]:
    """The modules of which something counts."""
    return {place.module for place in reached(start, without, package) if place.name != BODY}


def _place(start: str) -> Place:
    module, _, name = start.partition(":")
    return Place(module, name)


def _ambient(module: str, package: Path) -> list[list[Place]]:
    """What a module does when it is imported, and what the packages around it do, where they do anything."""
    parts = module.split(".")
    around = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    return [[Place(name, BODY)] for name in around if _module_path(name, package) and BODY in _parsed(_text(name, package))["definitions"]]


def _meant(reference: list, module: str, without: frozenset[str], package: Path) -> list[Place]:
    """What a reference may mean: [name] in the module itself, or [module, name or None, attribute or None] of an import.

    Nothing where that is neutral or left out; all of a module where it is the module that is meant.
    """
    if len(reference) == 1:
        return _defined(module, reference[0], without, package)
    target, name, attribute = reference
    if name is None:
        return _all_of(target, without, package)
    if _module_path(f"{target}.{name}", package):
        inner = f"{target}.{name}"
        return _all_of(inner, without, package) if attribute is None else _defined(inner, attribute, without, package)
    return _defined(target, name, without, package)


def _defined(module: str, name: str, without: frozenset[str], package: Path) -> list[Place]:
    if module in NEUTRAL | without:
        return []
    parsed = _parsed(_text(module, package))
    if name in parsed["definitions"]:
        return [Place(module, name)]
    if name in parsed["imports"]:  # handed on, as packages do
        return _meant([*parsed["imports"][name], None], module, without, package) if parsed["imports"][name] else []
    if _module_path(f"{module}.{name}", package):
        return _all_of(f"{module}.{name}", without, package)
    return _all_of(module, without, package)


def _all_of(module: str, without: frozenset[str], package: Path) -> list[Place]:
    if module in NEUTRAL | without:
        return []
    return [Place(module, name) for name in sorted(_parsed(_text(module, package))["definitions"])]


class _Memory:
    """Modules as they were parsed in this folder by this way of parsing; where there is no project, of this process alone."""

    def __init__(self):
        way = files.sha256_text(files.sha256_file(Path(__file__)) + sys.version)
        self._path, self._used, self.known = MEMORY / f"parsed-{way[:12]}.json", set(), {}
        with suppress(OSError, UserError):  # a memory that is broken is made anew
            found = files.read_json(self._path)
            self.known = found if isinstance(found, dict) else {}
        self._saved = len(self.known)

    def parsed(self, text: str) -> dict:
        name = files.sha256_text(text)
        self._used.add(name)
        if name not in self.known:
            self.known[name] = _parse(text)
        return self.known[name]

    def save(self) -> None:
        if len(self.known) > self._saved and layout.WORK.is_dir():
            kept = self.known if len(self.known) <= REMEMBERED else {name: self.known[name] for name in self._used}
            files.write_json(self._path, kept)
            self._saved = len(self.known)


@cache
def _memory() -> _Memory:
    return _Memory()


@cache
def _parsed(text: str) -> dict:
    return _memory().parsed(text)


def _parse(text: str) -> dict:
    """A module: {"imports": {name: [module, name there] or None for what is not of this package},
    "definitions": {name: {"shape": digest, "references": […]}}}."""
    body = ast.parse(text).body
    imports = _imports(statement for statement in body if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)))
    statements: dict[str, list] = {}
    for statement in body:
        if not isinstance(statement, (ast.Import, ast.ImportFrom)) and not _is_docstring(statement):
            for name in _names(statement) or [BODY]:
                statements.setdefault(name, []).append(statement)
    return {"imports": {name: list(meant) if meant[0].split(".")[0] == ROOT else None for name, meant in imports.items()},
            "definitions": {name: _Shape(several, imports, statements.keys()).told for name, several in statements.items()}}


def _names(statement: ast.stmt) -> list[str]:
    """What a statement at the top of a module defines, where that is all it does."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [statement.name]
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [node for target in targets for node in (target.elts if isinstance(target, (ast.Tuple, ast.List)) else [target])]
        if all(isinstance(node, ast.Name) for node in names):
            return [node.id for node in names]
    return []


def _imports(statements: Iterable[ast.AST]) -> dict[str, tuple[str, str | None]]:
    """{name: (module, name there, or None where the name is the module's)} of all imports within some statements."""
    found = {}
    for node in chain.from_iterable(map(ast.walk, statements)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: (node.module or "", alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name.partition(".")[0]: (alias.name, None) for alias in node.names}
    return found


class _Shape:
    """What some statements say, without docstrings, positions, empty fields (which differ between Python versions) and the names that
    modules have; and, in order, what they refer to."""

    def __init__(self, statements: list[ast.stmt], imports: dict, defined: Iterable[str]):
        self._imports, self._defined = imports | _imports(statements), frozenset(defined)
        self._references: list[list] = []
        shape = files.sha256_text(json.dumps(self._normal(statements, frozenset()), separators=(",", ":"), ensure_ascii=False))
        self.told = {"shape": shape, "references": self._references}

    def _normal(self, node, local: frozenset[str]):
        """`local`: the names that mean variables of a function here, whatever the module calls so."""
        if isinstance(node, list):
            return [self._normal(item, local) for item in node if not _is_docstring(item) and not isinstance(item, (ast.Import, ast.ImportFrom))]
        if isinstance(node, ast.Attribute) and self._is_read(node.value, local) and node.value.id in self._imports:
            return self._imported(node.value.id, node.attr)
        if self._is_read(node, local) and node.id in self._imports:
            return self._imported(node.id, None)
        if self._is_read(node, local) and node.id in self._defined:
            self._references.append([node.id])
        if isinstance(node, ast.AST):
            inside = _local(node, local) - self._imports.keys() if isinstance(node, FUNCTIONS) else local
            fields = [[name, self._normal(value, inside if name == "body" else local)] for name, value in ast.iter_fields(node)
                      if value not in (None, []) and name != "type_comment"]
            return [type(node).__name__, *fields]
        return repr(node)

    @staticmethod
    def _is_read(node: ast.AST, local: frozenset[str]) -> bool:
        """Whether it is a name that is read: one that a class or a function binds is its own."""
        return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in local

    def _imported(self, name: str, attribute: str | None) -> list:
        """What stands for an imported name: where it comes from, for another library; in this package the reference says that."""
        module, original = self._imports[name]
        if module.split(".")[0] != ROOT:
            return ["imported", module, original, attribute]
        self._references.append([module, original, attribute])
        return ["reference", attribute]


def _local(function: ast.AST, around: frozenset[str]) -> frozenset[str]:
    """The names that are local to a function, which stands where those `around` are: its arguments, and what it binds itself, not in a scope
    within it."""
    found = {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}
    waiting, given_away = list(function.body) if isinstance(function.body, list) else [function.body], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            given_away |= set(node.names)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        if not isinstance(node, SCOPES):
            waiting += ast.iter_child_nodes(node)
    return (around - given_away) | (found - given_away)


def _is_docstring(node) -> bool:
    """A text that stands alone as a statement: at the head of a body or under a field, it does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@cache
def _text(module: str, package: Path) -> str:
    return _module_path(module, package).read_text(encoding="utf-8")


@cache
def _module_path(name: str, package: Path) -> Path | None:
    parts = name.split(".")
    if parts[0] != ROOT:
        return None
    place = package.joinpath(*parts[1:])
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)
