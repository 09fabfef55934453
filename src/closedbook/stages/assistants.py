"""An assistant: a run made into a model that talks, by one of three methods. docs/assistants.md tells which one when.

    PYTHONPATH=src python -m closedbook job assistants/NAME-s1
"""

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import layout, models, params
from closedbook.evaluation import harness, instructions
from closedbook.evaluation.tasks import FOLDER
from closedbook.models import chat, frame, vector
from closedbook.training import distributed, packing, pretraining, room, talks, tracking
from closedbook.training.reading import Texts
from closedbook.util import arrays, files, seeds, terminal
from closedbook.util.errors import UserError

FACTS = "assistant.json"
OF_RUN = ("run", "arm", "seed", "corpus_tokens", "train_tokens", "held_out_sha256")
"""what an assistant's facts repeat of its run's"""


def job(*, params: SimpleNamespace, limits: params.Limits, run: Path, base: Path, folder: Path, checkpoint_steps: Path, **paths) -> None:
    if params.assistant.method == "sft":
        params.training = params.training.model_copy(update={"checkpoint_steps": files.read_json(checkpoint_steps)[folder.name]})
    build(params=params, run=run, reference=base / "base.json", folder=folder, **paths)


def build(
    *, params: SimpleNamespace, run: Path, reference: Path, questions: list[Path], dialogues: list[Path], checkpoints: Path, folder: Path,
    include_path: Path = FOLDER, **_,
) -> None:  # fmt: skip
    """Write an assistant of `run` to `folder`: weights in one file or in shards, tokenizer with its chat template, generation_config.json and,
    last, assistant.json.

    `params` has name and assistant; by a vector of several strengths also scores and what its task reads, and the strength is chosen on the
    validation questions among `questions`; by fine-tuning training, seed and run_seed, and `dialogues` is the folder of what it is
    trained on. Raises UserError for models that do not fit together, and where nothing says which strength is best.
    """
    if why := models.facts(run).get("refused"):
        raise UserError(f"params.yaml: assistants.{params.name}.run: {run.name} has no weights: {why}: take another arm")
    one, field, base = params.assistant, f"assistants.{params.name}", files.read_json(reference)
    tokenizer = chat.tokenizer(base, params.chat, params.field)
    record = _record(params, run, base, folder.name)
    made, told = {"vector": _by_vector, "sft": _by_tuning, "merged": _by_copy}[one.method](
        params=params, run=run, base=base, questions=questions, dialogues=dialogues, checkpoints=checkpoints, folder=folder,
        tokenizer=tokenizer, field=field, include_path=include_path, record=record,
    )  # fmt: skip
    chat.finish(tokenizer, folder, base["end_of_text_id"], _instruct(params.chat))
    files.give_usual_modes(folder)
    facts = _facts(params, run, folder) | made | {
        "num_parameters": models.num_parameters(folder),
        "base": base,
        "sha256": {str(path.relative_to(folder)): files.sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()},
    }  # fmt: skip
    tracking.log_run(**record | told, tags={"assistant": folder.name}, sha256=facts["sha256"], model_sha256=models.weights_sha256(facts["sha256"]))
    files.write_json(folder / FACTS, facts)


def _record(params: SimpleNamespace, run: Path, base: dict, name: str) -> dict:
    """What MLflow is told of an assistant, which need not be trained."""
    its = models.facts(run)
    of_run = {name: its[name] for name in ("arm", "strategy", "corpus_tokens", "train_tokens") if name in its}
    settings = {"name": params.name, "run": run.name, **of_run, "run_seed": its["seed"], "base": {name: base[name] for name in ("model", "revision")},
                "assistant": params.assistant.model_dump(exclude={"run"}, exclude_none=True)}  # fmt: skip
    return {"name": name, "source": f"closedbook job assistants/{name}", "settings": settings, "dataset": None, "history": [], "metrics": {},
            "artifacts": [], "seconds": None}  # fmt: skip


def check_plan(wanted: params.Params) -> None:
    """What a user can mend about assistants, before anything is spent: raises UserError for dialogues, templates and instruct models that can't be
    used with the base. Of a base that is still to be made here nothing is known: the jobs look again."""
    base = _planned_base(wanted)
    if base is None:
        return
    for name, arm in wanted.arms.items():
        if arm.dialogues:
            _check_dialogues(arm.dialogues, f"arms.{name}.dialogues", base, None)
    for name, one in wanted.assistants.items():
        field = f"assistants.{name}"
        if one.method == "sft":
            _check_dialogues(one, field, base, params.tuned(wanted.training, one, field).block_size)
        if one.method == "vector":
            chat.tokenizer(base, one, field)
            vector.check(None, (base["load"], base["revision"]), (one.instruct, one.revision), f"{field}.instruct")


def _check_dialogues(settings, field: str, base: dict, longest: int | None) -> None:
    for _ in talks.Source(path=settings.path, chat=settings, field=field, longest=longest, base=base).talks(None, [], []):
        pass


def _planned_base(wanted: params.Params) -> dict | None:
    """As base.json has it, as far as assistants need it."""
    if layout.BASE_FACTS.exists() and (known := files.read_json(layout.BASE_FACTS))["model"] == wanted.base.model:
        return known
    if wanted.base.model in params.OWN_BASES:
        return None
    name, revision = source = wanted.base.model, wanted.base.revision
    return {"model": name, "load": name, "revision": revision, "context": models.context(models.config(*source)),
            "end_of_text_id": frame.end_of_text(models.pretrained_tokenizer(*source), wanted.base.end_of_text)[1]}  # fmt: skip


def _instruct(settings: params.Chat) -> tuple[str, str | None] | None:
    return (settings.instruct, settings.revision) if settings.instruct else None


def _facts(params: SimpleNamespace, run: Path, folder: Path) -> dict:
    its = models.facts(run)
    return {"assistant": folder.name, "name": params.name, "method": params.assistant.method, **{name: its[name] for name in OF_RUN},
            "run_sha256": models.weights_sha256(its["sha256"]), "instruct": params.chat.instruct,
            "revision": params.chat.instruct and models.commit(params.chat.instruct, params.chat.revision)}  # fmt: skip


def _by_vector(*, params, run, base, questions, checkpoints, folder, tokenizer, field, include_path, **_) -> tuple[dict, dict]:
    instruct = _instruct(params.chat)
    found = vector.check(run, (base["load"], base["revision"]), instruct, f"{field}.instruct")

    def write(strength: float, place: Path) -> None:
        terminal.show(f"{folder.name}: strength {strength:g}")
        vector.write(*found, strength, place)
        config = models.config(*models.source(run))
        config.get_text_config().vocab_size = max(one.get_text_config().vocab_size for one in (config, models.config(*instruct)))
        config.save_pretrained(place)

    tried = _tried(params, write, checkpoints, tokenizer, base, questions, field, include_path)
    strength = max(tried, key=lambda one: one["chosen_by"])["strength"] if tried else params.assistant.strength[0]  # of equals the first
    write(strength, folder)
    return {"strength": strength, "tried": tried}, {"metrics": {"strength": strength}}


def _tried(params, write, work: Path, tokenizer, base: dict, questions: list[Path], field: str, include_path: Path) -> list[dict]:
    """How well each strength does: {"strength", "validation", instruction task: …, "chosen_by": their mean}. None where there is but one."""
    rows = []
    for strength in params.assistant.strength if len(params.assistant.strength) > 1 else []:
        place = work / "tried"
        shutil.rmtree(place, ignore_errors=True)
        write(strength, place)
        chat.finish(tokenizer, place, base["end_of_text_id"], _instruct(params.chat))
        files.write_json(place / FACTS, {"base": base})
        lm = harness.loaded(place, params.scores)
        known = harness.validation(lm, place, params, {"data_file": [*map(str, questions)], "documents": []}, include_path, f"{field}.strength")
        follows = {task: one["value"] for task, one in instructions.measure(lm, params.scores.instructions).items()}
        rows.append({"strength": strength, "validation": known, **follows, "chosen_by": float(np.mean([known["accuracy"], *follows.values()]))})
        shutil.rmtree(place)
    return rows


def _by_copy(*, params, run, folder, field, **_) -> tuple[dict, dict]:
    for path in (path for path in sorted(run.iterdir()) if path.name == "config.json" or path.name.startswith(("model", "generation_config"))):
        shutil.copyfile(path, folder / path.name)
    its = models.facts(run)
    if "dialogues" not in its:
        raise UserError(f"params.yaml: {field}: {run} has read no dialogues: make it again with arms.{its['arm']}.dialogues")
    return {name: its[name] for name in ("dialogues", "dialogue_rate", "dialogue_tokens")}, {}


def _by_tuning(*, params, run, base, dialogues, checkpoints, folder, record, **_) -> tuple[dict, dict]:
    (place,), settings, one = dialogues, params.training, params.assistant
    texts = Texts.of_dialogues(place)
    schedule = packing.schedule([texts], [one.epochs * texts.num_tokens], seed=params.seed, run_seed=params.run_seed)
    arrays.write(folder / "schedule.npy", schedule)
    blocks = packing.WholeTexts(texts, np.load(place / "is_answer.npy"), schedule, settings.block_size, base["end_of_text_id"])
    num_steps = -(-len(blocks) // settings.batch_size)
    room.check(folder.name, run, settings, num_steps, checkpoints, folder)
    data = [files.sha256_file(path) for path in (place / "tokens.npy", place / "is_answer.npy", folder / "schedule.npy")]
    data_sha256, started = files.sha256_text("\n".join([*data, one.loss])), time.monotonic()
    begun = {
        "name": record["name"],
        "source": record["source"],
        "settings": record["settings"] | {"seed": params.seed, "training": settings.model_dump(exclude={"seeds"})},
        "dataset": {"name": place.name, "source": str(place), "sha256": data_sha256},
    }  # fmt: skip
    plan = pretraining.Plan(
        source={"dialogues": str(place), "loss": one.loss}, reference=str(run), settings=settings.model_dump(), num_steps=num_steps,
        seed=seeds.derive(params.seed, "assistant", params.run_seed) % 2**32, fingerprint=data_sha256, folder=str(folder),
        checkpoints=str(checkpoints), record=begun,
    )  # fmt: skip
    history, _ = pretraining.pretrain(plan, os.environ.get(distributed.LAUNCHER, ""))
    files.write_csv(folder / "losses.csv", ["step", "loss", "learning_rate"], history)
    counts = {"num_steps": num_steps, "first_loss": history[0]["loss"], "last_loss": history[-1]["loss"]}
    told = begun | {"history": history, "metrics": counts, "artifacts": [folder / "losses.csv"], "seconds": time.monotonic() - started}
    made = {"dialogues": place.name, "epochs": one.epochs, "loss": one.loss, "tokens": int(schedule[:, 2].sum()), **counts, "data_sha256": data_sha256}
    return made, told
