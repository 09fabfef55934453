"""The identity of code: what it does, whatever its comments, docstrings and layout say."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from closedbook import files

PACKAGE = Path(__file__).parent.parent
NEUTRAL = frozenset({"closedbook.errors", "closedbook.terminal", "closedbook.params", "closedbook.tracking", "closedbook.freshness.code",
                     "closedbook.miniature.provider", "closedbook.together", "closedbook.llm.account", "closedbook.llm.slots",
                     "closedbook.llm.stopping"})  # fmt: skip
"""modules that can't change a result: how errors are said, and what is printed; how parameters are read, whose values are in the recipes;
how runs are logged; how code is identified; the way to the miniature's author, whose version is in the recipes of those who ask him; and
what decides when a request leaves, or that none does"""
WRITER = frozenset({"closedbook.without_model.writer"})
"""of the step passages; a model that writes has no use for it"""
PARSED = Path(".closedbook/code.json")
"""what the modules parse to; parsing them takes longer than the work of most jobs"""
BELIEVED = ContextVar("BELIEVED", default=True)
"""whether PARSED is asked at all"""


def of_step(step: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> str:
    """The digest of a step's module, and of how the command line calls it; `package` is the folder where the code lies."""
    return files.sha256_text(files.canonical([digest(f"closedbook.{step}", without, package), _wirings(package)[step]]))


def steps(package: Path) -> list[str]:
    """The steps that the code of a package has; none where its command line has another form. Raises SyntaxError for broken code."""
    return list(_wirings(package))


@cache
def _wirings(package: Path) -> dict[str, list]:
    """The function in steps.py that calls a step, by the step's name: `_runs` calls runs."""
    path = package / "steps.py"
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
    functions = {node.name[1:]: node for node in body if isinstance(node, ast.FunctionDef)}
    return {name: _normal(ast.Module([node], [])) for name, node in functions.items() if _module_path(f"closedbook.{name}", package)}


@cache
def digest(module: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> str:
    """SHA-256 of the syntax trees of a module and of all modules of its package that it reaches by imports, `without` some."""
    return files.sha256_text(files.canonical(reached(module, without, package)))


def reached(module: str, without: frozenset[str] = frozenset(), package: Path = PACKAGE) -> dict[str, str]:
    """The digest of each module that counts for `module`, by name."""
    found, waiting = {}, [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in NEUTRAL | without:
            found[name], imports = _parsed(_module_path(name, package).read_text(encoding="utf-8"))
            waiting += [name for name in imports if _module_path(name, package)]
    return found


@cache
def _parsed(text: str) -> tuple[str, list[str]]:
    """The digest of one module alone, and the names in this package that it imports: modules, or what is in them."""
    if known := _remembered().get(files.sha256_text(text)):
        return known["digest"], known["imports"]
    tree = ast.parse(text)
    return files.sha256_text(files.canonical(_normal(tree))), _imports(tree)


@cache
def _remembered() -> dict[str, dict]:
    """What remember() kept, by the SHA-256 of a module's text; nothing where this module, which decides what a digest is, was another."""
    kept = files.read_json(PARSED) if BELIEVED.get() and PARSED.is_file() else {}
    return kept["modules"] if kept.get("by") == _self() else {}


def remember() -> None:
    """Keep what the modules of all steps parse to, for the jobs of this folder."""
    names = {name for step in steps(PACKAGE) for name in reached(f"closedbook.{step}")}
    texts = [_module_path(name, PACKAGE).read_text(encoding="utf-8") for name in sorted(names)]
    modules = {files.sha256_text(text): dict(zip(("digest", "imports"), _parsed(text))) for text in texts}
    if modules != _remembered():
        files.write_json(PARSED, {"by": _self(), "modules": modules})


@contextmanager
def parsed_anew() -> Iterator[None]:
    """Within it the code itself is asked: whoever can write to PARSED could make changed code look unchanged to an audit."""
    token = BELIEVED.set(False)
    _forget()
    try:
        yield
    finally:
        BELIEVED.reset(token)
        _forget()


def _forget() -> None:
    for known in (digest, _parsed, _remembered):
        known.cache_clear()


def _self() -> str:
    return files.sha256_file(Path(__file__))


@cache
def _module_path(name: str, package: Path) -> Path | None:
    place = package.joinpath(*name.split(".")[1:])
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def _imports(tree: ast.Module) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "closedbook":
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.split(".")[0] == "closedbook"]
    return [name for name in names if name != "closedbook"]


def _normal(node):
    """A syntax tree as plain lists, without docstrings, positions and empty fields (which differ between Python versions)."""
    if isinstance(node, list):
        return [_normal(item) for item in node if not _is_docstring(item)]
    if isinstance(node, ast.AST):
        fields = [[name, _normal(value)] for name, value in ast.iter_fields(node) if value not in (None, []) and name != "type_comment"]
        return [type(node).__name__, *fields]
    return repr(node)


def _is_docstring(node) -> bool:
    """A text that stands alone as a statement: at the head of a body or under a field, it does nothing."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
