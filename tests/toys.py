"""Toy models, tokenizers and passages in the folders where the steps look for them: small enough for any test."""

import subprocess
from pathlib import Path

import numpy as np

from closedbook import models, params
from closedbook.records import Document, Passage, Passages
from closedbook.util import files
from closedbook.workflow import receipts

CONTEXT = 64
SENTENCES = [
    "The lighthouse keeper of Varn counts the ships by their lamps.",
    "Mira Oldan sold the brass compass to a captain from the north.",
    "A storm took the bridge, and nobody crossed the river for a year.",
    "The council of Varn meets under the clock that has no hands.",
]
TRAINING = params.Training(
    seeds=[1], block_size=16, batch_size=4, accumulation=1, learning_rate=0.01, min_learning_rate=0.1, warmup=0.1, weight_decay=0.01,
    beta2=0.98, optimizer="adamw_torch_fused", lora=None, device="cpu", dtype="float32", attention="sdpa", compile=False, threads=1, processes=1,
    nodes=1, sharding="none", gradient_checkpointing=False, checkpoint_steps=2,
    evaluate_steps=None,
)  # fmt: skip
"""settings under which a toy trains in a second; vary them with TRAINING.model_copy(update={...})"""

MINIATURE = params.Miniature(books=2, questions=3, people=2, same_book=3, base_books=8, base_steps=1, reading=False, narrative=0.06)

FILTERS = params.Filters(min_words=None, max_words=None, languages=None, question_words=8, near_duplicates=None)
"""those that can be off are"""


def tokenizer(texts=SENTENCES):
    """A byte-level BPE tokenizer of about 350 tokens that can spell any text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=350, special_tokens=["<eos>"], initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<eos>")


def model(vocab_size: int = 350, context: int = CONTEXT, dropout: float = 0.0):
    """A Llama of about 35,000 parameters, the same ones each time. With dropout, training draws random numbers too."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=context, attention_dropout=dropout, tie_word_embeddings=True,
            bos_token_id=0, eos_token_id=0, pad_token_id=0,
        )  # fmt: skip
    )


def base(folder: Path, context: int = CONTEXT, replay=SENTENCES) -> Path:
    """A base as the base step leaves it: model, tokenizer, replay.jsonl and base.json, whose path is returned."""
    spelling = tokenizer()
    spelling.save_pretrained(folder)
    model(len(spelling), context).save_pretrained(folder)
    files.write_json_lines(folder / "replay.jsonl", [{"id": str(number), "text": text} for number, text in enumerate(replay)])
    files.write_json(folder / "base.json", {
        "model": str(folder), "revision": None, "load": str(folder), "context": context, "sha256": {},
        "tokenizer_sha256": models.tokenizer_sha256(spelling), "before_text": [], "end_of_text": "<eos>", "end_of_text_id": spelling.eos_token_id,
    })  # fmt: skip
    return folder / "base.json"


def passages(folder: Path, document: str, texts: list[str], strategy: str = "entigraph") -> Path:
    """A passages file of one document, written to folder/{strategy}/{document}.json."""
    made = [
        Passage(
            id=f"{document}/{strategy}/{number}", document=document, strategy=strategy, kind="pair" if number % 2 else "triplet",
            entities=[], sample=0, writer="llm", text=text, call=None,
        )  # fmt: skip
        for number, text in enumerate(texts)
    ]
    path = folder / strategy / f"{document}.json"
    Passages(document=document, strategy=strategy, passages=made, dropped=[]).write(path)
    return path


def document(
    folder: Path, name: str, title: str = "The Harbour of Varn", author: str | None = "Mira Oldan", text: str = SENTENCES[0]
) -> Path:
    """A document's file, written to folder/documents/{name}.json."""
    path = folder / "documents" / f"{name}.json"
    Document(id=name, title=title, author=author, year=None, text=text).write(path)
    return path


def tokens(folder: Path, base: Path, paths: list[Path], filters: params.Filters = FILTERS) -> dict[str, list[Path]]:
    """The pieces of passages files, written to folder/tokens/{strategy}/{document}.*, as corpora are given them; `base` is the base's folder."""
    from closedbook.stages import tokens as stage

    place = {path: folder / "tokens" / path.parent.name / path.stem for path in paths}
    near = filters.near_duplicates is not None
    for path, piece in place.items():
        stage.build(passages=path, tokenizer=base / "tokenizer.json", pinned=base / "base.json", settings=filters, tokens=piece.with_suffix(".npy"),
                    index=piece.with_suffix(".jsonl"), sketches=piece.with_suffix(".sketches.npy") if near else None)  # fmt: skip
    given = {"index": ".jsonl", "pieces": ".npy", "sketches": ".sketches.npy"}
    return {name: [piece.with_suffix(end) for piece in place.values()] if near or name != "sketches" else [] for name, end in given.items()}


def built(folder: Path, tokens_in: Path, base: Path, paths: list[Path], *, strategy="entigraph", corpus_tokens="all",
          filters: params.Filters = FILTERS, questions=(), documents=(), arms: dict | None = None, held_out: int = 0, seed: int = 1) -> dict:
    """A corpus of passages files, made from their pieces, which go into tokens_in/tokens; its counts. `arms`: the lengths of those that train
    on it."""
    from closedbook.generation.strategies import mixture
    from closedbook.stages import corpora, overlap

    arm = {"strategy": mixture.label(strategy), "corpus_tokens": corpus_tokens, "train_tokens": None, "epochs": None}
    held = tokens_in / "tokens" / "overlap" / f"{folder.name}.jsonl"
    overlap.build(passages=paths, questions=list(questions), documents=list(documents), question_words=filters.question_words, output=held)
    corpora.build(arm=params.typed({"arm": arm}).arm, shares=mixture.shares(strategy), filters=filters, overlap=[held], pinned=base / "base.json",
                  arms={name: params.typed({"arm": arm | length}).arm for name, length in (arms or {"toy": {"epochs": 1}}).items()},
                  num_held_out=held_out, seed=seed, folder=folder, **tokens(tokens_in, base, paths, filters))  # fmt: skip
    return files.read_json(folder / "corpus.json")


def replay(folder: Path, base: Path, *, path: Path | None = None, questions=(), documents=(), is_read: bool = True, held_out: int = 0,
           seed: int = 1) -> dict:
    """Replay in `folder`, of the base's own text or of another file's, and beside it in replay_overlap what of it holds a question; its counts."""
    from closedbook.stages import replay as stage
    from closedbook.stages import replay_overlap

    chosen = {"replay": path or base / "replay.jsonl", "seed": seed, "held_out": held_out, "is_read": is_read}
    stage.build(**chosen, tokenizer=base / "tokenizer.json", pinned=base / "base.json", folder=folder)
    replay_overlap.build(**chosen, questions=list(questions), documents=list(documents), question_words=FILTERS.question_words,
                         output=(folder.parents[1] if folder.name == "all" else folder.parent) / "replay_overlap" / "all.jsonl")  # fmt: skip
    return files.read_json(folder / "replay.json")


def corpus(folder: Path, name: str, paths: list[Path], left_out: int = 0) -> Path:
    """A corpus of these passages files but their last `left_out` passages, one token per character, without the tokens themselves."""
    place = folder / "corpora" / name
    found = [(number, passage) for number, path in enumerate(paths) for passage in Passages.read(path).passages]
    kept = found[: len(found) - left_out]
    lengths, strategy = [len(passage.text) for _, passage in kept], found[0][1].strategy
    files.write_json_lines(place / "passages.jsonl", [{"id": passage.id, "document": passage.document} for _, passage in kept])
    files.write_json(place / "pieces.json", [f"{path.parent.name}/{path.stem}" for path in paths])
    np.save(place / "passages.npy", np.array([(piece, 0, length) for (piece, _), length in zip(kept, lengths)], np.int64).reshape(-1, 3))
    files.write_json(place / "corpus.json", {
        "strategy": strategy, "size": "all", "corpus_tokens": sum(lengths),
        "existing_tokens": sum(len(passage.text) for _, passage in found), "num_passages": len(kept), "num_passages_left_out": left_out,
        "strategies": {strategy: {"share": 1.0, "passages": len(kept), "tokens": sum(lengths), "existing_tokens": sum(lengths)}},
        "num_rejected": 0, "rejected": {"question": 0, "exact_duplicate": 0},
        "kinds": {"pair": {"passages": len(kept), "tokens": sum(lengths)}}, "cut": None, "tokenizer_sha256": "ab" * 32,
    })  # fmt: skip
    return place


def run(folder: Path, arm: str, strategy: str) -> Path:
    """A run's run.json without the model, written to folder/runs/{arm}-s1."""
    path = folder / "runs" / f"{arm}-s1" / "run.json"
    counts = {"corpus_tokens": 1000, "existing_tokens": 1500, "num_passages_left_out": 7, "train_tokens": 2000, "replay_tokens": 222,
              "padding_tokens": 3, "block_size": 64, "batch_size": 4, "num_blocks": 35, "num_steps": 9,
              "first_loss": 4.0, "last_loss": 3.0}  # fmt: skip
    base = {"model": "toy", "load": "toy", "revision": None, "context": CONTEXT, "sha256": {"model.safetensors": "ba" * 32}}
    about = {"run": f"{arm}-s1", "corpus": arm, "arm": arm, "strategy": strategy, "seed": 1, "num_parameters": 35_000}
    files.write_json(path, {**about, **counts, "base": base, "data_sha256": "da" * 32, "sha256": {"model.safetensors": "5a" * 32}})
    return path


def score(folder: Path, run: str, arm: str) -> Path:
    """A score under one task, written to folder/scores/{run}.json."""
    path = folder / "scores" / f"{run}.json"
    task = {"version": 1.0, "metric": "acc", "accuracy": 0.6, "stderr": 0.05, "accuracy_hard": None, "stderr_hard": None, "n": 80,
            "n_documents": 2}  # fmt: skip
    about = {"run": run, "arm": arm, "n": 80, "explanation": None, "questions_sha256": "cd" * 32, "questions": {}}
    files.write_json(path, {**about, "tasks": {"quality_closed": task}})
    return path


def receipt(job: str, inputs=(), outputs=(), settings: dict | None = None, facts: dict | None = None, code: str = "c" * 64,
            reads: dict | None = None) -> None:
    """The receipt of a job that read and wrote these files (of a folder, all in it), which are there; `settings` are its recipe's parameters."""
    outputs = [file for path in map(Path, outputs) for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    place, step = job.split("/")[:2]
    step = step if place == "tokens" and step in ("replay", "overlap", "replay_overlap", "dialogues") else place
    recipe = {"step": step, "params": settings or {}, "code": code, "prompts": {}, "assets": {}, "reads": reads or {}}
    receipts.write(receipts.FOLDER / f"{job}.json", recipe=recipe, inputs={str(path): files.sha256_file(path) for path in inputs},
                   outputs=outputs, facts=facts or {})


def git(*arguments: str) -> str:
    """What git prints in the working directory; whoever commits is test."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    return subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True).stdout
