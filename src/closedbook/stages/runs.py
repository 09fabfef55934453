"""A run: continued pretraining of the base on the corpus of an arm, from one seed."""

import hashlib
import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from closedbook import models, params
from closedbook.models import sound
from closedbook.training import amounts, distributed, packing, pretraining, reading, room, tracking
from closedbook.training.reading import Texts
from closedbook.util import arrays, files, seeds
from closedbook.util.errors import UserError


def job(
    *, params: SimpleNamespace, limits: params.Limits, base: Path, dialogues: list[Path], teacher: list[Path], checkpoint_steps: Path, folder: Path,
    **paths: Path,
) -> None:  # fmt: skip
    settings = params.training.model_copy(update={"checkpoint_steps": files.read_json(checkpoint_steps)[folder.name]})
    build(teacher=teacher[0] if teacher else None, arm=params.name, length=params.arm, replay_rate=params.replay["rate"], settings=settings,
          run_seed=params.run_seed, folder=folder,
          dialogues=dialogues[0] if dialogues else None, dialogue_rate=params.dialogues["rate"] if dialogues else 0.0,
          seed=params.seed, reference=base / "base.json", **paths)  # fmt: skip


def build(
    *, arm: str, length: params.Arm, corpus: Path, pieces: list[Path], replay: Path, replay_overlap: Path, replay_rate: float, reference: Path,
    settings: params.Training, run_seed: int, seed: int, checkpoints: Path, folder: Path, dialogues: Path | None = None, dialogue_rate: float = 0.0,
    teacher: Path | None = None,
) -> None:  # fmt: skip
    """Train the base of `reference` (its base.json) on `corpus`, whose tokens are in `pieces`, for as long as `length` says; `replay_rate` of
    all tokens are of `replay`, without the texts of `replay_overlap`, and `dialogue_rate` of them of `dialogues`. Write the model, its tokenizer,
    schedule.npy, losses.csv, held_out.csv (the losses on what is held out, where settings.evaluate_steps asks for them) and, last, run.json to
    `folder`, and log the run.

    A run that was killed goes on from the newest whole checkpoint in `checkpoints`, with the same result; they are deleted at the end.
    Under the objective distil, what is learnt is what `teacher` (its folder) expects of each token. Where the document in front was worth nothing to it
    nothing is trained: run.json then says so in "refused", with the figures, and there are no weights.
    With settings.lora the adapters lie beside the model into which they are merged, in adapter/. distributed.LAUNCHER starts a
    program on each of several nodes.
    Raises UserError for a block beyond the model's context, for a corpus that another tokenizer made or that has other tokens than when it
    was made, and for a training that is shorter than the corpus.
    """
    facts, base = files.read_json(corpus / "corpus.json"), files.read_json(reference)
    tokenizer = models.tokenizer(reference)
    _check(corpus, facts, base, tokenizer, settings.block_size)
    read = _read(arm, length, facts, replay_rate, dialogue_rate)
    source = {"corpus": str(corpus), "pieces": [*map(str, pieces)], "replay": str(replay), "replay_overlap": str(replay_overlap),
              "replay_tokens": read["replay_tokens"]}  # fmt: skip
    if dialogues:
        source |= {"dialogues": str(dialogues), "dialogue_tokens": read["dialogue_tokens"]}
    texts = reading.texts(**source)
    sha256 = _tokens_sha256(corpus, facts, texts)
    taught = _teacher(teacher, facts, texts[packing.CORPUS]) if teacher else None
    schedule = _schedule(texts, read, folder, seed=seed, run_seed=run_seed, by_document=length.order == "by_document")
    num_blocks = packing.num_blocks(schedule, settings.block_size)
    num_steps = -(-num_blocks // settings.batch_size)
    about = {"run": folder.name, "corpus": corpus.name, "arm": arm, "strategy": facts["strategy"], "seed": run_seed}
    if taught:
        about |= {"objective": settings.objective, "teacher": {name: taught[name] for name in ("teacher", "tokens", "with", "without")}}
        source["teacher"] = str(teacher)
        if taught["with"] >= taught["without"]:
            _refuse(about | {"corpus_tokens": facts["corpus_tokens"], **dict.fromkeys(read, 0), "num_steps": 0, "base": base}, taught, reference,
                    tokenizer, folder)  # fmt: skip
            return
    room.check(folder.name, reference, settings, num_steps, checkpoints, folder)
    data_sha256 = _data_sha256(sha256 + ([taught["rows_sha256"]] if taught else []), texts, folder)
    apart = [its.sha256() for its in reading.held_out(**source).values()] if settings.evaluate_steps else []
    started = time.monotonic()
    plan = pretraining.Plan(
        source=source, reference=str(reference), settings=settings.model_dump(), num_steps=num_steps,
        seed=seeds.derive(seed, "run", run_seed) % 2**32, fingerprint=files.sha256_text("\n".join([data_sha256, *apart])),
        folder=str(folder), checkpoints=str(checkpoints),
        record=_record(folder.name, arm, length, facts, base, settings, seed, run_seed, replay_rate, corpus, data_sha256),
    )  # fmt: skip
    history, measured = pretraining.pretrain(plan, os.environ.get(distributed.LAUNCHER, ""))
    seconds = time.monotonic() - started
    files.write_csv(folder / "losses.csv", ["step", "loss", "learning_rate"], history)
    files.write_csv(folder / "held_out.csv", ["step", "passages", "replay"], measured)
    run = {
        **about,
        **_counts(facts, read, settings, num_blocks, history),
        "replay_overlap": replay_overlap.stem,
        "replay_rate": replay_rate,
        **({"order": length.order} if length.order != "shuffled" else {}),
        "replay_epochs": read["replay_tokens"] / texts[packing.REPLAY].num_tokens if read["replay_tokens"] else 0,
        **({"dialogues": dialogues.name, "dialogue_rate": dialogue_rate} if dialogues else {}),
        "held_out_sha256": files.read_json(replay / "replay.json")["held_out_sha256"],
        "num_parameters": models.num_parameters(folder),
        "base": base,
        "data_sha256": data_sha256,
        "sha256": _hashes(folder),
    }
    _log(run, plan.record, [*history, *map(tracking.held_out, measured)], folder, seconds)
    files.write_json(folder / "run.json", run)


def _check(corpus: Path, facts: dict, base: dict, tokenizer, block_size: int) -> None:
    sound.check_block(base, block_size)
    if models.tokenizer_sha256(tokenizer) != facts["tokenizer_sha256"]:
        raise UserError(f"{corpus}: was not made with the tokenizer of {base['model']} (base.model): make it again")


def _read(arm: str, length: params.Arm, facts: dict, replay_rate: float, dialogue_rate: float) -> dict[str, int]:
    """How many tokens it reads of the corpus, of replay and, where it reads some, of dialogues."""
    of_corpus = amounts.train_tokens(arm, length, facts["corpus_tokens"])
    found = {"train_tokens": of_corpus, "replay_tokens": amounts.beside(replay_rate, of_corpus, dialogue_rate)}
    return found | ({"dialogue_tokens": amounts.beside(dialogue_rate, of_corpus, replay_rate)} if dialogue_rate else {})


def _tokens_sha256(corpus: Path, facts: dict, texts: list[Texts]) -> list[str]:
    """Of the texts' tokens. Raises UserError where the corpus's are not those of which it was made."""
    found = [its.sha256() for its in texts]
    if found[packing.CORPUS] != facts["tokens_sha256"]:
        raise UserError(f"{corpus}: has other tokens than when it was made: {reading.CHANGED}")
    return found


def _teacher(folder: Path, facts: dict, corpus: Texts) -> dict:
    """What its teacher.json says. Raises UserError where its rows are about other tokens."""
    rows = reading.Rows(folder)
    its = rows.facts
    if (its["tokens_sha256"], its["tokenizer_sha256"]) != (facts["tokens_sha256"], facts["tokenizer_sha256"]) or rows.lengths.tolist() != corpus.lengths.tolist():
        raise UserError(f"{folder}: was made from other tokens, or by another tokenizer, than the corpus: snakemake --cores all makes it again")
    return its


def _refuse(run: dict, taught: dict, reference: Path, tokenizer, folder: Path) -> None:
    """Write a run that is none: it has read nothing, and there are no weights; and why."""
    models.config(*models.source(reference)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files.give_usual_modes(folder)
    arrays.write(folder / "schedule.npy", np.zeros((0, 3), np.int64))
    files.write_csv(folder / "losses.csv", ["step", "loss", "learning_rate"], [])
    files.write_csv(folder / "held_out.csv", ["step", "passages", "replay"], [])
    why = f"distilling is refused: the teacher's loss on the passages is {taught['with']:.3f} with the document in front and {taught['without']:.3f} without"
    files.write_json(folder / "run.json", run | {"refused": why, "sha256": _hashes(folder)})


def _hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): files.sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _schedule(texts: list[Texts], read: dict, folder: Path, **order) -> np.ndarray:
    schedule = packing.schedule(texts, [*read.values()], **order)
    arrays.write(folder / "schedule.npy", schedule)
    return schedule


def _data_sha256(tokens_sha256: list[str], texts: list[Texts], folder: Path) -> str:
    """Of all that a run reads: tokens, where each text begins, and the order."""
    begins = [hashlib.sha256(its.offsets.tobytes()).hexdigest() for its in texts]
    return files.sha256_text("\n".join([*tokens_sha256, *begins, files.sha256_file(folder / "schedule.npy")]))


def _counts(corpus: dict, read: dict, settings: params.Training, num_blocks: int, history: list[dict]) -> dict:
    return {
        "corpus_tokens": corpus["corpus_tokens"],
        "existing_tokens": corpus["existing_tokens"],
        "num_passages_left_out": corpus["num_passages_left_out"],
        **read,
        "padding_tokens": num_blocks * settings.block_size - sum(read.values()),
        "block_size": settings.block_size,
        "batch_size": settings.batch_size,
        "num_blocks": num_blocks,
        "num_steps": history[-1]["step"],
        "first_loss": history[0]["loss"],
        "last_loss": history[-1]["loss"],
    }


def _record(
    name: str, arm: str, length: params.Arm, facts: dict, base: dict, settings: params.Training, seed: int, run_seed: int, replay_rate: float,
    corpus: Path, data_sha256: str,
) -> dict:  # fmt: skip
    """What MLflow is told when the training begins."""
    return {
        "name": name,
        "source": f"closedbook job runs/{name}",
        "settings": {
            "arm": arm,
            "strategy": facts["strategy"],
            "corpus": corpus.name,
            **{name: value for name, value in length.model_dump(include={"corpus_tokens", "train_tokens", "epochs"}).items() if value is not None},
            "replay_rate": replay_rate,
            "seed": seed,
            "run_seed": run_seed,
            "base": {name: base[name] for name in ("model", "revision")},
            "training": settings.model_dump(exclude={"seeds"}),
        },
        "dataset": {"name": arm, "source": str(corpus), "sha256": data_sha256},
    }


def _log(run: dict, record: dict, history: list[dict], folder: Path, seconds: float) -> None:
    counts = ("corpus_tokens", "train_tokens", "replay_tokens", "padding_tokens", "num_steps", "first_loss", "last_loss")
    tracking.log_run(
        **record,
        tags={"run": run["run"]},
        sha256=run["sha256"],
        model_sha256=models.weights_sha256(run["sha256"]),
        history=history,
        metrics={name: run[name] for name in counts},
        artifacts=[folder / "losses.csv"],
        seconds=seconds,
    )
