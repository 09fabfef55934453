"""The files of a source, and what it wants to find."""

import logging
import re
from pathlib import Path

from closedbook.sources import formats

SUFFIXES = {"quality": (".train", ".dev", ".test", ".jsonl"), "folder": (".txt", ".md", *formats.CONVERTERS)}
WANTED = {
    "miniature": "the words of a world of fictional books",
    "quality": "rows of QuALITY, in files named .train, .dev or .jsonl",
    "folder": ".txt, .md, .html, .epub, .pdf or .docx files",
}
QUESTIONS = "questions.jsonl"

log = logging.getLogger(__name__)


def files(path: Path, source: str) -> list[Path]:
    """One file, whatever its name; or those of a folder, and of its folders too where the source is `folder`, by relative path.

    Hidden files are passed over. Others that are not of the source's kind are left out, and a warning names them.
    """
    if path.is_file():
        return [path]
    within = {file.relative_to(path).as_posix(): file for file in (path.rglob("*") if source == "folder" else path.glob("*"))}
    visible = [name for name in sorted(within) if within[name].is_file() and not re.search(r"(^|/)\.", name)]
    wanted = [name for name in visible if within[name].suffix.lower() in SUFFIXES[source]]
    left_out = [name for name in visible if name not in (*wanted, QUESTIONS)]
    if left_out:
        log.warning("%s: left out %d that are not %s: %s", path, len(left_out), WANTED[source], ", ".join(left_out))
    return [within[name] for name in wanted]
