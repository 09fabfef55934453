"""Distillation: what a teacher expects of each token, in its place, and a student that comes to expect the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_runs
import toys

from closedbook import models, params
from closedbook.analysis import table
from closedbook.records import Document
from closedbook.stages import assistants, runs, scores, teacher
from closedbook.training import loss, packing, reading, teaching
from closedbook.util import files
from closedbook.util.errors import UserError

CONTEXT = 256
DISTIL = {"objective": "distil", "learning_rate": 0.02}


def world(folder: Path, strategy: str = "entigraph", texts: dict[str, list[str]] | None = None) -> Path:
    """A base that knows nothing, two documents, a corpus of passages about them, and replay."""
    toys.base(folder / "base", context=CONTEXT)
    texts = texts or {name: [f"{number}. {toys.SENTENCES[(number + shift) % 4]}" for number in range(5)] for shift, name in enumerate(("lamp", "mill"))}
    for name in texts:
        toys.document(folder, name, text=" ".join(texts[name]))
    passages = [toys.passages(folder, name, its, strategy) for name, its in texts.items()]
    toys.built(folder / "corpus", folder, folder / "base", passages, strategy=strategy)
    toys.replay(folder / "tokens/replay/all", folder / "base")
    return folder


def taught(world: Path, folder: Path, words: int | None = None, **settings) -> Path:
    folder.mkdir(parents=True)
    settings = toys.TRAINING.model_copy(update=settings)
    given = params.typed({"training": params.Training.model_validate(settings.model_dump()).model_dump(), "llm": {"sections": words}})
    teacher.job(params=given, limits=None, corpus=world / "corpus", pieces=sorted(world.glob("tokens/*/*.npy")),
                documents=sorted(world.glob("documents/*.json")), passages=sorted(world.glob("entigraph/*.json")) if words else [],
                base=world / "base", files=[], checkpoints=folder.parent / f"{folder.name}-checkpoints", folder=folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = world(tmp_path_factory.mktemp("distil"))
    taught(folder, folder / "teacher")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def given(seed: int = 0, rows: int = 12, width: int = 5) -> tuple[torch.Tensor, ...]:
    """Logits of 40 tokens, and a teacher's rows."""
    torch.manual_seed(seed)
    log_p, tokens = torch.randn(rows, 40).mul(3).log_softmax(-1).topk(width)
    others = (1 - log_p.exp().sum(-1, keepdim=True)).log()
    return torch.randn(rows, 40, dtype=torch.double).mul(3), tokens, torch.cat([log_p, others], -1).double(), torch.arange(rows) % 4 != 0


def test_loss_is_the_divergence_over_buckets_and_so_is_its_gradient():
    logits, tokens, log_p, wanted = given()
    plain, ours = (logits.clone().requires_grad_() for _ in range(2))
    log_q = plain.log_softmax(-1)
    chosen = log_q.gather(1, tokens)
    buckets = torch.cat([chosen, (1 - chosen.exp().sum(-1, keepdim=True)).log()], -1)
    expected = ((log_p.exp() * (log_p - buckets)).sum(-1) * wanted).sum()
    found = loss.Divergence.apply(ours, tokens, log_p, wanted)
    expected.backward()
    found.backward()
    assert torch.allclose(found, expected) and torch.allclose(ours.grad, plain.grad) and not ours.grad[0].any()


def test_nothing_is_lost_by_who_expects_what_the_teacher_does_however_little_is_left_for_the_rest():
    logits = torch.tensor([[0.0, 100.0, 50.0, -3.0]]).requires_grad_()
    log_p, tokens = logits.detach().log_softmax(-1).topk(2)
    found = loss.Divergence.apply(logits, tokens, torch.cat([log_p, torch.full((1, 1), -1e4)], -1), torch.tensor([True]))
    found.backward()
    assert abs(found.item()) < 1e-6 and logits.grad.abs().max() < 1e-6 and logits.grad.isfinite().all()


def test_in_pieces_it_is_the_same(monkeypatch):
    ids = torch.arange(48).reshape(2, 24)
    rows = [reading_rows(ids)["tokens"].astype(np.int64), reading_rows(ids)["log_probs"].astype(np.float32)]
    found = []
    for most in (loss.MOST_LOGITS, 350 * 7):
        monkeypatch.setattr(loss, "MOST_LOGITS", most)
        model = toys.model()
        loss.in_pieces(model, ids.numel(), "toy")
        loss.against_teacher(model)
        one = model(input_ids=ids, labels=ids, teacher_tokens=torch.from_numpy(rows[0]), teacher_log_probs=torch.from_numpy(rows[1])).loss
        one.backward()
        found.append([one.detach(), *(weights.grad for weights in model.parameters())])
        plain = model(input_ids=ids, labels=ids).loss
        assert torch.allclose(one, plain), "where the token is certain, it is next-token's"
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*found))


def reading_rows(ids: torch.Tensor) -> np.ndarray:
    return reading.certain(ids.flatten().numpy(), 24).reshape(ids.shape)


def test_a_certain_row_names_no_token_twice():
    rows = reading.certain(np.array([0, 3, 23, 24, 349]), 24)
    assert all(len(set(row)) == 24 for row in rows["tokens"].tolist()) and rows["tokens"][:, 0].tolist() == [0, 3, 23, 24, 349]


def expected_at(world: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By passage, without a cache or a batch: the most probable token in each place, with the document in front, and its probability."""
    spelling = models.tokenizer(world / "base")
    model, texts, found = models.model(world / "base", "float32"), reading.Texts.of_corpus(world / "corpus", world.glob("tokens/*/*.npy")), {}
    for number, row in enumerate(files.read_json_lines(world / "corpus/passages.jsonl")):
        document = Document.read(world / "documents" / f"{row['document']}.json")
        front = spelling(f"{document.byline}.\n\n{document.text}\n\n")["input_ids"]
        ids = torch.tensor([[*front, *texts.tokens(number).tolist()]])
        with torch.no_grad():
            best = model(input_ids=ids).logits[0, len(front) - 1 : -1].softmax(-1).max(-1)
        found[number] = best.indices.numpy(), best.values.numpy()
    return found


def in_line(dataset: packing.PackedDataset, expected: dict) -> bool:
    """Whether each packed row says of its place what the teacher expects there."""
    for block in range(len(dataset)):
        example, first = dataset[block], 0
        for source, text, offset, length in packing.pieces(dataset.schedule, dataset.ends, dataset.block_size, block):
            tokens, probs = example["teacher_tokens"][first : first + length, 0], np.exp(example["teacher_log_probs"][first : first + length, 0])
            if source == packing.CORPUS:
                best, prob = (each[offset : offset + length] for each in expected[text])
                if not np.array_equal(tokens, best) or not np.allclose(probs, prob, atol=2e-3):
                    return False
            elif not np.array_equal(tokens, example["labels"][first : first + length]) or not np.allclose(probs, 1):
                return False
            first += length
    return True


def test_packed_rows_line_up_with_packed_tokens(made):
    source = {"corpus": str(made / "corpus"), "pieces": [*map(str, made.glob("tokens/*/*.npy"))], "replay": str(made / "tokens/replay/all"),
              "replay_overlap": str(made / "tokens/replay_overlap/all.jsonl"), "replay_tokens": 40}  # fmt: skip
    texts = reading.texts(**source)
    schedule = packing.schedule(texts, [2 * texts[0].num_tokens, 40], seed=1, run_seed=1)
    rows, expected = reading.Rows(made / "teacher"), expected_at(made)
    assert in_line(packing.PackedDataset(texts, schedule, 16, 0, rows), expected)
    rows._places = rows._places + [0, 1, 0] * (np.arange(len(rows))[:, None] < 9)
    assert not in_line(packing.PackedDataset(texts, schedule, 16, 0, rows), expected), "a shift by one is seen"


def test_the_same_bytes_again_and_after_a_kill_too(made, tmp_path, monkeypatch):
    assert content(taught(made, tmp_path / "teacher")) == content(made / "teacher")
    whole, write = teaching.Teacher.document, teaching.arrays.write

    def killed(path, values):
        if path.stem == "mill":
            raise KeyboardInterrupt
        write(path, values)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(teaching.arrays, "write", killed)
        taught(made, tmp_path / "again/teacher")
    assert [path.name for path in (tmp_path / "again/teacher-checkpoints").glob("*.npy")] == ["lamp.npy"]
    read = []
    monkeypatch.setattr(teaching.Teacher, "document", lambda self, shown, texts: read.append(1) or whole(self, shown, texts))
    (tmp_path / "again/teacher").rmdir()
    assert content(taught(made, tmp_path / "again/teacher")) == content(made / "teacher") and len(read) == 1


def test_what_stands_in_front_of_a_document_is_its_own_beginning(tmp_path):
    texts = {"lamp": [" ".join(toys.SENTENCES * 2)], "mill": [" ".join(reversed(toys.SENTENCES))]}
    place = world(tmp_path, "raw", texts)
    found = reading.Rows(taught(place, tmp_path / "teacher", block_size=16))
    model, corpus = models.model(tmp_path / "base", "float32"), reading.Texts.of_corpus(tmp_path / "corpus", tmp_path.glob("tokens/raw/*.npy"))
    for number in range(2):
        ids = corpus.tokens(number).astype(np.int64)
        with torch.no_grad():
            best = model(input_ids=torch.tensor([[0, *ids[:-1]]])).logits[0].argmax(-1)
        assert np.array_equal(found.tokens(number)["tokens"][1:, 0], best.numpy()[1:]), "of an end of text a toy expects all tokens alike"
    assert found.facts["tokens"] == corpus.num_tokens and found.facts["with"] != found.facts["without"]


def test_of_a_longer_document_each_token_has_half_a_context_before_it(tmp_path):
    place = world(tmp_path, "raw", {"lamp": [" ".join(toys.SENTENCES * 6)]})
    rows = reading.Rows(taught(place, tmp_path / "teacher"))
    ids = reading.Texts.of_corpus(tmp_path / "corpus", tmp_path.glob("tokens/raw/*.npy")).tokens(0).astype(np.int64)
    assert len(ids) > CONTEXT and len(rows.tokens(0)) == len(ids)
    place, model = CONTEXT + 10, models.model(tmp_path / "base", "float32")
    with torch.no_grad():
        best = model(input_ids=torch.tensor([[0, *ids[CONTEXT // 2 : place]]])).logits[0, -1].argmax()
    assert rows.tokens(0)["tokens"][place, 0] == best


def test_a_passage_without_room_beside_its_document_is_read_in_stretches(tmp_path):
    place = world(tmp_path, texts={"lamp": [" ".join(toys.SENTENCES * 4)]})
    toys.document(tmp_path, "lamp", text=toys.SENTENCES[0])
    rows, expected = reading.Rows(taught(place, tmp_path / "teacher")).tokens(0), expected_at(tmp_path)[0][0]
    assert CONTEXT < len(rows) and np.array_equal(rows["tokens"][:100, 0], expected[:100])
    assert [one[1:] for one in teaching.stretches(0, 25, 10)] == [(0, 10, 0), (5, 15, 5), (10, 20, 5), (15, 25, 5)]
    assert [one[1:] for one in teaching.stretches(0, 12, 10)] == [(0, 10, 0), (5, 12, 5)]


def test_a_passage_about_two_documents_has_both_in_front(tmp_path):
    place = world(tmp_path, texts={name: [toys.SENTENCES[number]] for number, name in enumerate(("lamp", "mill"))})
    rows = files.read_json_lines(tmp_path / "corpus/passages.jsonl")
    alone = reading.Rows(taught(place, tmp_path / "alone"))
    files.write_json_lines(tmp_path / "corpus/passages.jsonl", [row | ({"beside": "mill"} if row["document"] == "lamp" else {}) for row in rows])
    both = reading.Rows(taught(place, tmp_path / "both"))
    number = [row["document"] for row in rows].index("lamp")
    spelling, model = models.tokenizer(tmp_path / "base"), models.model(tmp_path / "base", "float32")
    two = [Document.read(tmp_path / "documents" / f"{name}.json") for name in ("lamp", "mill")]
    front = spelling("".join(f"{one.byline}.\n\n{one.text}\n\n" for one in two))["input_ids"]
    ids = reading.Texts.of_corpus(tmp_path / "corpus", tmp_path.glob("tokens/*/*.npy")).tokens(number).tolist()
    with torch.no_grad():
        prob = model(input_ids=torch.tensor([[*front, *ids]])).logits[0, len(front) - 1 : -1].softmax(-1).max(-1).values.numpy()
    assert np.allclose(both.tokens(number)["log_probs"][:, 0], np.log(prob), atol=2e-3)
    assert not np.array_equal(both.tokens(number), alone.tokens(number)) and np.array_equal(both.tokens(1 - number), alone.tokens(1 - number))


def worthy(world: Path, folder: Path, gain: float) -> Path:
    """A teacher that is surer of what it expects than the base, and to which the document was worth so much."""
    sure = toys.model(350, CONTEXT)
    with torch.no_grad():
        sure.model.embed_tokens.weight *= 15
    sure.save_pretrained(folder.parent / "sure")
    toys.tokenizer().save_pretrained(folder.parent / "sure")
    taught(world, folder, teacher=params.Teacher(model=str(folder.parent / "sure")))
    facts = files.read_json(folder / "teacher.json")
    files.write_json(folder / "teacher.json", facts | {"without": facts["with"] + gain})
    return folder


def run(world: Path, teacher: Path, folder: Path, **settings) -> dict:
    runs.build(**toy_runs.given(world) | {"replay_rate": 0.0, "length": params.Arm(strategy="entigraph", corpus_tokens="all", epochs=30)},
               teacher=teacher, reference=world / "base/base.json", settings=toys.TRAINING.model_copy(update=DISTIL | settings), run_seed=1, seed=1,
               checkpoints=folder.parent / f"{folder.name}-checkpoints", folder=folder)  # fmt: skip
    return files.read_json(folder / "run.json")


@pytest.mark.slow
def test_a_student_comes_to_expect_what_its_teacher_does(tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    place = world(tmp_path / "world", texts={"lamp": [f"{number}. {toys.SENTENCES[number % 4]}" for number in range(5)]})
    made = run(place, worthy(place, tmp_path / "teacher", 1.0), tmp_path / "toy-s1")
    assert made["first_loss"] > 20 * made["last_loss"] and made["objective"] == "distil" and made["first_loss"] > 1
    assert made["teacher"]["without"] > made["teacher"]["with"]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"processes": 2}, {"processes": 2, "sharding": "fsdp"}, {"accumulation": 2}, {"lora": params.Lora(r=4, alpha=8, dropout=0.1)}])
def test_every_way_to_train_distils_and_goes_on_after_a_kill(made, tmp_path, monkeypatch, settings):
    toy_runs.unlogged(monkeypatch)
    teacher = worthy(made, tmp_path / "teacher", 1.0)
    whole = run(made, teacher, tmp_path / "whole/toy-s1", checkpoint_steps=20, **settings)
    assert whole["last_loss"] < whole["first_loss"]
    one = run(made, teacher, tmp_path / "one/toy-s1", checkpoint_steps=20)
    assert "lora" in settings or whole["first_loss"] == pytest.approx(one["first_loss"], abs=1e-4)
    if "processes" in settings:
        return
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(packing.PackedDataset, "__getitem__", stops(packing.PackedDataset.__getitem__, 4 * 30))
        run(made, teacher, tmp_path / "again/toy-s1", checkpoint_steps=20, **settings)
    assert [*(tmp_path / "again/toy-s1-checkpoints").glob("checkpoint-*")]
    (tmp_path / "again/toy-s1/schedule.npy").unlink()
    assert run(made, teacher, tmp_path / "again/toy-s1", checkpoint_steps=20, **settings)["sha256"] == whole["sha256"]


def stops(item, at: int):
    def one(self, block: int):
        if block == at:
            raise KeyboardInterrupt
        return item(self, block)

    return one


def test_a_teacher_that_gains_nothing_is_refused_with_the_figures_and_stands_so_in_the_scores(made, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    told = run(made, worthy(made, tmp_path / "teacher", 0.0), tmp_path / "toy-s1")
    known = files.read_json(tmp_path / "teacher/teacher.json")["with"]
    assert told["refused"] == f"distilling is refused: the teacher's loss on the passages is {known:.3f} with the document in front and {known:.3f} without"
    assert not [*(tmp_path / "toy-s1").glob("*.safetensors")] and told["train_tokens"] == 0 and len(np.load(tmp_path / "toy-s1/schedule.npy")) == 0
    settings = params.typed({"scores": params.load().scores.model_dump()})
    files.write_json(tmp_path / "questions.json", [])
    scores.build(model=tmp_path / "toy-s1", questions=[tmp_path / "questions.json"], documents=[], retrieved=[], replay=[], params=settings,
                 output=tmp_path / "score.json", samples=tmp_path / "samples.jsonl")  # fmt: skip
    score = files.read_json(tmp_path / "score.json")
    assert score["explanation"] == told["refused"] and score["tasks"] == {} and score["arm"] == "toy"
    assert table.text([tmp_path / "score.json"], ["quality_closed"]).endswith(told["refused"])
    assert table.refused_rows([score], ["quality_closed"])[0][:6] == ["toy", "entigraph", told["corpus_tokens"], told["train_tokens"], 1, "quality_closed"]
    with pytest.raises(UserError, match="assistants.talk.run: toy-s1 has no weights: distilling is refused"):
        assistants.build(params=params.typed({"name": "talk", "assistant": {"method": "merged"}}), run=tmp_path / "toy-s1", reference=made / "base/base.json",
                         questions=[], dialogues=[], checkpoints=tmp_path, folder=tmp_path)  # fmt: skip


def test_rows_of_other_tokens_are_not_learnt(made, tmp_path, monkeypatch):
    toy_runs.unlogged(monkeypatch)
    teacher = worthy(made, tmp_path / "teacher", 1.0)
    files.write_json(teacher / "teacher.json", files.read_json(teacher / "teacher.json") | {"tokens_sha256": "0"})
    with pytest.raises(UserError, match="teacher: was made from other tokens"):
        run(made, teacher, tmp_path / "toy-s1")


def test_a_teacher_of_another_tokenizer_is_named(made, tmp_path):
    other = tmp_path / "other"
    toys.tokenizer(["Another text gives other merges of letters entirely."] * 3).save_pretrained(other)
    toys.model(350, CONTEXT).save_pretrained(other)
    with pytest.raises(UserError, match=r"training.teacher.model: .*other has another tokenizer than the base"):
        taught(made, tmp_path / "teacher", teacher=params.Teacher(model=str(other)))
    same = toys.base(tmp_path / "same", context=CONTEXT).parent
    assert content(taught(made, tmp_path / "again", teacher=params.Teacher(model=str(same))))["mill.npy"] == content(made / "teacher")["mill.npy"]


def test_a_document_that_leaves_no_room_for_its_passages_is_named(made, tmp_path):
    place = world(tmp_path, texts={"lamp": [toys.SENTENCES[0]]})
    toys.document(tmp_path, "lamp", text=" ".join(toys.SENTENCES * 8))
    with pytest.raises(UserError, match=r"documents/lamp.json: has .* leaves too few for its passages .*: give llm.sections"):
        taught(place, tmp_path / "teacher")


def test_a_passage_about_a_section_has_that_section_in_front(tmp_path):
    place = world(tmp_path, texts={"lamp": [toys.SENTENCES[0], toys.SENTENCES[1]]})
    halves = [" ".join([sentence] * 6) for sentence in toys.SENTENCES[:2]]
    toys.document(tmp_path, "lamp", text="\n\n".join(halves))
    path = tmp_path / "entigraph/lamp.json"
    passages = files.read_json(path)
    for number, passage in enumerate(passages["passages"]):
        passage["section"] = f"{number + 1} of 2"
    path.write_text(json.dumps(passages))
    with pytest.raises(UserError, match="llm.sections"):
        taught(place, tmp_path / "whole")
    by_parts = reading.Rows(taught(place, tmp_path / "parts", words=90))
    assert len(by_parts) == 2


@pytest.mark.slow
def test_two_processes_share_the_documents_of_a_teacher(made, tmp_path):
    assert content(taught(made, tmp_path / "teacher", processes=2)) == content(made / "teacher")
    assert sorted(path.stem for path in (tmp_path / "teacher-checkpoints").glob("*.json")) == ["identity", "lamp", "mill"]
