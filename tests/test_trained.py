"""The base models that come with the project: made by the recipes of their parameter files, small, and of no book to be learned."""

import itertools
import shutil
from bisect import bisect_left
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from closedbook import params, presets
from closedbook.miniature import base as miniature
from closedbook.miniature import dialogues, drills, language, talk, teaching
from closedbook.miniature.books import Names, make_book
from closedbook.models import pinning
from closedbook.stages import base
from closedbook.util import files, seeds
from closedbook.util.errors import UserError
from closedbook.workflow import recipes, registry

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
SHIPPED = {name: presets.load(name, ROOT / "presets") for name in ("default", "miniature-reading")}
TO_TALK = params.Base(model="src/closedbook/miniature/trained-to-talk", revision=None, end_of_text=None)
SHIPPED["to talk"] = SHIPPED["default"].model_copy(update={"base": TO_TALK})
MADE_AS = {"to talk": "miniature-to-talk"}
"""base.model of the rule that makes it, where that is not miniature"""
LAST = {"lessons": range(11_000, 12_500), "steps": 300, "characters": 640 * 5}
"""more lessons than are replayed, or steps of a training and characters of a row"""
FOLDERS = [ROOT / settings.base.model for settings in SHIPPED.values()]


def receipt(folder) -> dict:
    return files.read_json(folder / pinning.RECEIPT)


def pinned(model, folder):
    settings = SimpleNamespace(base=params.Base(model=str(model), revision=None, end_of_text=None), training=SHIPPED["default"].training, letters=False, linear=[])
    base.build(params=settings, sources=[], folder=folder, place=folder, checkpoints=folder)
    return files.read_json(folder / "base.json")


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_what_its_receipt_says_and_another_byte_is_refused(tmp_path, folder):
    made = {Path(name).name: digest for name, digest in receipt(folder)["outputs"].items()}
    assert pinned(folder, tmp_path / "base")["sha256"]["model.safetensors"] == made["model.safetensors"]
    copy = shutil.copytree(folder, tmp_path / "copy")
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match="model.safetensors is not the file that .*receipt.json is of"):
        pinned(copy, tmp_path / "base")


@pytest.mark.parametrize("name", SHIPPED)
def test_its_parameter_file_would_make_it_anew_but_for_one_line(name):
    makes = params.Base(model=MADE_AS.get(name, "miniature"), revision=None, end_of_text=None)
    again, made = SHIPPED[name].model_copy(update={"base": makes}), receipt(ROOT / SHIPPED[name].base.model)
    then = made["recipe"]["params"] | {"base": made["recipe"]["params"]["base"] | {"end_of_text": None}}  # it was made before that parameter
    assert registry.planned(again, {"a": None})["base"]["params"] == then
    inputs = {path: files.sha256_file(ROOT / path) for path in recipes.base_files(again)}
    assert inputs == made["inputs"], "the world, or the base, is another since"


@pytest.mark.parametrize("folder", FOLDERS)
def test_it_is_small(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8e6
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.bfloat16}


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_it_replays_names_nothing_of_a_book_to_be_learned(folder):
    world, texts = language.load(), [row["text"] for row in files.read_json_lines(folder / base.REPLAY)]
    assert len(texts) == 1000
    teaching.check(world, lessons=texts, replayed=texts)
    strange = make_book(world, Names(world, "target"), 2, seeds.generator(1))
    with pytest.raises(RuntimeError, match="name what is in books to be learned"):
        teaching.check(world, lessons=texts, replayed=[*texts, strange.text])


def learnt(settings, seed) -> list[str]:
    """What a base's last lessons were, whether there was room for them or not."""
    world, made = language.load(), settings.miniature
    if settings.base == TO_TALK:
        own = dialogues.own_books()
        return [talk.lesson(own, seeds.derive(seed, "talk"), index).text for index in range(12_000)]
    readings = teaching.read_books(world, made.base_books, made.people, seed)
    if not made.reading:
        return [teaching.lesson(world, readings, made.narrative, seed, index).text for index in LAST["lessons"]]
    texts = []
    for step, index in itertools.product(range(made.base_steps - LAST["steps"], made.base_steps), range(miniature.READING["batch_size"])):
        shown, length = drills.row(world, readings, made, step / made.base_steps, seeds.derive(seed, "drills", step, index)), 0
        while length < LAST["characters"]:
            texts.append(next(shown).text)
            length += len(texts[-1])
    return texts


@pytest.mark.parametrize("name", SHIPPED)
def test_what_it_replays_is_what_its_rule_had_it_read(name):
    settings = SHIPPED[name]
    replayed = [row["text"] for row in files.read_json_lines(ROOT / settings.base.model / base.REPLAY)]

    def unread(seed) -> list[str]:
        known = sorted(learnt(settings, seed))
        return [text for text in replayed if not known[min(bisect_left(known, text), len(known) - 1)].startswith(text)]

    assert not unread(settings.seed)
    least = 600 if settings.base == TO_TALK else 990  # short dialogues about the same books recur
    assert len(unread(settings.seed + 1)) > least, "planted: lessons of another seed's base are seen"
