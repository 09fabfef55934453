"""The files of a source, and what it wants to find."""

import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from closedbook.sources import formats
from closedbook.util.errors import UserError

SUFFIXES = {"quality": (".train", ".dev", ".test", ".jsonl"), "folder": (".txt", ".md", *formats.CONVERTERS)}
WANTED = {
    "miniature": "the words of a world of fictional books",
    "quality": "rows of QuALITY, in files named .train, .dev or .jsonl",
    "folder": ".txt, .md, .html, .epub, .pdf or .docx files",
}
QUESTIONS, SUMMARIES = ("questions.jsonl", "questions.csv"), "summaries.jsonl"
"""what a folder of texts may hold about them"""
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""in a name: what a terminal would obey, and bytes that are not UTF-8"""

log = logging.getLogger(__name__)


def files(path: Path, source: str) -> list[Path]:
    """One file, whatever its name; or those of a folder, and of its folders too where the source is `folder`, by relative path.

    Hidden files are passed over. Others that are not of the source's kind are left out, and a warning names them, linked folders among
    them. Raises UserError that names each broken link, each link of a folder of texts that leads outside of it, and each file whose name is
    no text.
    """
    if path.is_file():
        return [path]
    within = {file.relative_to(path).as_posix(): file for file in _visible(path, deep=source == "folder")}
    wanted = {name: file for name, file in sorted(within.items()) if file.is_file() and file.suffix.lower() in SUFFIXES[source]}
    problems = [f"{path}/{shown(name)}: {problem}" for name, file in sorted(within.items())
                if (problem := _problem(path, file, source, wanted=name in wanted))]
    if problems:
        raise UserError("\n".join(problems))
    left_out = [shown(name) + (" (a linked folder)" if file.is_dir() else "") for name, file in sorted(within.items())
                if name not in wanted and name not in (*QUESTIONS, SUMMARIES)]
    if left_out:
        log.warning("%s: left out %d that are not %s: %s", path, len(left_out), WANTED[source], ", ".join(left_out))
    return list(wanted.values())


def shown(name: str) -> str:
    """A name as it may be printed."""
    return repr(name)[1:-1] if UNFIT.search(name) else name


def _visible(path: Path, deep: bool) -> Iterator[Path]:
    """What lies in a folder and is neither hidden nor a folder; links as they are."""
    folders = [path]
    while folders:
        for entry in os.scandir(folders.pop()):
            if entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)
            elif deep:
                folders.append(Path(entry.path))


def _problem(root: Path, file: Path, source: str, wanted: bool) -> str | None:
    if wanted and UNFIT.search(file.relative_to(root).as_posix()):
        return "its name is not UTF-8, or holds control characters: rename it"
    if not file.is_symlink():
        return None
    if not file.exists():
        return f"a link to {shown(os.readlink(file))}, which is not there: correct it or take it out"
    if source == "folder" and not file.resolve().is_relative_to(root.resolve()):
        return f"a link that leads outside of {root}, to {shown(str(file.resolve()))}: put a copy in its place, or take it out"
    return None
