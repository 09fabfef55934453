"""The questions one by one: what base and arms answered, and which of the passages that were learnt hold the answer."""

import re
from collections import defaultdict
from pathlib import Path

from closedbook.analysis.compare import answers
from closedbook.records import Passages
from closedbook.sources.rows import LETTERS
from closedbook.util import files, seeds

MOST = 200
"""questions on the page: of three arms some 125 KB"""


def listed(found: list[dict], questions: list[Path], corpora: list[Path], passages: list[Path], task: str, seed: int) -> dict:
    """{"arms", "questions", "left_out"}: of at most MOST questions, which `seed` chooses, the answers of each arm under a task and the learnt
    passages with the words of the right option.

    `found`: scores, each with the path of its "samples". A question: its fields, and "answers", {arm: {"letters", "right", "of"}} of those that
    were asked it, seed by seed; "holding", {strategy: [ids]}.
    """
    arms = [*dict.fromkeys(score["arm"] for score in found if task in score["tasks"])]
    given = {arm: _given(answered) for arm, answered in zip(arms, answers.read(found, arms, task))}
    asked = {row["id"]: row for path in questions for row in files.read_json(path) if any(row["id"] in of_arm for of_arm in given.values())}
    chosen = set(sorted(asked, key=lambda name: seeds.derive(seed, "asked", name))[:MOST])
    shown = [row for name, row in asked.items() if name in chosen]
    holding = _holding(shown, corpora, passages)
    return {"arms": arms, "left_out": len(asked) - len(shown), "questions": [
        {**row, "answers": {arm: of_arm[row["id"]] for arm, of_arm in given.items() if row["id"] in of_arm}, "holding": holding.get(row["id"], {})}
        for row in shown]}


def _given(answered: answers.Answers) -> dict[str, dict]:
    found = defaultdict(lambda: {"letters": [], "right": 0, "of": 0})
    for rows in answered.by_seed.values():
        for row in rows:
            of_it = found[row["id"]]
            of_it["letters"].append("–" if row["chosen"] is None else LETTERS[row["chosen"]])
            of_it["right"] += row["correct"]
            of_it["of"] += 1
    return dict(found)


def _holding(asked: list[dict], corpora: list[Path], passages: list[Path]) -> dict[str, dict[str, list[str]]]:
    """{question: {strategy: [ids of the learnt passages about its document that hold the right option, word for word]}}"""
    learnt = {row["id"] for corpus in corpora for row in files.read_json_lines(Path(corpus) / "passages.jsonl")}
    wanted = defaultdict(list)
    for row in asked:
        answer = _plain(row["options"][row["gold"]]).strip(".,;:!?")
        wanted[row["document"]].append((row["id"], answer, re.compile(rf"(?<!\w){re.escape(answer)}(?!\w)")))
    found = defaultdict(lambda: defaultdict(list))
    for path in passages:
        for passage in Passages.read(path).passages if path.stem in wanted else ():
            text = _plain(passage.text) if passage.id in learnt else ""
            for name, answer, words in wanted[path.stem]:
                if answer in text and words.search(text):  # the first is quick, and mostly enough
                    found[name][passage.strategy].append(passage.id)
    return found


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
