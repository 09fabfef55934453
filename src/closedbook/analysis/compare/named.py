"""Two arms by their names, and the questions that flipped between them in words."""

from pathlib import Path

from closedbook import layout
from closedbook.analysis import table
from closedbook.analysis.compare import answers, overview, paired
from closedbook.util import files
from closedbook.util.errors import UserError


def compare(a: str, b: str, *, task: str | None, split: str, tasks: list[str], scores: list[Path], questions=layout.QUESTIONS) -> dict:
    """paired.compare of two arms that have some of `scores`, with the text of each question that flipped and of what both answered, and
    where one of the two is the base, the other's 2×2 tables as "shares".

    Raises UserError for an arm without a score, a task that not both have, a split without questions, and scores that do not compare.
    """
    if a == b:
        raise UserError(f"{a} and {b}: give two different arms to compare")
    found = table.scored(scores)
    if not found:
        raise UserError(f"{layout.SCORES}: no scores yet: run make reproduce, or snakemake --cores all")
    task = task or _common_task(found, a, b, tasks)
    sides = answers.read(found, [a, b], task)
    if split != "all":
        sides = [side.of_split(split) for side in sides]
    result = {**paired.compare(*sides), "split": split}
    flips = [flip for pair in result["seeds"] for kind in ("won", "lost") for flip in pair[kind]]
    documents = {row["id"]: row["document"] for rows in sides[0].by_seed.values() for row in rows}
    asked = _asked(questions, {documents[flip["id"]] for flip in flips})
    for flip in flips:
        flip |= _in_words(flip, asked)
    arms = {a, b} - {"base"}
    return result | {"shares": overview.shares(found, *arms) if len(arms) == 1 and split == "all" else []}


def _common_task(found: list[dict], a: str, b: str, tasks: list[str]) -> str:
    of_a, of_b = answers.tasks_of(found, a), answers.tasks_of(found, b)
    common = [task for task in dict.fromkeys([*tasks, *of_a]) if task in of_a and task in of_b]
    if not common:
        under = [f"{arm} under {', '.join(tasks_of) or 'none'}" for arm, tasks_of in ((a, of_a), (b, of_b))]
        raise UserError(f"{a} and {b} were scored under no common task: {'; '.join(under)}")
    return common[0]


def _asked(questions: Path, documents: set[str]) -> dict[str, dict]:
    """The questions about some documents, by id."""
    paths = [path for document in sorted(documents) if (path := questions / f"{document}.json").is_file()]
    return {row["id"]: row for path in paths for row in files.read_json(path)}


def _in_words(flip: dict, asked: dict[str, dict]) -> dict:
    """What a flipped question and the two answers to it say; None for no valid answer."""
    if flip["id"] not in asked:
        raise UserError(f"{layout.QUESTIONS} no longer holds the question {flip['id']} that was scored: score again (snakemake --cores all)")
    question = asked[flip["id"]]
    chosen = {f"answer_{side}": flip[f"chosen_{side}"] for side in "ab"}
    return {"question": question["question"], **{name: None if one is None else question["options"][one] for name, one in chosen.items()}}
