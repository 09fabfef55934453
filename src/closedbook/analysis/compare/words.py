"""Two arms by their names, with the questions that flipped between them in words; and a comparison as lines for a person."""

from pathlib import Path

from closedbook import layout
from closedbook.analysis import table
from closedbook.analysis.compare import answers, overview, paired, resampling
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.util.tables import aligned

SHOWN = 10
"""flipped questions of one kind that are listed"""


def lines(found: dict) -> list[str]:
    """The comparison for a person."""
    a, b = found["a"], found["b"]
    about = f"{found['n']:,} questions about {found['n_documents']:,} documents"
    shown = [f"{found['task']} ({found['metric']}), {about}{'' if found['split'] == 'all' else ' of the ' + found['split'] + ' split'}", ""]
    accuracies = [(arm, f"{found[f'accuracy_{side}']:.3f}") for arm, side in ((a, "a"), (b, "b"))]
    *arms, difference = aligned([*accuracies, ("difference", f"{found['difference']:+.3f}")])
    shown += [*arms, difference + _error(found), *_seeds(found), ""]
    for pair in found["seeds"]:
        of = "" if pair["seed_a"] is pair["seed_b"] is None else f"  seed {pair['seed_b'] if pair['seed_a'] is None else pair['seed_a']}: "
        shown += [f"{of}questions that {b} won: {len(pair['won'])}, and lost: {len(pair['lost'])}; {_p_in_words(pair)}"]
        for kind, summary in (("won", f"right with {b}, wrong with {a}"), ("lost", f"right with {a}, wrong with {b}")):
            shown += _flips(pair[kind], summary, a, b)
    return shown + [line for table in found["shares"] for line in ("", *_share(table))]


def _error(found: dict) -> str:
    if found["interval"] is None:
        return "  (one document: no interval)"
    low, high = found["interval"]
    return f" ± {found['stderr']:.3f} over {found['over']}  95% interval {low:+.3f} to {high:+.3f}"


def p_of(pair: dict) -> str:
    """The p of a pair of runs, or none."""
    return "none" if pair["p"] is None else f"{pair['p']:.2g}"


def _p_in_words(pair: dict) -> str:
    if pair["p"] is None:
        return f"no p: they differ on {pair['n_differing']} documents, and with fewer than {resampling.LEAST} no p can be 0.05 or less"
    return f"sign-flip p by document = {p_of(pair)}"


def _seeds(found: dict) -> list[str]:
    alone = {arm: ", ".join(map(str, seeds)) for arm, seeds in found["left_out"].items() if seeds}
    left_out = [f"{arm}'s seeds {seeds} have no partner and are left out" for arm, seeds in alone.items()]
    if found["spread"] is None:
        return left_out
    return [f"mean of {len(found['seeds'])} pairs of runs, whose differences have a standard deviation of {found['spread']:.3f}", *left_out]


def _flips(flips: list[dict], summary: str, a: str, b: str) -> list[str]:
    if not flips:
        return []
    shown = ["", f"  {summary}:"]
    for flip in flips[:SHOWN]:
        shown += [f"  {flip['id']}  {flip['document']}", f"    {flip['question']}"]
        shown += [f"    {arm}: {'no answer' if flip[side] is None else flip[side]}" for arm, side in ((a, "answer_a"), (b, "answer_b"))]
    return shown + ([f"  and {len(flips) - SHOWN} more: --json lists all"] if len(flips) > SHOWN else [])


def _share(table: dict) -> list[str]:
    """A 2×2 table and its share in words."""
    rows = [("", table["closed_task"], table["task"])]
    for side, name in (("base", "base"), ("arm", table["arm"])):
        rows.append((name, *(f"{table['accuracy'][side][column]:.3f}" for column in ("closed", "with_text"))))
    return [*aligned(rows), in_words(table)]


def in_words(table: dict) -> str:
    """What a 2×2 table says of the share."""
    if table["share"] is None:
        return f"The share of the open-book gain that {table['arm']} won closed-book is not defined: {table['why']}."
    low, high = table["interval"]
    return (f"{table['arm']} won {table['share']:.0%} of the base's open-book gain, closed-book "
            f"(95% interval over {table['over']}: {low:.0%} to {high:.0%}).")  # fmt: skip


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
