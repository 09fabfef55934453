"""closedbook trace: where a score, a model, a passage, a token or a sentence came from."""

import argparse
import os
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from closedbook import layout, models
from closedbook.analysis.tally import Tally
from closedbook.lineage import commit, unproved
from closedbook.lineage.history import History, Job
from closedbook.lineage.tracing import passage
from closedbook.records import EntityList, Passages
from closedbook.util import files, tables
from closedbook.util.errors import UserError, did_you_mean
from closedbook.workflow import named, receipts

SHOWN = 12
"""rows of a table, but of a step, which is shown whole"""


def answer(options: argparse.Namespace) -> dict:
    """Raises UserError for a question that is none, and for what is unknown, past the end, or not here."""
    token, step = options.token, options.step
    asked = [options.target is not None, options.run is not None, options.text is not None]
    if sum(asked) != 1 or (options.run is not None) != ((token is None) != (step is None)):
        raise UserError("closedbook trace: ask for one thing: a file under results/, a passage's id, a run, a document, --run ARM with --token N "
                        "or --step N, or --text SENTENCE")  # fmt: skip
    if options.text is not None:
        if not options.text.strip():
            raise UserError("--text: is empty: give a sentence, or some words of one")
        return _sentence(options.text)
    if options.run is not None:
        return _token(options.run, token) if step is None else _step(options.run, step)
    if Path(options.target).resolve().is_relative_to(layout.RESULTS.resolve()):
        return _file(options.target)
    return _passage(options.target) if passage.IDENTITY.fullmatch(options.target) else _file(str(_named(options.target)))


def lines(answer: dict) -> list[str]:
    return [
        *tables.nested({name: value for name, value in answer.items() if name != "unproved"}, None if "read" in answer else SHOWN),
        "",
        "What can't be proved:" if answer["unproved"] else "What can't be proved: nothing known",
        *(f"  {tables.text(line)}" for line in answer["unproved"]),
    ]  # fmt: skip


def _file(target: str) -> dict:
    if os.path.isdir(target):
        raise UserError(f"{target}: is a folder: name a file in it ({', '.join(sorted(os.listdir(target))[:3])}, …)")
    return behind(History.here(), os.path.relpath(target))


def _named(target: str) -> Path:
    """The score of a run, of an assistant or of the base (where it has none, what it is), or a document. Raises UserError for another name."""
    places = {path.parent.name: path for stage, kind in (("runs", "run"), ("assistants", "assistant"))
              for path in receipts.results(stage) if path.name == f"{kind}.json"}
    places |= {path.stem: path for path in receipts.results("scores") if path.suffix == ".json"}
    if target in named.with_arms(places):
        return places[named.run(target, places)]
    documents = named.documents()
    if not named.matching(target, documents):
        near = did_you_mean(target, [*named.with_arms(places), *documents], otherwise="closedbook trace --help has examples")
        raise UserError(f"{target!r}: neither a file under results/ nor a passage's id, a run or a document; {near}")
    return layout.document(named.document(target))


def _passage(identity: str) -> dict:
    known = passage.history([identity])
    found = passage.origin(identity, known)
    return {**found, "corpora": passage.places([identity])[identity], "unproved": unproved.about(known, known.jobs.values())}


def _sentence(sentence: str) -> dict:
    found = dict(passage.nearest_to(sentence))
    known, held = passage.history(found), passage.places(found)
    rows = []
    for identity, score in found.items():
        text = passage.one(identity, known)["text"]
        document = passage.about_document(passage.names(identity)[0], known)
        rows.append({"score": score, "passage": identity, "document": document["title"], "corpora": [place["corpus"] for place in held[identity]],
                     "nearest_sentence": passage.excerpt(text, sentence)})  # fmt: skip
    return {"text": sentence, "found": len(rows), "nearest": rows, "unproved": unproved.about(known, known.jobs.values())}


def _token(run: str, number: int) -> dict:
    from closedbook.lineage.tracing import tokens

    read = tokens.Run(run)
    place = read.token(number)
    is_passage = place["read_from"] == "corpus"
    known = passage.history([place["id"]] if is_passage else [], *read.jobs)
    found = passage.origin(place["id"], known) if is_passage else _beside(place["read_from"], read, known)
    return {"token": place, **found, "unproved": unproved.about(known, known.jobs.values())}


def _step(run: str, number: int) -> dict:
    from closedbook.lineage.tracing import tokens

    read = tokens.Run(run)
    seen = read.step(number)
    identities = dict.fromkeys(piece["id"] for piece in seen["read"] if piece["read_from"] == "corpus")
    known = passage.history(identities, *read.jobs)
    documents = {document: passage.about_document(document, known) for document, _ in map(passage.names, identities)}
    beside = {}
    for piece in seen["read"]:
        if piece["read_from"] == "corpus":
            piece["document"] = documents[passage.names(piece["id"])[0]]["title"]
        else:
            beside |= _beside(piece["read_from"], read, known)
    return {**seen, "documents": list(documents.values()), **beside, "unproved": unproved.about(known, known.jobs.values())}


def _beside(kind: str, read, known: History) -> dict:
    """The file whose rows were read beside the corpus: replay's, or that of dialogues (a data set's name, of one on the Hub)."""
    folder = {"replay": read.replay, "dialogues": read.dialogues}[kind]
    job = known.of(str(folder / f"{kind}.jsonl"))
    path = job.recipe["params"]["path"] if kind == "dialogues" else job.recipe["reads"]["replay"]
    return {kind: {"file": path, "sha256": job.inputs.get(path)}}


def behind(history: History, path: str) -> dict:
    """Everything behind a score, model, corpus, passages file, entity list or document.

    Raises UserError where no receipt names the file, and where a result behind it is not here or was edited.
    """
    job = history.of(path)
    if Path(path).exists():
        passage.here(path, job)
    jobs: dict[str, list[Job]] = {}
    for each in history.ancestors([job]):
        jobs.setdefault(each.place, []).append(each)
    sections = {"scores": ("scores", _scores), "assistants": ("assistants", _assistants), "runs": ("runs", _runs), "teacher": ("teacher", _teachers),
                "corpora": ("corpora", _corpora), "replay": ("tokens", _replays), "dialogues": ("tokens", _dialogues), "base": ("base", _base)}  # fmt: skip
    told = {name: rows for name, (stage, tell) in sections.items() if stage in jobs and (rows := tell(jobs[stage]))}
    assets = jobs["scores"][0].recipe["assets"] if "scores" in jobs else {}
    return {
        "file": path, "sha256": job.outputs[path], "receipt": job.receipt,
        **told, "task_files": [{"file": name, "sha256": sha256} for name, sha256 in assets.items()],
        **_written(jobs), **_documents(jobs, history),
        "code": _code(each for group in jobs.values() for each in group), "environment": _environment([job]),
        "unproved": unproved.about(history, [job]),
    }  # fmt: skip


def _scores(jobs: list[Job]) -> list[dict]:
    """One row per score and task. A task's own hash is its YAML file's; what all tasks share stands beside it."""
    rows = []
    for job in jobs:
        score = passage.read(f"{layout.RESULTS}/{job.name}.json", job)
        common = {"run": score["run"], "model_sha256": models.weights_sha256(job.inputs), "questions_sha256": score["questions_sha256"]}
        rows += [
            {**common, "task": task, **{name: found[name] for name in ("accuracy", "stderr", "n", "version")}, "task_sha256": job.recipe["assets"][f"{task}.yaml"]}
            for task, found in score["tasks"].items()
        ] or [{**common, "explanation": score["explanation"]}]
    return rows


def _assistants(jobs: list[Job]) -> list[dict]:
    said = ("run", "method", "strength", "instruct", "revision", "dialogues")
    return [{"assistant": (one := passage.read(f"{layout.RESULTS}/{job.name}/assistant.json", job))["assistant"],
             **{name: one[name] for name in said if one.get(name) is not None}, "model_sha256": models.weights_sha256(job.outputs)} for job in jobs]  # fmt: skip


def _runs(jobs: list[Job]) -> list[dict]:
    counts = ("arm", "corpus", "seed", "num_steps", "train_tokens", "replay_rate", "replay_tokens", "padding_tokens", "data_sha256")
    return [{"run": (run := passage.read(f"{layout.RESULTS}/{job.name}/run.json", job))["run"], **{name: run.get(name) for name in counts},
             "model_sha256": models.weights_sha256(job.outputs)} for job in jobs]  # fmt: skip


def _teachers(jobs: list[Job]) -> list[dict]:
    """What was distilled, and what the document in front was worth: the teacher's loss with and without it."""
    said = ("corpus", "tokens", "with", "without", "rows_sha256")
    return [{**one["teacher"], **{name: one[name] for name in said}} for job in jobs
            if (one := passage.read(f"{layout.RESULTS}/{job.name}/teacher.json", job))]


def _replays(jobs: list[Job]) -> list[dict]:
    """The file of replay, and how much of it there is to read."""
    return [{"tokens": passage.read(f"{layout.RESULTS}/{job.name}/replay.json", job)["tokens"],
             "replay_from": (path := job.recipe["reads"]["replay"]), "replay_sha256": job.inputs.get(path)}
            for job in jobs if job.step == "replay"]  # fmt: skip


def _dialogues(jobs: list[Job]) -> list[dict]:
    counts = ("path", "num_dialogues", "tokens", "num_rejected", "instruct", "template_sha256")
    return [{"dialogues": job.name.rpartition("/")[2], **{name: read[name] for name in counts}, "sha256": job.inputs.get(read["path"])}
            for job in jobs if job.step == "dialogues" and (read := passage.read(f"{layout.RESULTS}/{job.name}/dialogues.json", job))]  # fmt: skip


def _corpora(jobs: list[Job]) -> list[dict]:
    counts = ("strategy", "corpus_tokens", "num_passages", "num_passages_left_out", "num_documents", "strategies", "tokens_sha256")
    return [{"corpus": job.name.partition("/")[2], **{name: corpus.get(name) for name in counts}} for job in jobs
            if (corpus := passage.read(f"{layout.RESULTS}/{job.name}/corpus.json", job))]


def _base(jobs: list[Job]) -> dict:
    base = passage.read(layout.BASE_FACTS, jobs[0])
    return {"model": base["model"], "revision": base["revision"], "model_sha256": models.weights_sha256(base["sha256"])}


def _written(jobs: dict[str, list[Job]]) -> dict:
    """Entity lists, passages and calls, counted from the files themselves; of passages, where there is a corpus, only those in it."""
    used = _in_corpora(jobs["corpora"]) if "corpora" in jobs else None
    tally = Tally()
    for path in _outputs(jobs, "entities"):
        tally.add_list(EntityList.read(path))
    for path in _outputs(jobs, "passages"):
        passages = Passages.read(path)
        kept = [passage for passage in passages.passages if used is None or passage.id in used]
        tally.add_passages(replace(passages, passages=kept))
    return {
        "entity_lists": [dict(zip(("made_by", "maker", "why", "lists"), (*who, count))) for who, count in tally.lists.items()],
        "passages": [dict(zip(("strategy", "kind", "writer", "model", "passages"), (*what, count))) for what, count in tally.written.items()],
        "dropped": [dict(zip(("strategy", "kind", "reason", "passages"), (*what, count))) for what, count in tally.dropped.items()],
        "calls": [dict(zip(("for", "model", "answered"), who)) | asdict(spent) for who, spent in tally.spent.items()],
    }  # fmt: skip


def _outputs(jobs: dict[str, list[Job]], step: str) -> list[Path]:
    return [passage.here(path, job) for job in jobs.get(step, []) for path in job.outputs]


def _in_corpora(jobs: list[Job]) -> set[str]:
    return {row["id"] for job in jobs for row in files.read_json_lines(passage.here(f"{layout.RESULTS}/{job.name}/passages.jsonl", job))}


def _documents(jobs: dict[str, list[Job]], history: History) -> dict:
    names = [job.name.partition("/")[2] for job in jobs.get("documents", [])]
    return {"num_documents": len(names), "documents": [passage.about_document(name, history) for name in names]}


def _code(jobs: Iterable[Job]) -> list[dict]:
    """Each step's code, and the commit that holds it."""
    used = dict.fromkeys((job.step, commit.code_of(job)) for job in jobs)
    commits = commit.holding(code for _, code in used)
    return [{"step": step, "commit": commits[code] or None, "only_in_working_tree": commits[code] == "", "code_sha256": code} for step, code in used]


def _environment(jobs: list[Job]) -> dict:
    """The lock of the environment as it is here, and whether the libraries that made the result are those it names."""
    sha256 = files.sha256_file(unproved.LOCK) if unproved.LOCK.exists() else None
    return {"requirements_lock_sha256": sha256, "made_with_these_versions": bool(sha256) and not unproved.libraries(jobs), "versions": jobs[0].versions}
