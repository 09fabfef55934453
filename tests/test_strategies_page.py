"""docs/strategies.md: the strategy that it adds is added here as it says, and runs."""

import asyncio
import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from openai_server import Server
from ruamel.yaml import YAML

from closedbook import params
from closedbook.generation.strategies import STRATEGIES, mixture
from closedbook.llm import prompts
from closedbook.records import Document, EntityList, Passages
from closedbook.stages import passages
from closedbook.util.errors import UserError

PAGE = (Path(__file__).parent.parent / "docs" / "strategies.md").read_text(encoding="utf-8")
PARTS = {path: re.sub(r"^ {4}", "", text, flags=re.MULTILINE).strip() + "\n"
         for path, text in re.findall(r"^`([^`\n]+)`[^\n]*:\n\n((?: {4}.*\n|\n)+)", PAGE, re.MULTILINE)}
"""what the page says to write, by file"""
NAMED = 2
"""lines beside those: the field in PassageSettings, and the name in STRATEGIES"""


@pytest.fixture
def letters(tmp_path, monkeypatch):
    """The page's strategy, added; gives its settings."""
    shutil.copytree(prompts.FOLDER, tmp_path / "prompts")
    module = tmp_path / "letters.py"
    module.write_text(PARTS["src/closedbook/generation/strategies/letters.py"])
    (tmp_path / "prompts" / "letter.txt").write_text(PARTS["src/closedbook/llm/prompts/letter.txt"])
    monkeypatch.setattr(prompts, "FOLDER", tmp_path / "prompts")
    spec = importlib.util.spec_from_file_location("letters", module)
    monkeypatch.setitem(STRATEGIES, "letters", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(STRATEGIES["letters"])
    params.load()  # completes the classes, to one of which a field is added below
    known = vars(sys.modules["closedbook.params"]).copy()
    exec(PARTS["src/closedbook/params.py"], known)
    monkeypatch.setitem(known["PassageSettings"].__pydantic_fields__, "letters", None)
    return known["Letters"](**YAML(typ="safe", pure=True).load(PARTS["presets/default.yaml"])["letters"])


def test_it_takes_no_more_than_forty_lines():
    assert set(PARTS) == {"src/closedbook/generation/strategies/letters.py", "src/closedbook/llm/prompts/letter.txt", "src/closedbook/params.py", "presets/default.yaml"}
    assert sum(len(text.splitlines()) for text in PARTS.values()) + NAMED <= 40


def test_it_is_known_where_strategies_are_named_and_can_be_filled(letters):
    arm = params.Arm(strategy={"letters": 1, "raw": 1}, corpus_tokens="all", epochs=1)
    shipped = params.load()
    with pytest.raises(UserError, match=r"letters \(letter\) is more than miniature/author can write"):
        mixture.check(shipped.model_copy(update={"arms": {"post": arm}}))
    mixture.check(shipped.model_copy(update={"arms": {"post": arm}, "llm": shipped.llm.model_copy(update={"model": "openai/toy"})}))
    without = shipped.model_copy(update={"arms": {"post": arm}, "llm": shipped.llm.model_copy(update={"model": None}),
                                         "passages": SimpleNamespace(letters=letters)})
    with pytest.raises(UserError, match=r"arms\.post\.strategy: letters \(letter\) needs a language model"):
        mixture.check(without)


def test_a_model_writes_its_passages(letters, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    Document(id="varn-1", title="Varn", author=None, year=None, text="Mira Oldan lives in Varn.").write(tmp_path / "document.json")
    EntityList(document="varn-1", summary="s", entities=["Mira Oldan", "Varn"], made_by="llm", why=None, maker="m", call=None).write(tmp_path / "list.json")
    with Server() as server:
        llm = params.load().llm.model_copy(update={"model": "openai/toy", "api_base": server.url})
        settings = SimpleNamespace(seed=1, strategy="letters", llm=llm, passages=SimpleNamespace(attempts=1, letters=letters))
        asyncio.run(passages.job(document=tmp_path / "document.json", entities=[tmp_path / "list.json"], output=tmp_path / "out.json",
                                 params=settings, limits=params.load().limits))
    made = Passages.read(tmp_path / "out.json")
    assert [(one.kind, one.entities, one.strategy) for one in made.passages] == [("letter", [name], "letters") for name in ("Mira Oldan", "Varn")]
    assert "Mira Oldan is told letter" in made.passages[0].text


def test_the_page_knows_every_strategy():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (yes|no) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    assert [name for name, *_ in rows] == list(STRATEGIES)
    assert {name: needs == "yes" for name, needs, _ in rows} == {name: module.NEEDS_ENTITIES for name, module in STRATEGIES.items()}
    settings = params.load().passages
    fields = {key for name in STRATEGIES if name != "raw" for key in type(getattr(settings, name)).model_fields}
    assert all(f"`{key}`" in PAGE for key in fields)
    always = {name for name, module in STRATEGIES.items() if module.PROMPTS and set(module.needs_model(settings)) == set(module.PROMPTS)}
    assert always == {name for name, _, without in rows if without.strip() == "needs a model"}
