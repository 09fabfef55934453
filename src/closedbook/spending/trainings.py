"""What the trainings of a plan will take: steps, tokens, memory of each device, disk and time. Nothing is trained, but to measure it."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from closedbook import layout, models
from closedbook.generation.strategies import mixture
from closedbook.params import OWN_BASES, Arm, Params, Training, tuned
from closedbook.spending import speed
from closedbook.training import memory, room
from closedbook.training.loop import KEPT_CHECKPOINTS
from closedbook.training.memory import GIB, Shape
from closedbook.training.teaching import BYTES_A_TOKEN
from closedbook.util import files, tables
from closedbook.util.errors import UserError
from closedbook.workflow import devices, recipes, upkeep
from closedbook.workflow.plan import Plan
from closedbook.workflow.snakemake import Graph

COLUMNS = {"run": "training", "steps": "steps", "tokens": "tokens", "gib": "GiB per device", "disk": "GiB of disk", "time": "time"}


@dataclass(frozen=True, kw_only=True)
class Run:
    is_made: bool
    is_bound: bool
    """so many tokens at most, for the forecast of its passages is a bound"""
    tokens: int | None
    """with replay; None where its corpus decides, and is not there yet"""
    steps: int | None
    gib: float | None
    """of each device"""
    disk: float | None
    """GiB of checkpoints and result"""
    seconds: float | None


def answer(planned: Plan, written: dict[str, dict], measure: bool) -> dict:
    """"runs", a Run for each run and each assistant by name; of each device the "memory" and its parts; "seconds" of those to make, so many "side_by_side".

    `written`: what the forecast says of each strategy, of which corpus_tokens and is_bound are read. `measure`: time ten steps, whatever
    earlier runs say. Raises UserError where these can't be timed.
    """
    params = planned.params
    shape, lacking = _shape(params)
    rate = speed.measured(_source(params), params.training) if measure else speed.earlier(params.training)
    due = _due(planned)
    runs = {f"{arm}-s{seed}": _run(planned, arm, seed, shape, rate, written, due) for arm, seed in recipes.arms_and_seeds(params)}
    runs |= _teachers(planned, rate, written, due)
    runs |= {f"{name}-s{seed}": _assistant(planned, name, seed, shape, rate, due) for name, seed in recipes.assistants_and_seeds(params)}
    side = side_by_side(params.training)
    return {
        "device": params.training.device, "runs": {name: asdict(run) for name, run in runs.items()},
        "memory": memory.estimate(shape, params.training)._asdict() if shape else None, "tokens_per_second": rate,
        "side_by_side": side, "seconds": _seconds([run.seconds for run in runs.values() if not run.is_made], side),
        "notes": [*lacking, *_notes(params, shape, list(runs.values()), rate, side)],
    }  # fmt: skip


def _due(planned: Plan) -> set[str]:
    """The jobs whose results are not there, not fresh, or made from something that is not."""
    verdicts = upkeep.check(planned)
    return Graph(planned.jobs).due(job.name for job in planned.jobs.values() if verdicts[job.receipt])


def _source(params: Params) -> tuple[str, str | None]:
    """What the base is loaded from: as it is pinned, where that is of these parameters."""
    pinned = layout.BASE / "base.json"
    if pinned.exists() and files.read_json(pinned)["model"] == params.base.model:
        return models.source(pinned)
    return params.base.model, params.base.revision


def _shape(params: Params) -> tuple[Shape | None, list[str]]:
    """The base's size, where its config is here; else what is missing."""
    source = _source(params)
    if source[0] in OWN_BASES:
        return None, ["memory, disk and time are not known before the base is made: snakemake --cores all results/base/base.json"]
    try:
        return memory.shape(models.config(*source, local_files_only=True)), []
    except UserError:
        return None, [f"memory, disk and time are not known: the config of {source[0]} (base.model) is not here: hf download {source[0]} "
                      "config.json fetches it alone"]  # fmt: skip


def _run(planned: Plan, arm: str, seed: int, shape: Shape | None, rate: float | None, written: dict[str, dict], due: set[str]) -> Run:
    params, name = planned.params, f"runs/{arm}-s{seed}"
    training, corpus = params.training, recipes.corpus_of(params, arm, seed, planned.documents)
    gib = memory.estimate(shape, training).total if shape else None
    tokens, is_bound = _tokens(params.arms[arm], None if f"corpora/{corpus}" in due else layout.CORPORA / corpus, written)
    if tokens is None:
        return Run(is_made=name not in due, is_bound=False, tokens=None, steps=None, gib=gib, disk=None, seconds=None)
    beside = params.corpora.replay.rate + (params.arms[arm].dialogues.rate if params.arms[arm].dialogues else 0)
    tokens = round(tokens / (1 - beside))
    steps = -(-tokens // (training.block_size * training.batch_size))
    disk = sum(memory.disk(shape, training, steps, KEPT_CHECKPOINTS)) if shape else None
    return Run(is_made=name not in due, is_bound=is_bound, tokens=tokens, steps=steps, gib=gib, disk=disk, seconds=tokens / rate if rate else None)


def _teachers(planned: Plan, rate: float | None, written: dict[str, dict], due: set[str]) -> dict[str, Run]:
    """Of each corpus that is distilled: its tokens once, without steps."""
    found = {}
    for arm, seed in recipes.arms_and_seeds(planned.params):
        corpus = recipes.corpus_of(planned.params, arm, seed, planned.documents)
        if (job := f"teacher/{corpus}") in planned.jobs:
            once = planned.params.arms[arm].model_copy(update={"train_tokens": None, "epochs": 1})
            tokens, is_bound = _tokens(once, None if f"corpora/{corpus}" in due else layout.CORPORA / corpus, written)
            tokens = tokens and round(tokens)
            found[job] = Run(is_made=job not in due, is_bound=is_bound, tokens=tokens, steps=None, gib=None, disk=tokens and tokens * BYTES_A_TOKEN / GIB,
                             seconds=tokens / rate if rate and tokens else None)  # fmt: skip
    return found


def _assistant(planned: Plan, name: str, seed: int, shape: Shape | None, rate: float | None, due: set[str]) -> Run:
    """Of a fine-tuning, where its dialogues are tokenised, at least so many steps: what is left of a block is filled up. The others train nothing."""
    params, one, job = planned.params, planned.params.assistants[name], f"assistants/{name}-s{seed}"
    training = tuned(params.training, one, name)
    if one.method != "sft":
        disk = memory.disk(shape, training, 0, KEPT_CHECKPOINTS).result if shape else None
        return Run(is_made=job not in due, is_bound=False, tokens=0, steps=0, gib=None, disk=disk, seconds=0.0)
    gib = memory.estimate(shape, training).total if shape else None
    read = f"{name}{recipes.of_seed(seed, planned.documents)}"
    if f"tokens/dialogues/{read}" in due:
        return Run(is_made=False, is_bound=False, tokens=None, steps=None, gib=gib, disk=None, seconds=None)
    tokens = one.epochs * files.read_json(layout.dialogues(read) / "dialogues.json")["tokens"]
    steps = -(-tokens // (training.block_size * training.batch_size))
    disk = sum(memory.disk(shape, training, steps, KEPT_CHECKPOINTS)) if shape else None
    return Run(is_made=job not in due, is_bound=False, tokens=tokens, steps=steps, gib=gib, disk=disk, seconds=tokens / rate if rate else None)


def _tokens(arm: Arm, corpus: Path | None, written: dict[str, dict]) -> tuple[float | None, bool]:
    """Tokens of its corpus that a run reads, repeats counted, and whether that is a bound. `corpus`: where it is there and fresh."""
    if arm.train_tokens:
        return arm.train_tokens, False
    if arm.corpus_tokens != "all":
        return arm.epochs * arm.corpus_tokens, False
    if corpus:
        return arm.epochs * files.read_json(corpus / "corpus.json")["corpus_tokens"], False
    if not all(name in written for name in mixture.names(arm.strategy)):
        return None, False
    shares = _shares(arm)
    whole = min(written[name]["corpus_tokens"] / share for name, share in shares.items())  # where one is used up, a mixture ends
    return arm.epochs * whole * sum(shares.values()), any(written[name]["is_bound"] for name in shares)


def _shares(arm: Arm) -> dict[str, int]:
    """Of each strategy, among all tokens of the corpus."""
    shares = mixture.shares(arm.strategy)
    return {name: sum(share for group, share in shares.items() if group.partition("/")[0] == name) for name in mixture.names(arm.strategy)}


def side_by_side(settings: Training) -> int:
    """Trainings that Snakemake runs at a time: each has GPUs, or cores, of its own."""
    if settings.device == "cuda":
        return max(1, len(devices.visible()) // settings.processes)
    return max(1, len(os.sched_getaffinity(0)) // (settings.threads * settings.processes))


def _seconds(each: Sequence[float | None], side: int) -> float | None:
    if None in each:
        return None
    return max(max(each, default=0.0), sum(each) / side)


def _notes(params: Params, shape: Shape | None, runs: list[Run], rate: float | None, side: int) -> list[str]:
    training, notes = params.training, []
    if any(run.tokens is None for run in runs):
        notes.append("tokens of a whole corpus (corpus_tokens: all) are not known before it is made, nor are those of dialogues")
    if any(recipes.objective_of(params, arm) == "distil" for arm in params.arms):
        notes.append("a teacher reads each token of its corpus once, and takes at most about the time that a training takes for as many (docs/training.md)")
    if params.assistants:
        notes.append("an assistant by vector or merged trains nothing: its weights are read and written, and where several strengths are given, each "
                     "answers the validation questions")  # fmt: skip
    if rate:
        notes.append(f"time of trainings: {rate:,.0f} tokens per second, {side} side by side; loading and saving are not included")
    elif training.world > 1:
        notes.append("time is not known: no run of this base was made here under such settings")
    else:
        notes.append("time is not known: closedbook forecast --measure times ten steps")
    if shape:
        available = room.device_gib(training)
        notes += [f"a training {line}" if not number else line for number, line in enumerate(room.advice(shape, training, available))]
        notes += [] if available else ["training.device: cuda: no such device is here, so compare the GiB with yours"]
    return notes


def lines(answer: dict) -> list[str]:
    found = answer["memory"]
    rows = [_shown(name, run) for name, run in answer["runs"].items()]
    total = {"run": "total to train", "steps": "", "tokens": "", "gib": "", "disk": "", "time": _time(answer["seconds"])}
    told = [f"trainings on {answer['device']}:", "", *tables.lines([*rows, total], COLUMNS), ""]
    if found:
        row = {name: round(value, 2) for name, value in found.items()}
        told += ["GiB of each device:", "", *tables.lines([row], dict(zip(row, row))), ""]
    return [*told, *answer["notes"]]


def _shown(name: str, run: dict) -> dict:
    bound = "≤ " if run["is_bound"] else ""
    counts = {key: tables.figure(None) if run[key] is None else f"{bound}{run[key]:,}" for key in ("steps", "tokens")}
    return {"run": name, **counts, "gib": run["gib"], "disk": run["disk"],
            "time": "made" if run["is_made"] else bound * (run["seconds"] is not None) + _time(run["seconds"])}


def _time(seconds: float | None) -> str:
    return tables.figure(None) if seconds is None else tables.duration(seconds)
