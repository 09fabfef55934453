"""A takedown on a hand-made project of two documents: what it would cost, and that each kind of left-over is found."""

import json
import re
import sqlite3
import subprocess
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import toys
from ruamel.yaml import YAML
from toys import git

from closedbook import cli
from closedbook.lineage import impact
from closedbook.lineage.history import History
from closedbook.lineage.takedown import certify, held, notes
from closedbook.llm import ledger
from closedbook.records import Document, EntityList, Passage, Passages
from closedbook.sources.article import document_id
from closedbook.util import files, shingles
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, receipts

ROOT = Path(__file__).parent.parent
VARN, KELL = document_id("varn", "varn.md"), document_id("it's kell", "it's kell.md")
SHARED = "All of this was written down by the clerk of the harbour office, and nobody asked him why he did so."
TEXTS = {
    VARN: f"Mira Oldan kept the lighthouse of Varn for thirty years and counted every ship by its lamps. {SHARED}",
    KELL: f"The bridge at Kell fell in a storm one night, and Tomas Reed built it again with his own two hands. {SHARED}",
}
CALL = {"key": "k1", "model": "openai/toy", "model_answered": "toy-1", "settings": {"api_base": "https://me:secret@host/v1"},
        "attempt": 0, "cost_usd": 0.5}
QUESTION = {"document": "varn.md", "question_unique_id": "q", "question": "Who?", "options": ["a", "b", "c", "d"], "gold_label": 1}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Finished results of two documents, one arm that read each twice, and a ledger."""
    params = YAML(typ="safe").load(Path("params.yaml"))
    monkeypatch.chdir(tmp_path)
    for name in ("src", "evals"):
        Path(name).symlink_to(ROOT / name)
    params["arms"] = {"a": {"strategy": "entigraph", "corpus_tokens": 30, "epochs": 2, "seeds": [1]}}
    params["api_models"] = {"gpt": {"model": "openai/gpt-4-turbo", "api_base": None, "tasks": ["quality_cot"]}}
    monkeypatch.delenv("DVC_ROOT", raising=False)
    params["documents"] = {"source": "folder", "path": "texts", "limit": None}
    with open("params.yaml", "w") as handle:
        YAML(typ="safe").dump(params, handle)
    files.write_text("texts/varn.md", TEXTS[VARN])
    files.write_text("texts/it's kell.md", TEXTS[KELL])
    files.write_json_lines("texts/questions.jsonl", [QUESTION])
    for document in TEXTS:
        _document(document)
    _base()
    _arm([VARN, KELL])
    _ledger()
    return tmp_path


def _job(job, inputs, outputs, **settings):
    toys.receipt(job, inputs, outputs, settings, {"made_by": "llm", "maker": "toy-1"})


def _document(document):
    source, made = f".closedbook/sources/{document}.json", f"results/documents/{document}.json"
    files.write_json(source, {"text": TEXTS[document]})
    Document(id=document, title=document.title(), author=None, year=None, text=TEXTS[document]).write(made)
    files.write_json(f"results/questions/{document}.json", [])
    _job(f"documents/{document}", [source], [made, f"results/questions/{document}.json"])
    entities, passages = f"results/entities/{document}.json", f"results/passages/entigraph/{document}.json"
    EntityList(document=document, summary=f"A summary of {document}.", entities=["A", "B"], made_by="llm", why=None, maker="toy-1",
               call=CALL).write(entities)
    _job(f"entities/{document}", [made], [entities])
    told = [Passage(id=f"{document}/entigraph/{kind}", document=document, strategy="entigraph", kind=kind, entities=[], sample=0,
                    writer="llm", text=f"A {kind} is told of {TEXTS[document]}", call={**CALL, "key": kind}) for kind in ("pair", "triplet")]
    Passages(document=document, strategy="entigraph", passages=told, dropped=[]).write(passages)
    _job(f"passages/entigraph/{document}", [made, entities], [passages])


def _base():
    files.write_text("results/base/tokenizer.json", "the same for all")
    _job("base/base", [], ["results/base/tokenizer.json"])


def _arm(documents):
    """A corpus of 10 tokens a passage, a run that reads it twice, its score."""
    corpus, run = Path("results/corpora/entigraph-30"), Path("results/runs/a-s1")
    rows = [{"document": document, "kind": kind} for document in documents for kind in ("pair", "triplet")]
    files.write_json_lines(corpus / "passages.jsonl", rows)
    files.write_json(corpus / "pieces.json", [f"entigraph/{document}" for document in documents])
    np.save(corpus / "passages.npy", np.array([(row // 2, row % 2 * 10, 10) for row in range(len(rows))]))
    files.write_json(corpus / "corpus.json", {"corpus_tokens": len(rows) * 10, "existing_tokens": len(rows) * 10})
    _job("corpora/entigraph-30", [f"results/passages/entigraph/{document}.json" for document in documents], [corpus],
         arm={"corpus_tokens": 30})
    visits = [(0, row, 10) for row in range(len(rows))]
    run.mkdir(parents=True, exist_ok=True)
    np.save(run / "schedule.npy", np.array([*visits, (1, 0, 7), *visits]))
    files.write_text(run / "model.safetensors", f"weights after {documents}")
    files.write_text(run / "tokenizer.json", "the same for all")
    counts = {"arm": "a", "corpus": "entigraph-30", "train_tokens": len(rows) * 20, "replay_tokens": 7}
    files.write_json(run / "run.json", {**counts, "sha256": {"model.safetensors": "0" * 64}})
    _job("runs/a-s1", [str(path) for path in sorted(corpus.iterdir())], [run])
    files.write_json("results/scores/a-s1.json", {"num": len(documents)})
    _job("scores/a-s1", [str(run / "model.safetensors"), *(f"results/questions/{document}.json" for document in documents)],
         ["results/scores/a-s1.json"])


def _ledger():
    for document, text in TEXTS.items():
        with ledger.Ledger("entigraph", document) as segment:
            for number in range(2):
                request = {"gen_ai.request.model": CALL["model"], "api_base": CALL["settings"]["api_base"]}
                asked = {"request": request, "messages": [{"role": "user", "content": text}], "text": f"Told: {text}", "time": 86400.0 * number}
                segment.append({"key": f"{document}{number}", **asked}, text)


def ask(document, redact=False, certify=False):
    return impact.answer(Namespace(document=document, redact=redact, certify=certify))


def taken_out():
    """What the commands of the answer do, without DVC."""
    for command in ask(VARN)["commands"][:2]:
        subprocess.run(command, shell=True, check=True)
    for path in [path for folder in ("results", ".closedbook") for path in Path(folder).rglob("*.json") if VARN in str(path)]:
        path.unlink()
    _arm([KELL])
    ask(VARN, redact=True)


def broken(document=VARN):
    return {trace["file"]: trace for trace in ask(document, certify=True)["broken"]}


def test_the_answer_counts_what_holds_it_and_what_it_costs_to_be_without(project):
    answer = ask(VARN)
    assert answer["passages"] == {"entigraph": {"pair": 1, "triplet": 1}}
    assert answer["corpora"] == {"entigraph-30": {"tokens": 20, "passages": 2, "corpus_tokens": 40}}
    assert (answer["runs"]["a-s1"]["tokens_read"], answer["runs"]["a-s1"]["train_tokens"]) == (40, 80) and answer["scores"] == ["a-s1"]
    assert answer["rebuilt"] == {"corpora": 1, "runs": 1, "scores": 1}
    assert answer["cost"] == {"train_tokens": 87, "model_calls": 0, "seconds": None}
    assert answer["calls"] == {"calls": 3, "cost_usd": 1.5, "models": ["openai/toy"]}
    assert "arms.a.corpus_tokens: 30 is more than the 20 tokens or fewer" in answer["consequences"][0]
    assert "Varn" in "\n".join(impact.lines(answer))


def test_the_commands_are_quoted_for_the_shell(project):
    assert ask(VARN)["commands"][:3] == ["sed -i 1d -- texts/questions.jsonl", "rm -- texts/varn.md", "snakemake --cores all"]
    assert ask(KELL)["commands"][0] == "rm -- 'texts/it'\"'\"'s kell.md'"


def test_the_note_holds_no_word_of_the_document_and_stays_whole_when_asked_again(project):
    ask(VARN)
    note = notes.place(VARN).read_text()
    assert not [word for word in TEXTS[VARN].split() if len(word) > 4 and word in note]
    record = notes.read(VARN)
    taken_out = record.shingles
    ask(VARN)
    assert notes.read(VARN).shingles == taken_out and len(taken_out) >= 2


def test_what_other_documents_say_too_is_not_looked_for(project):
    ask(VARN)
    assert notes.read(VARN).shared and "were not looked for" in "\n".join(certify.unreachable(notes.read(VARN)))
    assert not shingles.in_bytes(SHARED.encode(), notes.read(VARN).wanted()).size
    assert shingles.in_bytes(TEXTS[VARN].encode(), notes.read(VARN).wanted()).size


def test_after_the_commands_nothing_is_left_and_the_ledger_keeps_hashes(project):
    before = ask(VARN)
    assert broken(), "nothing was done yet"
    taken_out()
    answer = ask(VARN, certify=True)
    assert answer["broken"] == [] and answer["files"] > 20
    assert "nothing of it is left in any of" in impact.lines(answer)[0]
    segment = Path(f"ledger/entigraph/{VARN}.jsonl").read_text()
    assert "lighthouse" not in segment and f"{VARN}0" in segment
    assert "2 calls from 1970-01-01 to 1970-01-02" in "\n".join(answer["unreachable"]) and "secret" not in json.dumps([before, answer])


def test_redaction_waits_until_it_is_taken_out_and_rebuilt(project):
    ask(VARN)
    with pytest.raises(UserError, match="still among the documents"):
        ask(VARN, redact=True)
    Path("texts/varn.md").unlink(), Path("texts/questions.jsonl").unlink()
    with pytest.raises(UserError, match="results/receipts/.*: a result still holds it"):
        ask(VARN, redact=True)
    assert "lighthouse" in Path(f"ledger/entigraph/{VARN}.jsonl").read_text()


def test_results_of_an_older_plan_are_told_apart_and_go_for_good_with_the_names_that_kept_them(project):
    files.write_text("results/scores/old-s1.json", "a score")
    read = [f"results/questions/{VARN}.json"]
    _job("scores/old-s1", read, ["results/scores/old-s1.json"])
    answer = ask(VARN)
    assert answer["unplanned"] == ["scores/old-s1"] and answer["rebuilt"] == {"corpora": 1, "runs": 1, "scores": 1}
    files.write_text("results/scores/my-own.txt", "not of it")
    for command in answer["commands"][:2]:
        subprocess.run(command, shell=True, check=True)
    with pytest.raises(UserError, match="results/receipts/corpora/entigraph-30.json: a result still holds it"):
        ask(VARN, redact=True)
    _arm([KELL])
    assert "--redact" in broken()[f"results/documents/{VARN}.json"]["remedy"]
    gone = set(ask(VARN, redact=True)["redacted"])
    assert {"results/scores/old-s1.json", "results/receipts/scores/old-s1.json", f"results/documents/{VARN}.json"} <= gone
    assert not broken() and Path("results/scores/my-own.txt").exists() and Path(f"results/documents/{KELL}.json").exists()


def test_the_names_that_could_bring_its_results_back_are_listed_found_and_forgotten(project, monkeypatch):
    kept = {"of-it": "outs:\n- md5: 0a.dir\n", "of-others": "outs:\n- md5: 0b.dir\n"}
    monkeypatch.setattr(notes, "_folders", lambda document: ["0a.dir"])
    monkeypatch.setattr(dvc, "kept", lambda: dict(kept))
    monkeypatch.setattr(dvc, "forget", kept.pop)
    assert ask(VARN)["kept"] == ["of-it"] and "Kept, and to be forgotten: of-it" in impact.lines(ask(VARN))
    assert "--redact" in broken()["refs/closedbook/kept/of-it"]["remedy"]
    taken_out()
    assert list(kept) == ["of-others"] and not broken()


def database(path):
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("CREATE TABLE tags (value TEXT)")
    store.execute("INSERT INTO tags VALUES (?)", (TEXTS[VARN],))
    store.execute("PRAGMA secure_delete = OFF")
    store.execute("DELETE FROM tags")
    store.close()


LEFT = {
    "results/report/report.html": "<p>" + TEXTS[VARN].replace(" and ", " <i>&#97;nd</i> ").replace("thirty", "thirty&#32;") + "</p>",
    "results/runs/.unfinished/a-s1/model.safetensors": f"weights after {[VARN, KELL]}",
    "results/documents/.tmp-closedbook-abc": TEXTS[VARN],
    "results/documents/stray.json": json.dumps({"text": TEXTS[VARN].replace(" ", "\n")}),
    ".closedbook/logs/passages/entigraph/x.log": f"said: {TEXTS[VARN].upper()}",
    ".closedbook/checkpoints/a-s1/checkpoint-5/model.safetensors": "\0weights",
    ".closedbook/nearest/0123/passages.json": f'["{VARN}/entigraph/pair"]',
    ".closedbook/nearest/tmp0/vocab.index.json": '{"lighthouse": 0}',
    ".snakemake/metadata/cmVz": f'{{"input": ["results/documents/{VARN}.json"]}}',
    ".dvc/cache/files/md5/aa/bb.dir": f'[{{"relpath": "{VARN}.json"}}]',
    ".dvc/cache/files/md5/cc/dd": f"weights after {[VARN, KELL]}",
    ".dvc/tmp/exps/tmp1/results/passages.json": json.dumps(TEXTS[VARN]),
    "ledger/texts/0123.txt": TEXTS[VARN],
    "mlartifacts/run1/artifacts/examples.txt": TEXTS[VARN],
    "crate/ro-crate-metadata.json": f'{{"@id": "results/documents/{VARN}.json"}}',
    "cards/README.md": TEXTS[VARN],
    "notes/mine.txt": TEXTS[VARN],
}


@pytest.mark.parametrize("file", LEFT)
def test_each_kind_of_left_over_is_found_with_the_command_that_removes_it(project, file):
    taken_out()
    assert not broken()
    files.write_text(file, LEFT[file])
    (trace,) = broken().values()
    assert trace["file"] == file and trace["why"] and trace["remedy"]
    if "--redact" in trace["remedy"]:
        ask(VARN, redact=True)
        assert not broken()


def test_an_api_model_s_score_is_one_of_the_scores(project):
    files.write_json("results/scores/api-gpt.json", {})
    recipe = {"step": "api_models", "params": {}, "code": "c" * 64, "prompts": {}, "assets": {}}
    place = f"results/questions/{VARN}.json"
    receipts.write(receipts.FOLDER / "scores/api-gpt.json", recipe=recipe, inputs={place: files.sha256_file(place)},
                   outputs=[Path("results/scores/api-gpt.json")], facts={})
    answer = ask(VARN)
    assert answer["scores"] == ["a-s1", "api-gpt"] and answer["rebuilt"]["api_models"] == 1


def test_a_call_about_another_document_that_shows_chunks_of_it_is_noted_found_and_struck_alone(project):
    request = {"gen_ai.request.model": "openai/reader", "api_base": None}
    with ledger.Ledger("reader-gpt", KELL) as segment:
        for key, shown in (("own", TEXTS[KELL]), ("both", f"{TEXTS[KELL]}\n\n{TEXTS[VARN]}")):
            segment.append({"key": key, "request": request, "messages": [{"role": "user", "content": shown}], "text": "B", "time": 0.0})
    assert {"model": "openai/reader", "api_base": None, "calls": 1, "first": "1970-01-01", "last": "1970-01-01"} in notes.note(
        History.here(), VARN).calls
    taken_out()
    assert not broken()
    own, both = [record for _, record, problem in ledger.verified(Path(f"ledger/reader-gpt/{KELL}.jsonl")) if not problem]
    assert own["text"] == "B" and "messages" not in both and "text" not in both


def test_a_call_about_it_whose_short_answer_was_not_struck_is_found(project):
    taken_out()
    with ledger.Ledger("entities", VARN) as segment:
        segment.append({"key": "k1", "messages": [], "text": "Varn.", "time": 0.0})
    assert broken()[f"ledger/entities/{VARN}.jsonl"]["why"] == "holds texts of calls about it"


def test_a_text_deleted_from_a_database_and_not_yet_overwritten_is_found(project):
    taken_out()
    database("mlflow.db")
    assert "VACUUM" in broken()["mlflow.db"]["remedy"]


def test_a_document_hidden_in_a_corpus_and_a_model_trained_on_it_are_found_by_index_and_receipt(project):
    taken_out()
    old = files.sha256_file("results/corpora/entigraph-30/passages.npy")
    rows = files.read_json_lines("results/corpora/entigraph-30/passages.jsonl")
    files.write_json_lines("results/corpora/entigraph-30/passages.jsonl", [rows[0], {**rows[1], "document": VARN}])
    record = notes.read(VARN)
    known = next(sha256 for sha256, path in record.files.items() if path == "results/corpora/entigraph-30/passages.npy")
    receipt = receipts.read(Path("results/receipts/runs/a-s1.json"))
    receipt["inputs"]["results/corpora/entigraph-30/passages.npy"] = known
    receipts.keep(Path("results/receipts/runs/a-s1.json"), receipt)
    found = broken()
    assert old != known and "10 of its tokens are of the document: 10 to 19" in found["results/corpora/entigraph-30/passages.npy"]["why"]
    assert "as its receipt says" in found["results/runs/a-s1/model.safetensors"]["why"]


def test_a_corpus_that_an_older_version_left_holds_tokens_of_its_own_which_are_found(project):
    taken_out()
    older = Path("results/corpora/older")
    files.write_json_lines(older / "passages.jsonl", [{"document": VARN}])
    np.save(older / "offsets.npy", np.array([0, 10]))
    np.save(older / "tokens.npy", np.arange(10, dtype=np.uint32))
    assert "10 of its tokens are of the document: 0 to 9" in broken()[str(older / "tokens.npy")]["why"]


def test_a_file_that_comes_back_to_the_source_is_found(project):
    taken_out()
    files.write_text("texts/varn.md", "another text under the old name")
    assert broken()["texts/varn.md"] == {"file": "texts/varn.md", "why": "the source still holds it", "remedy": "rm -- texts/varn.md"}


def test_git_remotes_and_commits_out_of_reach_are_named_without_credentials(project):
    git("init", "--quiet")
    git("add", "texts")
    git("commit", "--quiet", "-m", "all")
    git("remote", "add", "origin", "https://user:hunter2@example.org/repo.git?token=abc")
    git("remote", "add", "second", "user:hunter2@example.org:repo.git")
    taken_out()
    told = "\n".join(certify.unreachable(notes.read(VARN)))
    commit = git("log", "--format=%h").strip()
    assert f"commit {commit} names it" in told and "https://example.org/repo.git" in told and "hunter2" not in told and "abc" not in told


def test_it_is_found_by_its_title_while_it_is_here_and_by_its_id_when_it_is_gone(project):
    assert ask(VARN.upper()) == ask(f"results/documents/{VARN}.json") == ask(VARN)
    with pytest.raises(UserError, match="still among the documents"):
        ask(VARN.upper(), redact=True)
    taken_out()
    with pytest.raises(UserError, match="no note of one"):
        ask(VARN.upper(), certify=True)


@pytest.mark.parametrize("document", ["zarn", "../../params", "no such"])
def test_an_unknown_document_is_refused_with_the_nearest_known(project, document):
    with pytest.raises(UserError, match="no such document"):
        ask(document)
    with pytest.raises(UserError, match="no note of one in ledger/takedowns"):
        ask(document, certify=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"document": "varn"}'])
def test_a_note_that_is_none_is_refused(project, text):
    files.write_text(notes.place(VARN), text)
    for questions in ({}, {"certify": True}):
        with pytest.raises(UserError, match="ledger/takedowns/.*not a note of a takedown.*delete this file"):
            ask(VARN, **questions)


def test_results_that_are_not_here_are_asked_for(project):
    Path("results/runs/a-s1/schedule.npy").unlink()
    with pytest.raises(UserError, match="results/runs/a-s1/schedule.npy.*dvc pull"):
        ask(VARN)


def test_a_clone_without_source_and_ledger_can_ask(project):
    subprocess.run(["rm", "-r", "texts", "ledger", ".closedbook"], check=True)
    answer = ask(VARN)
    assert answer["source"] is None and answer["calls"]["calls"] == 3 and "# take it out of the source" in answer["commands"][0]


@pytest.mark.parametrize("number, commands", [(3, "set miniature.books: 2"), (2, "can't be taken out alone: miniature.books: 1")])
def test_a_made_up_book_goes_only_with_those_after_it(number, commands):
    found = held.Origin(source="miniature", path="world.yaml", places={}, number=number, total=3, limit=None)
    assert commands in found.commands()[0]


def test_a_limit_lets_the_next_document_in():
    found = held.Origin(source="folder", path="texts", places={Path("a"): []}, number=1, total=3, limit=2)
    assert "documents.limit: 2 lets the next document in" in found.consequences()[0]


def test_a_title_reaches_no_terminal_unescaped(project, monkeypatch, capsys):
    monkeypatch.setattr(impact, "answer", lambda options: {"redacted": ["\x1b[2Jgone\u202e\nnext"]})
    assert cli.main(["impact", VARN]) in (0, None)
    assert capsys.readouterr().out.splitlines() == [r"struck or removed: \x1b[2Jgone\u202e\nnext", "1 struck or removed"]


def test_no_note_is_taken_from_an_edited_passage_and_all_broken_receipts_are_counted(project):
    path = next(Path("results/passages").glob(f"*/{VARN}.json"))
    path.write_text(path.read_text().replace("a", "e", 1))
    with pytest.raises(UserError, match=f"{path}: is not what .* says"):
        ask(VARN)
    assert not notes.is_noted(VARN)
    paths = sorted(Path("results/receipts").rglob("*.json"))
    for receipt in paths[:3]:
        receipt.write_text("{}")
    with pytest.raises(UserError, match=f"{paths[0]}: not a whole receipt.*and 2 more of {len(paths)} receipts"):
        ask(VARN)


def test_what_dvc_gc_drops_beside_the_document_is_said(project):
    answer = ask(VARN)
    assert "--redact also removes for good" in "\n".join(impact.lines(answer)) and "dvc gc" not in "\n".join(impact.lines(answer))
    said = "\n".join(impact.lines({**answer, "commands": [*answer["commands"], "dvc gc --workspace"]}))
    assert "every older version of every result" in said and "those of other documents" in said and "restore" in said


def test_columns_stay_apart_whatever_the_names(project):
    answer, name = ask(VARN), "r" * 40
    told = impact.lines({**answer, "corpora": {name: answer["corpora"]["entigraph-30"]}, "runs": {name: answer["runs"]["a-s1"]}})
    rows = [re.split(" {2,}", line) for line in told]
    assert ["corpus", "its passages", "its tokens", "of"] in rows and [name, "2", "20", "40"] in rows
    assert ["run", "tokens read of it", "of", "model (SHA-256)"] in rows
    assert [name, "40", "80", answer["runs"]["a-s1"]["model_sha256"]] in rows
    heading, row = (next(line for line in told if line.startswith(first)) for first in ("corpus ", name))
    assert heading.index("its passages") + len("its passages") == row.index("2") + 1, "figures end below the heading"
