"""trace: every token of a toy run leads to the text that holds it, and every other question to what made its answer."""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import toy_chat
import toys

from closedbook import models
from closedbook.lineage import trace
from closedbook.lineage.tracing import nearest, passage, tokens
from closedbook.llm import prompts
from closedbook.records import Document, Passage, Passages
from closedbook.training import amounts, packing
from closedbook.training.reading import Texts
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts

HOSTILE = '"quoted"\n  },\n  {\n   "id": "tide/entigraph/9",\n   "document": "tide"\n  }\u2028\x1b[31m <b>\U0001f642</b> \\n'
CALL = {"key": "5" * 64, "model": "openai/big", "model_answered": "big-0001", "settings": {"temperature": 0.7}, "sample": 0, "attempt": 1,
        "prompt": "pair", "prompt_sha256": prompts.digest("pair"), "usage": {"prompt_tokens": 9, "completion_tokens": 4}, "cost_usd": 0.5,
        "finish_reason": "stop", "response_sha256": "6" * 64}  # fmt: skip
BLOCK, BATCH = 16, 4


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pipeline up to a run that is not trained, with its receipts; copied for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("made"))
        base = toys.base(Path("results/base"))
        files.write_json(base, files.read_json(base) | {"before_text": [0]})  # the end of text before each text too, as GPT-2's relatives do
        toys.receipt("base/base", [], ["results/base/base.json"])
        for document in ("lamp", "tide"):
            _document(document)
        paths = sorted(Path("results/passages").glob("*/*.json"))
        results, replay = Path("results"), Path("results/tokens/replay/all")
        toys.built(results / "corpora/toy", results, results / "base", paths)
        toys.replay(replay, results / "base")
        toys.receipt("tokens/replay/all", ["results/base/base.json", "results/base/replay.jsonl"], [replay],
                     reads={"replay": "results/base/replay.jsonl"})
        toys.receipt("tokens/replay_overlap/all", ["results/base/replay.jsonl"], ["results/tokens/replay_overlap/all.jsonl"])
        for path in paths:
            piece = results / "tokens/entigraph" / path.stem
            toys.receipt(f"tokens/entigraph/{path.stem}", [path, "results/base/base.json"], [piece.with_suffix(".npy"), piece.with_suffix(".jsonl")])
        toys.receipt("corpora/toy", [*results.glob("tokens/entigraph/*"), "results/base/base.json"], ["results/corpora/toy"])
        _run("toy-s1")
        return Path.cwd()


def _document(name):
    document = Document(id=name, title=f"The {name}\x1b[31m", author="Ann Lee", year=None, text="Long ago.", license="CC0")
    document.write(Path(f"results/documents/{name}.json"))
    files.write_json(f"sources/{name}.json", name)
    toys.receipt(f"documents/{name}", [f"sources/{name}.json"], [f"results/documents/{name}.json"])
    texts = [f"{name} {number}. {toys.SENTENCES[number]}" for number in range(3)] + [f"{HOSTILE} {name}"]
    written = [Passage(id=f"{name}/entigraph/{number}", document=name, strategy="entigraph", kind="pair", entities=["a", HOSTILE], sample=0,
                       writer="llm" if number else "document", text=text, call=CALL if number else None) for number, text in enumerate(texts)]  # fmt: skip
    path = Path(f"results/passages/entigraph/{name}.json")
    dropped = [{"kind": "pair", "entities": [], "sample": 1, "reason": "refused"}]
    Passages(document=name, strategy="entigraph", passages=written, dropped=dropped).write(path)
    toys.receipt(f"passages/entigraph/{name}", [f"results/documents/{name}.json"], [path], {"llm": {"model": "openai/big"}},
                 {"answered": {"big-0001": 3}})


def _run(name):
    corpus, run = Path("results/corpora/toy"), Path("results/runs") / name
    shutil.copytree("results/base", run)
    train_tokens = 2 * files.read_json(corpus / "corpus.json")["corpus_tokens"]
    read = {"train_tokens": train_tokens, "replay_tokens": amounts.beside(0.2, train_tokens)}
    np.save(run / "schedule.npy", packing.schedule(texts_of(read["replay_tokens"]), [*read.values()], seed=1, run_seed=1))
    dataset = packing.PackedDataset(texts_of(read["replay_tokens"]), np.load(run / "schedule.npy"), BLOCK, 0)
    counts = {**read, "replay_overlap": "all", "replay_rate": 0.2, "num_blocks": len(dataset)}
    files.write_json(run / "run.json", {
        "run": name, "corpus": "toy", "arm": "toy", "seed": 1, "block_size": BLOCK, "batch_size": BATCH, "num_steps": -(-len(dataset) // BATCH), **counts,
        "data_sha256": "d" * 64,
        "padding_tokens": len(dataset) * BLOCK - counts["train_tokens"] - counts["replay_tokens"],
    })  # fmt: skip
    toys.receipt(f"runs/{name}", [corpus / "corpus.json", "results/base/base.json", "results/tokens/replay/all/replay.json"], [run])


def texts_of(replay_tokens):
    return [Texts.of_corpus(Path("results/corpora/toy")), Texts.of_replay(Path("results/tokens/replay/all"), Path("results/tokens/replay_overlap/all.jsonl"), replay_tokens)]


def dataset_of(run):
    replay_tokens = files.read_json(run / "run.json")["replay_tokens"]
    return packing.PackedDataset(texts_of(replay_tokens), np.load(run / "schedule.npy"), BLOCK, 0)


@pytest.fixture
def pipeline(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "pipeline")
    monkeypatch.chdir(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def ask(target=None, **options):
    options = {"run": None, "token": None, "step": None, "text": None} | options
    return trace.answer(argparse.Namespace(target=target, **options))


def error_of(*target, **options) -> str:
    with pytest.raises(UserError) as error:
        ask(*target, **options)
    return str(error.value)


def spelled() -> dict:
    """The tokens of each text that a run could read."""
    tokenizer = models.tokenizer(Path("results/base"))
    texts = {("corpus", each.id): each.text for path in Path("results/passages").glob("*/*.json") for each in Passages.read(path).passages}
    texts |= {("replay", row["id"]): row["text"] for row in files.read_json_lines("results/base/replay.jsonl")}
    end = tokenizer.eos_token_id
    return {name: [end, *tokenizer(text, add_special_tokens=False)["input_ids"], end] for name, text in texts.items()}


def wrongly_traced() -> list[int]:
    """The tokens that do not lead to the place in the text that the dataset read at their place."""
    run, dataset, texts, wrong = tokens.Run("toy"), dataset_of(Path("results/runs/toy-s1")), spelled(), []
    for number in range(run.num_tokens):
        place, read = run.token(number), int(dataset[number // BLOCK]["input_ids"][number % BLOCK])
        stands = texts[place["read_from"], place["id"]][place["offset_in_text"] :][:1]
        if not [read] == [place["token_id"]] == stands or (place["block"], place["step"]) != (number // BLOCK, number // BLOCK // BATCH):
            wrong.append(number)
    return wrong


@pytest.mark.parametrize("visits_at_a_time", [tokens.VISITS, 3])
def test_every_token_leads_to_the_text_that_holds_it(pipeline, monkeypatch, visits_at_a_time):
    monkeypatch.setattr(tokens, "VISITS", visits_at_a_time)
    assert wrongly_traced() == []


def test_the_tokens_around_a_text_are_reported_as_such(pipeline):
    run, texts = tokens.Run("toy"), spelled()
    for place in map(run.token, range(run.num_tokens)):
        last = place["offset_in_text"] == len(texts[place["read_from"], place["id"]]) - 1
        assert place["part"] == ("before the text" if place["offset_in_text"] == 0 else "end of text" if last else "text")
    for piece in (piece for number in range(run.num_steps) for piece in run.step(number)["read"]):
        ends = piece["offset_in_text"] + piece["tokens"] == len(texts[piece["read_from"], piece["id"]])
        assert piece["with"] == ["before the text"] * (piece["offset_in_text"] == 0) + ["end of text"] * ends
    assert any("end of text" in line for line in trace.lines(ask(run="toy-s1", step=0)))


def test_a_run_of_an_older_corpus_says_so_and_a_passage_is_found_in_it(pipeline):
    """Before passages were tokenised once for all corpora, each corpus had tokens and offsets of its own."""
    now = ask("lamp/entigraph/3")["corpora"]
    np.save("results/corpora/toy/offsets.npy", Texts.of_corpus(Path("results/corpora/toy")).offsets)
    Path("results/corpora/toy/passages.npy").unlink()
    assert ask("lamp/entigraph/3")["corpora"] == now
    path = Path("results/runs/toy-s1/run.json")
    files.write_json(path, {name: value for name, value in files.read_json(path).items() if not name.startswith("replay")} | {"replay_tokens": 9})
    assert "toy-s1: is from before passages were tokenised once" in error_of(run="toy", token=0)


def test_a_wrong_index_and_a_wrong_schedule_would_be_noticed(pipeline):
    index = Path("results/corpora/toy/passages.jsonl")
    first, second, *rest = index.read_text().splitlines()
    index.write_text("\n".join([second, first, *rest]) + "\n")
    assert wrongly_traced()
    index.write_text("\n".join([first, second, *rest]) + "\n")
    assert not wrongly_traced()
    schedule, at = np.load("results/runs/toy-s1/schedule.npy"), tokens.Run("toy").token(0)
    schedule[0, 1] = (schedule[0, 1] + 1) % 4
    np.save("results/runs/toy-s1/schedule.npy", schedule)
    assert tokens.Run("toy").token(0)["id"] != at["id"]


def test_a_step_is_all_that_its_blocks_hold_and_its_padding(pipeline):
    run, dataset, texts, blocks = tokens.Run("toy"), dataset_of(Path("results/runs/toy-s1")), spelled(), 0
    for number in range(run.num_steps):
        seen = run.step(number)
        for block in range(seen["first_block"], seen["last_block"] + 1):
            pieces = [texts[piece["read_from"], piece["id"]][(at := piece["offset_in_text"]) : at + piece["tokens"]] for piece in seen["read"]
                      if piece["block"] == block]  # fmt: skip
            labels = dataset[block]["labels"]
            assert sum(pieces, []) == labels[labels != packing.IGNORED].tolist()
            blocks += 1
        assert seen["tokens"] + seen["padding"] == (seen["last_block"] - seen["first_block"] + 1) * BLOCK
    assert blocks == len(dataset) and seen["padding"] > 0


def test_a_token_is_reported_with_its_neighbours_and_all_behind_it(pipeline):
    run = tokens.Run("toy")
    number = next(number for number, place in enumerate(map(run.token, range(run.num_tokens)))
                  if (place["id"], place["offset_in_text"]) == ("tide/entigraph/1", 3))  # fmt: skip
    found = ask(run="toy-s1", token=number)
    place = found["token"]
    around = place["text_before"] + place["text"] + place["text_after"]
    assert len(around) > 10 and "<eos>tide 1. Mira Oldan sold the brass".startswith(around) and place["text"]
    assert found["passage"]["id"] == "tide/entigraph/1"
    assert (found["document"]["title"], found["document"]["license"]) == ("The tide\x1b[31m", "CC0")
    assert found["document"]["source_sha256"] == files.sha256_file("sources/tide.json")
    assert found["prompt"] == {"name": "pair", "sha256": prompts.digest("pair"), "unchanged_since": True}
    assert found["call"]["model_answered"] == "big-0001" and found["call"]["cost_usd"] == 0.5
    assert "openai/big: a provider's model that is not pinned (answered as big-0001): what answers to this name may change" in found["unproved"]


def test_a_replayed_token_names_its_row_and_file(pipeline):
    run = tokens.Run("toy")
    number = next(number for number in range(run.num_tokens) if run.token(number)["read_from"] == "replay")
    found = ask(run="toy", token=number)
    assert found["token"]["id"] in "0123"
    assert found["replay"] == {"file": "results/base/replay.jsonl", "sha256": files.sha256_file("results/base/replay.jsonl")}
    seen = ask(run="toy", step=number // BLOCK // BATCH)
    assert seen["replay"] == found["replay"] and {piece["read_from"] for piece in seen["read"]} == {"corpus", "replay"}
    assert {piece.get("document") for piece in seen["read"]} == {None, "The lamp\x1b[31m", "The tide\x1b[31m"}


def test_a_token_of_a_dialogue_names_its_row_and_file(pipeline):
    from closedbook import params
    from closedbook.stages import dialogues

    talks, read, run = toy_chat.dialogues(Path("chat.jsonl")), Path("results/tokens/dialogues/toy"), Path("results/runs/toy-s1")
    dialogues.build(path=str(talks), settings=params.Chat(template=str(toy_chat.template(Path("chat.jinja")))), field="arms.toy.dialogues", longest=None,
                    question_words=8, pinned=Path("results/base/base.json"), questions=[], documents=[], folder=read)  # fmt: skip
    toys.receipt("tokens/dialogues/toy", [talks, "results/base/base.json"], [read], {"path": str(talks)})
    facts = files.read_json(run / "run.json")
    wanted = {name: facts[name] for name in ("train_tokens", "replay_tokens")} | {"dialogue_tokens": 100}
    texts = [*texts_of(facts["replay_tokens"]), Texts.of_dialogues(read, 100)]
    np.save(run / "schedule.npy", packing.schedule(texts, [*wanted.values()], seed=1, run_seed=1))
    blocks = -(-sum(wanted.values()) // BLOCK)
    files.write_json(run / "run.json", facts | wanted | {"dialogues": "toy", "num_blocks": blocks, "num_steps": -(-blocks // BATCH),
                                                         "padding_tokens": blocks * BLOCK - sum(wanted.values())})  # fmt: skip
    found = tokens.Run("toy")
    number = next(number for number in range(found.num_tokens) if found.token(number)["read_from"] == "dialogues")
    answer = ask(run="toy", token=number)
    assert answer["dialogues"] == {"file": "chat.jsonl", "sha256": files.sha256_file("chat.jsonl")} and answer["token"]["id"] in "123"
    assert {piece["read_from"] for piece in ask(run="toy", step=number // BLOCK // BATCH)["read"]} >= {"dialogues"}


def test_a_passage_is_found_whatever_the_texts_beside_it_look_like(pipeline):
    for path in Path("results/passages").glob("*/*.json"):
        for each in Passages.read(path).passages:
            assert Passage(**passage.one(each.id, passage.history([each.id]))) == each


def test_a_passage_says_where_it_is_in_which_corpora(pipeline):
    shutil.copytree("results/corpora/toy", "results/corpora/other")
    shutil.copytree("results/corpora/toy", "results/corpora/my-own")
    toys.receipt("corpora/other", [], ["results/corpora/other"])
    (first, second), offsets = ask("lamp/entigraph/3")["corpora"], Texts.of_corpus(Path("results/corpora/toy")).offsets
    row = [row["id"] for row in files.read_json_lines("results/corpora/toy/passages.jsonl")].index("lamp/entigraph/3")
    assert first == {"corpus": "other", "first_token": offsets[row], "last_token": offsets[row + 1] - 1} and second == first | {"corpus": "toy"}
    assert "call" in ask("lamp/entigraph/0") and ask("lamp/entigraph/0")["call"] is None


def test_a_changed_prompt_is_seen(pipeline, monkeypatch):
    monkeypatch.setattr(prompts, "digest", lambda name: "0" * 64)
    assert ask("lamp/entigraph/1")["prompt"]["unchanged_since"] is False


def test_a_run_says_what_is_behind_it(pipeline):
    found = ask("results/runs/toy-s1/run.json")
    assert found["sha256"] == files.sha256_file("results/runs/toy-s1/run.json")
    assert found["runs"][0]["model_sha256"] == files.sha256_file("results/runs/toy-s1/model.safetensors")
    assert found["corpora"][0]["num_passages"] == 8 and found["replay"][0]["replay_from"] == "results/base/replay.jsonl"
    assert found["replay"][0]["replay_sha256"] == files.sha256_file("results/base/replay.jsonl") and found["runs"][0]["replay_rate"] == 0.2
    assert [(row["writer"], row["model"], row["passages"]) for row in found["passages"]] == [("document", None, 2), ("llm", "openai/big", 6)]
    assert found["calls"][0] == {"for": "entigraph", "model": "openai/big", "answered": "big-0001", "calls": 1, "prompt_tokens": 9,
                                 "completion_tokens": 4, "usd": 0.5, "unmetered": 0, "unpriced": 0}  # fmt: skip
    assert found["dropped"][0]["passages"] == 2 and found["num_documents"] == 2
    assert {row["step"] for row in found["code"]} == {"base", "documents", "passages", "tokens", "replay", "corpora", "runs"}
    assert [row["commit"] for row in found["code"]] == [None] * 7 and found["environment"]["requirements_lock_sha256"] is None
    assert "scores" not in found and ask("results/documents/lamp.json")["documents"][0]["id"] == "lamp"


def test_passages_that_the_corpus_left_out_are_not_counted(pipeline):
    index = Path("results/corpora/toy/passages.jsonl")
    index.write_text(index.read_text().splitlines()[0] + "\n")
    path = Path("results/receipts/corpora/toy.json")
    made = files.read_json(path)
    receipts.keep(path, {**made, "outputs": {**made["outputs"], str(index): files.sha256_file(index)}})
    found = ask("results/corpora/toy/corpus.json")
    assert sum(row["passages"] for row in found["passages"]) == 1
    assert sum(row["passages"] for row in ask("results/passages/entigraph/lamp.json")["passages"]) == 4


@pytest.mark.parametrize("edited, question", [
    ("results/passages/entigraph/lamp.json", {"target": "lamp/entigraph/3"}),
    ("results/documents/lamp.json", {"target": "lamp/entigraph/3"}),
    ("results/passages/entigraph/lamp.json", {"target": "results/passages/entigraph/lamp.json"}),
    ("results/passages/entigraph/lamp.json", {"target": "results/runs/toy-s1/schedule.npy"}),
    ("results/runs/toy-s1/run.json", {"target": "results/runs/toy-s1/run.json"}),
    ("results/runs/toy-s1/schedule.npy", {"target": "results/runs/toy-s1/schedule.npy"}),
    ("results/corpora/toy/passages.jsonl", {"target": "results/corpora/toy/corpus.json"}),
])  # fmt: skip
def test_an_edited_result_is_not_believed(pipeline, edited, question):
    Path(edited).write_bytes(Path(edited).read_bytes() + b"\n")
    assert f"{edited}: is not what results/receipts/" in error_of(**question)


def test_a_target_as_long_as_a_sentence_is_no_file(pipeline):
    assert "neither a file" in error_of("word " * 100)


def test_what_is_printed_holds_nothing_that_a_terminal_obeys(pipeline):
    for question in ({"target": "lamp/entigraph/3"}, {"run": "toy", "token": 5}, {"run": "toy", "step": 0}, {"text": "lamps \x1b[31m"},
                     {"target": "results/runs/toy-s1/run.json"}):  # fmt: skip
        found = ask(**question)
        assert json.loads(json.dumps(found)) == found
        assert "\x1b" not in "\n".join(trace.lines(found)) and "What can't be proved:" in trace.lines(found)


def test_the_nearest_passages_come_first_and_words_that_no_text_has_find_none(pipeline):
    found = ask(text="Who bought the brass compass of Mira?")
    assert [row["passage"] for row in found["nearest"]][:2] in (["lamp/entigraph/1", "tide/entigraph/1"], ["tide/entigraph/1", "lamp/entigraph/1"])
    assert found["nearest"][0]["nearest_sentence"] == "Mira Oldan sold the brass compass to a captain from the north."
    assert found["nearest"][0]["corpora"] == ["toy"] and found["nearest"][0]["document"].startswith("The ")
    assert all(row["score"] > 0 for row in found["nearest"]) and found["found"] < 8
    for words in ("zzzz", "the of"):
        assert ask(text=words)["nearest"] == []
    assert "is empty" in error_of(text=" ")
    assert "is a folder: name a file in it" in error_of("results/corpora")


def test_an_index_is_kept_until_a_passage_changes(pipeline, capsys):
    def indexed() -> bool:
        passage.nearest_to("compass")
        return "indexing" in capsys.readouterr().err

    assert (indexed(), indexed()) == (True, False)
    path = Path("results/passages/entigraph/lamp.json")
    path.write_text(path.read_text().replace("brass", "stone"))
    assert (indexed(), indexed()) == (True, False) and len(list(nearest.INDEXES.iterdir())) == 1
    shutil.rmtree("results/passages")
    with pytest.raises(UserError, match="no passages to search"):
        passage.nearest_to("compass")


def test_one_question_at_a_time(pipeline):
    for question in ({}, {"run": "toy"}, {"token": 1}, {"run": "toy", "token": 1, "step": 1}, {"target": "a/b/1", "text": "x"},
                     {"run": "toy", "token": 1, "text": "x"}, {"text": "x", "step": 1}):  # fmt: skip
        assert error_of(**question).startswith("closedbook trace: ask for one thing")


def test_what_is_not_there_is_named_with_what_is(pipeline):
    run = tokens.Run("toy")
    for number in (run.num_tokens, -1):
        assert error_of(run="toy", token=number) == f"--token {number}: toy-s1 read {run.num_tokens:,} tokens: give one from 0 to {run.num_tokens - 1}"
    assert f"read {run.num_steps} steps" in error_of(run="toy", step=run.num_steps)
    assert "did you mean toy?" in error_of(run="toys", token=0)
    shutil.copytree("results/runs/toy-s1", "results/runs/toy-s2")
    toys.receipt("runs/toy-s2", [], ["results/runs/toy-s2"])
    assert "has several runs: name one of toy-s1, toy-s2" in error_of(run="toy", token=0)
    assert "no such passage in results/passages/entigraph/lamp.json; the nearest there: lamp/entigraph/" in error_of("lamp/entigraph/99")
    assert "did you mean entigraph/lamp?" in error_of("lamb/entigraph/1")
    assert "neither a file under results/ nor a passage's id" in error_of("../../etc/passwd")
    assert "no receipt names it" in error_of("results/nothing.json")


def test_what_is_missing_is_said(pipeline):
    Path("results/receipts/documents/lamp.json").unlink()
    assert error_of("lamp/entigraph/1").startswith("results/documents/lamp.json: no receipt names it")
    Path("results/passages/entigraph/tide.json").unlink()
    assert error_of("tide/entigraph/1").startswith("results/passages/entigraph/tide.json: is not here, though a receipt names it: dvc pull")
    Path("results/receipts/passages/entigraph/tide.json").write_text(json.dumps({"recipe": {}}))
    assert "from before receipts held it: no inputs" in error_of("tide/entigraph/1")
    shutil.rmtree("results/corpora/toy")
    assert "results/corpora/toy/lines.npy: is not here, and records what toy-s1 read: dvc pull" in error_of(run="toy", token=0)
