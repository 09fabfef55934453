"""A bake-off: arms that were trained on equally many tokens, side by side, and which of their differences are sure."""

from itertools import combinations

from closedbook.analysis import certainty, table
from closedbook.analysis.compare import answers, paired
from closedbook.evaluation import whose
from closedbook.util.errors import UserError

EXEMPT = ("raw", "released")
"""strategies whose arms may have been trained on other numbers of tokens: the documents are all that there is, or the model came as it is"""
BESIDE = ("base", "api_model")
"""strategies that stand beside the arms, and are no arms"""
TOGETHER, ALONE = "together", "alone"
"""how sure a difference is: by an interval that holds for all pairs at once, or by its own only"""


def arms(found: list[dict], task: str, names: list[str]) -> list[dict]:
    """table.rows under one task, the first seed's of each arm; `names` are the arms to compare, all that are no assistants where there are none.

    {"differs": it was trained on another number of tokens than the others, as only EXEMPT may be} is added to each. Raises UserError for an
    unknown name, and for arms that differ in train tokens.
    """
    for name in names:
        answers.of_arm(found, name)
    first = table.first_seeds(row for row in table.rows(found, [task]))
    chosen = [row for name, row in first.items() if name in names or (not names and row["strategy"] != whose.ASSISTANT)]
    compared = [row for row in chosen if row["strategy"] not in BESIDE]
    lengths = {row["train_tokens"] for row in compared if row["strategy"] not in EXEMPT}
    if len(lengths) > 1:
        raise _unequal(compared)
    return [row | {"differs": row in compared and bool(lengths) and row["train_tokens"] not in lengths} for row in chosen]


def _unequal(taught: list[dict]) -> UserError:
    by_length: dict[int, list[str]] = {}
    for row in taught:
        by_length.setdefault(row["train_tokens"], []).append(row["arm"])
    told = ", ".join(f"{' and '.join(names)} {tokens:,}" for tokens, names in sorted(by_length.items()))
    most = " ".join(max(by_length.values(), key=len))
    return UserError(f"params.yaml: arms: a bake-off compares arms that were trained on equally many tokens, and these were not: {told}: name arms of "
                     f"one length (closedbook bakeoff {most}), or give all the same train_tokens")  # fmt: skip


def pairs(found: list[dict], listed: list[dict], task: str) -> list[dict]:
    """How each two of the arms differ, the surest and largest differences first.

    A row is {"a", "b" (the better one), "difference" (b − a), "stderr", "interval" (95%), "over" of paired.compare, "together" (the interval that
    holds for all pairs at once, by Bonferroni), "sure" (TOGETHER, ALONE, or None: 0 is within)}.
    """
    compared = sorted((row for row in listed if row["strategy"] not in BESIDE), key=lambda row: row["accuracy_mean"])
    several = list(combinations(answers.read(found, [row["arm"] for row in compared], task), 2))
    level = 1 - (1 - certainty.LEVEL) / max(1, len(several))
    rows = [_pair(paired.compare(*both), paired.compare(*both, level)["interval"]) for both in several]
    return sorted(rows, key=lambda row: ((TOGETHER, ALONE, None).index(row["sure"]), -row["difference"]))


def _pair(compared: dict, together: list[float] | None) -> dict:
    kept = {name: compared[name] for name in ("a", "b", "difference", "stderr", "interval", "over")}
    sure = TOGETHER if _without_0(together) else ALONE if _without_0(compared["interval"]) else None
    return {**kept, "together": together, "sure": sure}


def _without_0(interval: list[float] | None) -> bool:
    return interval is not None and not interval[0] <= 0 <= interval[1]


def left_out(listed: list[dict]) -> list[str]:
    """What the intervals of these rows do not hold, the largest first, in words."""
    taught = {row["accuracy_over"] for row in listed if row["strategy"] not in table.UNTAUGHT}
    told = [f"intervals over {certainty.QUESTIONS} leave out what another training seed would change, which can be more than all they hold: give "
            "training.seeds several"] if certainty.QUESTIONS in taught else []  # fmt: skip
    return [*told, "no interval holds what another base or another generator would change"]


def asked(found: list[dict], listed: list[dict], task: str) -> tuple[int, int]:
    """How many questions these arms were asked, of all seeds, and about how many documents."""
    read = answers.read(found, [row["arm"] for row in listed], task)
    about = {row["id"]: row["document"] for arm in read for rows in arm.by_seed.values() for row in rows}
    return len(about), len(set(about.values()))
