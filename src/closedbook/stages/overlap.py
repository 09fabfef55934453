"""Which passages of a strategy hold a test question, of the documents that are taught together, or were written in answer to one.

Apart from tokens: what one document's questions are changes no other document's tokens.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from closedbook import params
from closedbook.generation.filters import question
from closedbook.llm import prompts
from closedbook.records import Passages
from closedbook.util import files


def job(*, params: SimpleNamespace, limits: params.Limits, **paths) -> None:
    build(question_words=params.filters.question_words, **paths)


def build(*, passages: list[Path], questions: list[Path], documents: list[Path], question_words: int, output: Path) -> None:
    """Write {"id", "detail"} of each passage that holds a question, and of each whose prompt does beside the document (its way of study, the
    question that is in view, or our own words), as lines; of these, the detail says "in": "prompt". `questions` and `documents` are files of
    the same documents."""
    rule = question.rule(question_words, questions, documents)
    files.write_json_lines(output, _found(passages, rule) if rule else [])


def _found(paths: list[Path], rule) -> Iterator[dict]:
    in_template = cache(lambda name: rule(prompts.template(name)) if prompts.digest(name) else None)
    for path in paths:
        for passage in Passages.read(path).passages:
            asked = "\n".join(filter(None, (passage.way, passage.question)))
            in_prompt = (asked and rule(asked)) or (passage.call and in_template(passage.call["prompt"]))
            if detail := rule(passage.text) or (in_prompt and {**in_prompt, "in": "prompt"}):
                yield {"id": passage.id, "detail": detail}
