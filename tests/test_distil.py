"""Distillation: what a teacher expects of each token, in its place, and a student that comes to expect the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import toy_runs
import toys

from closedbook import models, params
from closedbook.records import Document
from closedbook.stages import runs, scores, teacher
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
    teacher.build(corpus=world / "corpus", pieces=sorted(world.glob("tokens/*/*.npy")), documents=sorted(world.glob("documents/*.json")),
                  passages=sorted(world.glob("entigraph/*.json")) if words else [], reference=world / "base/base.json", words=words,
                  settings=toys.TRAINING.model_copy(update=settings), checkpoints=folder.parent / f"{folder.name}-checkpoints", folder=folder)  # fmt: skip
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
