"""What all areas share: a plan and forecast in an empty folder, and a function run as a command."""

import contextlib
import copy
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

from ruamel.yaml import YAML

from closedbook import cli
from closedbook.spending import calls

ROOT = Path(__file__).parents[2]
SECRET = "canary0123456789"
SHIPPED = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
OFFLINE = {"model": "openai/toy", "api_base": "http://127.0.0.1:9/v1"}
calls.over = map  # in this process, so that what goes wrong is seen here


def as_command(function: Callable) -> None:
    """Run a function as the command line runs a command: a user's error is printed, anything else goes on."""
    options = SimpleNamespace(command=lambda _: function())
    parser, cli._parser = cli._parser, lambda: SimpleNamespace(parse_args=lambda _: options)
    try:
        cli.main([])
    finally:
        cli._parser = parser


def forecast(sections: dict | None = None) -> None:
    """Forecast, which plans as every command does; by params.yaml as it is, where no sections are given."""
    for name in ("src", "evals"):
        Path(name).symlink_to(ROOT / name)
    if sections is not None:
        with open("params.yaml", "w", encoding="utf-8") as handle:
            YAML(typ="safe", pure=True).dump(sections, handle)
    cli.main(["forecast"])


def sections() -> dict:
    """The shipped parameters over the documents in the folder texts."""
    found = copy.deepcopy(SHIPPED)
    found["documents"] |= {"source": "folder", "path": "texts", "limit": None}
    return found


def warm(*asks: Callable) -> None:
    """Load what takes seconds to load, in a folder where all is well, and ask so."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.chdir(folder):
        Path("texts").mkdir()
        Path("texts/warm.md").write_text("Mira counted the ships.")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            forecast(sections() | {"llm": SHIPPED["llm"] | OFFLINE})
            for ask in asks:
                ask()
