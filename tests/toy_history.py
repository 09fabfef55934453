"""A finished toy line in the working directory: results and receipts of two arms, written by hand, under git; nothing is trained."""

import subprocess
from dataclasses import asdict
from pathlib import Path

from closedbook.records import Document, EntityList, Passage, Passages
from closedbook.util import files
from closedbook.workflow import receipts

HOSTILE = 'Ahab\'s "log" | [win](javascript:alert(1)) <img src=x onerror=x> `x` {{ 7*7 }}\n---\n# No & http://evil.example \U0001f642'
NOTE = "Made up, *all* of it."
CALL = {"key": "k1", "model": "openai/big", "usage": {"prompt_tokens": 9, "completion_tokens": 4}, "cost_usd": None}
SOURCE = ".closedbook/sources/{}.json"


def write(*, documents=("d", "e"), source="0" * 64, learning_rate=0.01, code="c" * 64, torch="2.13.0", response="1" * 64,
          answered="big-0001", accuracy=0.5) -> None:  # fmt: skip
    """Each option is one thing in which two histories can differ."""
    versions = {"python": "3.11", "torch": torch}
    call = {**CALL, "response_sha256": response, "model_answered": answered}
    llm = {"llm": {"model": "openai/big", "temperature": 0.7}, "seed": 1}
    for name in documents:
        document = Document(id=name, title=HOSTILE, author="Mira | Oldan", year=1931, text="Lamps.")
        _job(f"documents/{name}", {}, {f"results/documents/{name}.json": asdict(document), f"results/questions/{name}.json": []}, versions,
             sources={SOURCE.format(name): source})
        names = EntityList(document=name, summary="s", entities=["a", "b"], made_by="llm", why=None, maker=answered, call=call)
        _job(f"entities/{name}", [f"results/documents/{name}.json"], {f"results/entities/{name}.json": asdict(names)}, versions,
             params={**llm, "entities": {"max": 2}}, facts={"made_by": "llm", "maker": answered})
        for strategy, writer in (("raw", "document"), ("entigraph", "llm")):
            text = Passage(id=f"{name}/{strategy}/0", document=name, strategy=strategy, kind="pair", entities=[], sample=0, writer=writer,
                           text=f"t {response[:3]}", call=call if writer == "llm" else None)
            reads = [f"results/{folder}/{name}.json" for folder in (["documents", "entities"] if writer == "llm" else ["documents"])]
            passages = Passages(document=name, strategy=strategy, passages=[text], dropped=[])
            _job(f"passages/{strategy}/{name}", reads, {f"results/passages/{strategy}/{name}.json": asdict(passages)}, versions,
                 params=llm if writer == "llm" else {"seed": 1}, facts={"answered": {answered: 1}} if writer == "llm" else {})
    base = {"model": "org/base", "revision": "f" * 40, "load": "org/base", "sha256": {}}
    _job("base/base", [], {"results/base/base.json": base}, versions, params={"base": {"model": "org/base", "revision": "f" * 40}})
    for arm in ("raw", "entigraph"):
        _arm(arm, documents, versions, learning_rate, code, accuracy, base)
    scores = [f"results/scores/{arm}-s1.json" for arm in ("raw", "entigraph")]
    _job("report/report", scores, {"results/report/report.html": "page"}, versions,
         params={"report": {"examples": 1, "notes": [NOTE]}, "scores": {"tasks": ["closed_text"]}})


def _arm(arm, documents, versions, learning_rate, code, accuracy, base) -> None:
    run = f"{arm}-s1"
    corpus = {"strategy": arm, "size": 20, "num_passages": 2, "existing_tokens": 20, "strategies": {arm: {"share": 1.0, "passages": 2, "tokens": 20, "existing_tokens": 20}},
              "kinds": {"pair": {"passages": 2, "tokens": 20}}}
    _job(f"corpora/{arm}", [*(f"results/passages/{arm}/{name}.json" for name in documents), "results/base/base.json"],
         {f"results/corpora/{arm}/corpus.json": corpus}, versions,
         params={"arm": {"strategy": arm, "corpus_tokens": 20}, "seed": 1}, documents=documents)
    facts = {"run": run, "corpus": arm, "arm": arm, "strategy": arm, "seed": 1, "corpus_tokens": 20, "train_tokens": 40, "replay_tokens": 0,
             "num_steps": 5, "first_loss": 5.0, "last_loss": 3.0 if arm == "raw" else 2.0, "num_parameters": 9, "base": base,
             "sha256": {"model.safetensors": "7" * 64}}
    _job(f"runs/{run}", [f"results/corpora/{arm}/corpus.json", "results/base/base.json"],
         {f"results/runs/{run}/run.json": facts, f"results/runs/{run}/model.safetensors": f"{arm} {learning_rate}"}, versions,
         params={"training": {"learning_rate": learning_rate, "dtype": "float32"}, "run_seed": 1, "seed": 1, "name": arm}, code=code)
    task = {"version": 1.0, "metric": "acc_norm", "accuracy": accuracy, "stderr": 0.05, "n": 8, "n_documents": 2}
    _job(f"scores/{run}", [f"results/runs/{run}/model.safetensors", *(f"results/questions/{name}.json" for name in documents)],
         {f"results/scores/{run}.json": {"run": run, "questions_sha256": "9" * 64, "tasks": {"closed_text": task}}}, versions,
         params={"scores": {"tasks": ["closed_text"]}}, documents=documents)


def _job(name, inputs, outputs, versions, *, sources=None, params=None, facts=None, code="c" * 64, documents=None) -> None:
    for path, value in outputs.items():
        files.write_json(path, value)
    recipe = {"step": name.partition("/")[0], "params": params or {}, "code": code, "prompts": {}, "assets": {}}
    recipe |= {"documents": list(documents)} if documents else {}
    read = {**{path: files.sha256_file(path) for path in inputs}, **(sources or {})}
    receipts.write(receipts.FOLDER / f"{name}.json", recipe=recipe, inputs=read,
                   outputs=[Path(path) for path in outputs], facts=facts or {})
    record = files.read_json(receipts.FOLDER / f"{name}.json")
    receipts.keep(receipts.FOLDER / f"{name}.json", {**record, "versions": versions})


def commit(date="2026-01-02T03:04:05+00:00", *paths: str) -> None:
    """Commit these paths, or all that git knows and results/ not."""
    environment = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": "/dev/null", "PATH": "/usr/bin:/bin"}
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", *(paths or ["--all"])], ["commit", "--quiet", "--allow-empty", "-m", "state"]):
        subprocess.run(["git", *who, *command], check=True, env=environment)
