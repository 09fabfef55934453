"""Forgetting: what a model still knows of general text and of other tasks; the report puts base and runs side by side."""

import math
import re
from pathlib import Path

from closedbook import models
from closedbook.sources.replay import Replay
from closedbook.util.errors import UserError, did_you_mean

NAMED = re.compile(r"^[ -]*[\"']?(?:task|group)[\"']? *: *[\"']?([^\s\"'#\[{]+)", re.MULTILINE)


def measure(lm, model: Path, replay: Replay | None, tasks: list[str], include_path: Path | None = None) -> dict | None:
    """{"replay": the perplexity on the texts held out of every corpus, None where none are; "tasks": {task: {metric: value}}}; None where
    there is neither.

    `lm` is lm_eval's, loaded; `model` the folder it came from; `tasks` are lm_eval's own, or of `include_path`.
    Raises UserError where a run's corpus held out other texts, and where a model has diverged.
    """
    if not (replay or tasks):
        return None
    return {"replay": _perplexity(lm, model, replay) if replay else None, "tasks": _metrics_of(lm, tasks, include_path)}


def check_tasks(tasks: list[str], folder: Path | None = None, field: str = "scores.forgetting") -> None:
    """Raises UserError for a name that no task or group in lm_eval's own folder has, and says the nearest one."""
    if not tasks:
        return
    known = {name for path in (folder or _lm_eval() / "tasks").rglob("*.y*ml") for name in NAMED.findall(path.read_text(encoding="utf-8"))}
    for task in set(tasks) - known:
        hint = did_you_mean(task, known, otherwise="lm_eval ls tasks lists all")
        raise UserError(f"params.yaml: {field}: {task!r} is not a task of lm_eval; {hint}")


def _lm_eval() -> Path:
    from importlib.util import find_spec

    return Path(find_spec("lm_eval").origin).parent  # without importing it, which takes a second


def _perplexity(lm, model: Path, replay: Replay) -> dict:
    """Each text by itself, in nats, after what stands before a text, which is not counted; one longer than the context goes through it window
    by window, as lm_eval's own perplexities do.

    {"sha256" of the texts, "num_texts", "num_tokens", "num_bytes", "perplexity" a token, "bits_per_byte", "texts": a row each}.
    """
    from lm_eval.api.instance import Instance

    _check_held_out(model, replay)
    requests = [Instance(request_type="loglikelihood_rolling", doc={}, arguments=(text,), idx=0) for _, text in replay.held_out]
    texts = [
        {"id": row["id"], "tokens": len(lm.tok_encode(text, add_special_tokens=False)), "bytes": len(text.encode("utf-8")),
         "log_likelihood": value}
        for (row, text), value in zip(replay.held_out, lm.loglikelihood_rolling(requests, disable_tqdm=True), strict=True)
    ]
    nats = -math.fsum(row["log_likelihood"] for row in texts)
    if not math.isfinite(nats):
        raise UserError(f"{model}: the log-likelihoods of held-out replay text are not all numbers: the training has diverged; lower "
                        "training.learning_rate and train again")  # fmt: skip
    num_tokens, num_bytes = (sum(row[unit] for row in texts) for unit in ("tokens", "bytes"))
    return {
        "sha256": replay.held_out_sha256, "num_texts": len(texts), "num_tokens": num_tokens, "num_bytes": num_bytes,
        "perplexity": math.exp(nats / num_tokens), "bits_per_byte": nats / math.log(2) / num_bytes, "texts": texts,
    }  # fmt: skip


def _check_held_out(model: Path, replay: Replay) -> None:
    """A run, and what was made from one, says which texts its corpus could not hold; the base has read no corpus."""
    if not (model / "base.json").exists() and models.facts(model)["held_out_sha256"] != replay.held_out_sha256:
        raise UserError(f"{model}: its corpus held out other texts than the last {replay.num_held_out} of {replay.path}, so it may have read "
                        "these: make the corpus and the run again (snakemake --cores all)")  # fmt: skip


def _metrics_of(lm, tasks: list[str], include_path: Path | None) -> dict[str, dict]:
    return {task: metrics(found["results"][task]) for task, found in own_tasks(lm, tasks, include_path).items()}


def own_tasks(lm, tasks: list[str], include_path: Path | None) -> dict[str, dict]:
    """lm_eval's results of its own tasks (or of those of `include_path`), as plain lm_eval would give them: its seeds, its few-shot numbers, its
    data."""
    if not tasks:
        return {}
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=include_path and str(include_path), include_defaults=include_path is None)
    return {task: simple_evaluate(model=lm, tasks=[task], task_manager=manager, log_samples=False, apply_chat_template=lm.is_chat) for task in tasks}


def metrics(measured: dict) -> dict[str, float | None]:
    """{metric: value}; a metric behind a filter is named with it."""
    named = {name.removesuffix(",none"): value for name, value in measured.items() if "," in name}
    return {name: None if value == "N/A" else value for name, value in sorted(named.items())}
