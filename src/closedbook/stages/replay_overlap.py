"""Which replay texts hold a test question, of the documents that are taught together: no run of these reads them.

Apart from replay's tokens: another document, or another question, is no reason to tokenise them again.
"""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from closedbook import params
from closedbook.generation.filters import question
from closedbook.sources.replay import Replay, without_text
from closedbook.util import files


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(question_words=params.filters.question_words, seed=params.seed, held_out=params.held_out, is_read=params.is_read, **paths)


def build(
    *, replay: Path, questions: list[Path], documents: list[Path], question_words: int, seed: int, held_out: int, is_read: bool, output: Path
) -> None:
    """Write {"row", "id", "detail"} of each text of `replay` that holds a question, as lines; "row" is its place in seeded order. `questions`
    and `documents` are files of the same documents.

    Raises UserError where nothing is left to replay.
    """
    source = Replay(replay, seed, held_out)
    rule = question.rule(question_words, questions, documents)
    found = list(_found(source, rule)) if rule and is_read else []
    if found and len(found) == sum(1 for _ in source.rows()):
        raise without_text(source.path)
    files.write_json_lines(output, found)


def _found(source: Replay, rule) -> Iterator[dict]:
    for place, (row, text) in enumerate(source.rows()):
        detail = rule(text)
        if detail:
            yield {"row": place, **row, "detail": detail}
