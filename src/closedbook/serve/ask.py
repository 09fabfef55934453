"""closedbook ask: one question to the base and to a run, and the training passages nearest to the run's answer."""

import argparse
import asyncio
import itertools
import shutil
import textwrap

from closedbook.serve import conversation, support
from closedbook.serve.conversation import Asked
from closedbook.serve.speakers import BASE, Speakers
from closedbook.util import tables

NARROW = 72
"""columns of a terminal in which answers stand one below the other"""
GAP = 4


def answer(options: argparse.Namespace) -> dict:
    return asyncio.run(asked(options, Speakers([])))


async def asked(options: argparse.Namespace, asking: Speakers) -> dict:
    """Raises UserError for a run that is not here and for settings that are none."""
    run = asking.here(options.run)
    sent = {"turns": [{"role": "user", "content": options.question}], **settings(options)}
    answers = {name: await _said(asking, conversation.parsed({**sent, "model": name})) for name in dict.fromkeys((BASE, run.name))}
    found = {"question": options.question, "run": run.name, "answers": answers}
    if run.corpus is None:
        return {**found, "nearest": None}
    return {**found, "nearest": support.behind(answers[run.name]["text"], options.question, run.corpus)}


def settings(options: argparse.Namespace) -> dict:
    return {name: getattr(options, name) for name in ("system", "temperature", "max_tokens", "seed")}


async def _said(asking: Speakers, asked: Asked) -> dict:
    parts = [part async for part in asking.answer(asked)]
    notes = [note for part in parts for note in part.get("notes", [])]
    return {"text": "".join(part.get("text", "") for part in parts).strip(), "end": parts[-1]["end"], "notes": notes}


def lines(answer: dict) -> list[str]:
    width = shutil.get_terminal_size().columns
    said = {name: one["text"] + (" …" if one["end"] == "length" else "") for name, one in answer["answers"].items()}
    notes = dict.fromkeys(note for one in answer["answers"].values() for note in one["notes"])
    return [*_beside(said, width), "", *notes, *_nearest(answer, width)]


def _beside(said: dict[str, str], width: int) -> list[str]:
    if width < NARROW or len(said) == 1:
        return [line for name, text in said.items() for line in (name, *_wrapped(text, width - 2, "  "))]
    column = (width - GAP * (len(said) - 1)) // len(said)
    rows = itertools.zip_longest(*([name, "-" * len(name), *_wrapped(text, column)] for name, text in said.items()), fillvalue="")
    return [(" " * GAP).join(cell.ljust(column) for cell in row).rstrip() for row in rows]


def _nearest(answer: dict, width: int) -> list[str]:
    found = answer["nearest"]
    if found is None:
        return [f"{answer['run']} was not trained on passages that are here, so none can be near to what it says."]
    shown = [f"Nearest of the {found['passages']:,} passages of {found['corpus']}, sentence by sentence. Nearness is evidence, not proof."]
    for sentence in found["sentences"]:
        marked = "" if sentence["supported"] or sentence["wordless"] else "  [nothing near supports this]"
        shown += ["", *_wrapped(f"“{sentence['text']}”{marked}", width)]
        for passage in sentence["passages"]:
            shown += _wrapped(f"{passage['share']:.2f} {passage['id']}: {passage['sentence']}", width - 2, "  ")
            shown += _wrapped(f"in “{passage['title']}”: {passage['source']}", width - 7, "       ")
    return shown


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return [indent + line for line in textwrap.wrap(tables.text(text), max(20, width))] or [indent]
