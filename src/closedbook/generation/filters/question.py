"""Questions: a passage that holds a test question would turn the score into a memory of the test (n-gram overlap, as in Brown et al. 2020)."""

from collections import defaultdict
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from closedbook.records import Document
from closedbook.util import files, shingles, units

MARK = " QUESTIONMARK "
"""counts as a word: "Who founded Varn?" is a question, "the man who founded Varn" is none"""
SHORTEST = 5
"""words, the mark among them: "Why is that?" stands in innocent texts too"""


def rule(size: int, questions: list[Path], documents: list[Path]):
    """Looks for `size` words in a row of a question or of its options, whatever their case and punctuation; a shorter question counts whole.

    What the question's document says itself does not count, for questions quote their documents, unless it is the whole question with its
    mark. `questions` and `documents` are files of the same documents. None where there is no question.
    """
    wanted = sorted(_wanted(size, questions, documents).items())
    if not wanted:
        return None

    def look(text: str) -> dict | None:
        codes = _codes(text)
        for length, holders in wanted:
            held = next((run for run in shingles.runs(codes, length).tolist() if run in holders), None)
            if held is not None:
                return {"question": holders[held], "words": length}
        return None

    return look


def _wanted(size: int, questions: list[Path], documents: list[Path]) -> dict[int, dict[int, str]]:
    """{words: {the number of a run of so many words: the id of the first question that holds it}}"""
    found = defaultdict(dict)
    for asked, document in zip(questions, documents, strict=True):
        said = _Said(Document.read(document))
        for row in files.read_json(asked):
            for text in _texts(row):
                codes = _codes(text)
                length = min(size, len(codes))
                for run in _runs(codes, length, bool(units.QUESTION_MARK.search(text)), said) if length >= SHORTEST else ():
                    found[length].setdefault(run, row["id"])
    return found


def _runs(codes: np.ndarray, length: int, is_question: bool, said: "_Said") -> list[int]:
    """The numbers of those runs of words that give a text away."""
    runs = shingles.runs(codes, length).tolist()
    if is_question and said.holds(codes):
        return runs
    return [run for run in runs if run not in said.runs(length)]


class _Said:
    """What a document says, title and author included."""

    def __init__(self, document: Document):
        self._codes = _codes(f"{document.byline}\n\n{document.text}")
        self._bytes = self._codes.tobytes()
        self._runs: dict[int, set[int]] = {}

    def holds(self, codes: np.ndarray) -> bool:
        return codes.tobytes() in self._bytes

    def runs(self, length: int) -> set[int]:
        if length not in self._runs:
            self._runs[length] = set(shingles.runs(self._codes, length).tolist())
        return self._runs[length]


def _codes(text: str) -> np.ndarray:
    return shingles.codes(units.QUESTION_MARK.sub(MARK, text))


def _texts(row: dict) -> tuple[str, ...]:
    """The question, and its options as tests print them: lettered, and one after the other where that is no handful of words."""
    options = row["options"]
    return row["question"], " ".join(f"{letter} {option}" for letter, option in zip(ascii_uppercase, options)), " ".join(options)
