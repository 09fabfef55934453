"""closedbook chat: a conversation in the terminal. Ctrl-C stops an answer, /quit or Ctrl-D the conversation."""

import argparse
import asyncio
import sys

from closedbook.serve import conversation, speakers
from closedbook.serve.ask import settings
from closedbook.serve.serving import made
from closedbook.serve.speakers import Speakers
from closedbook.util import terminal

PROMPT = "> "
QUIT, NEW = "/quit", "/new"


def converse(options: argparse.Namespace) -> None:
    """Raises UserError for a model that is not here and for settings that are none."""
    asking = made([], options)
    name = options.name or speakers.taught(speakers.found())
    if not name.startswith("server:"):
        name = asking.here(name).name
    terminal.show(f"{name}: {NEW} begins again, Ctrl-C stops an answer, {QUIT} or Ctrl-D ends")
    with asyncio.Runner() as runner:
        _turns(runner, asking, {"model": name, **settings(options)})


def _turns(runner: asyncio.Runner, asking: Speakers, about: dict) -> None:
    turns, noted = [], set()
    while (question := _question()) != QUIT:
        if question in ("", NEW):
            turns = [] if question == NEW else turns
            continue
        asked = conversation.parsed({**about, "turns": [*turns, {"role": "user", "content": question}]})
        said: list[str] = []
        try:
            runner.run(_show(asking, asked, said, noted))
        except KeyboardInterrupt:
            said.append(" …")
            terminal.show(" …")
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": "".join(said)}]


def _question() -> str:
    """What is typed; Ctrl-C at the prompt gives it up, and the end of the input ends the conversation."""
    try:
        return input(PROMPT if sys.stdin.isatty() else "").strip()
    except KeyboardInterrupt:
        terminal.show("")
        return ""
    except EOFError:
        return QUIT


async def _show(asking: Speakers, asked: conversation.Asked, said: list[str], noted: set[str]) -> None:
    """Print an answer as it comes, into `said` too; a note is printed once in a conversation."""
    async for part in asking.answer(asked):
        for note in part.get("notes", []):
            if note not in noted:
                terminal.note(note)
                noted.add(note)
        if text := part.get("text", ""):
            said.append(text if said else text.lstrip())
            terminal.write(said[-1])
    terminal.show(" …" if part["end"] == "length" else "")
