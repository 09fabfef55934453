"""The miniature's base model: a small Llama, trained from scratch to read other books of the world and to answer about them closed-book."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from closedbook import models, params
from closedbook.miniature import drills, language, teaching
from closedbook.miniature.reader import Reading
from closedbook.miniature.teaching import END, Lesson, lesson, num_books, read_books
from closedbook.util import files, seeds

VOCABULARY = 2048
TOKENIZER_BOOKS = 150
"""many, so that the names of books read and of books to be learned are split alike"""
TOKENIZER_LESSONS = 3000
SHAPE = {
    "hidden_size": 192,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "max_position_embeddings": 640,
    "tie_word_embeddings": True,
}
TRAINING = {
    "block_size": 256,
    "batch_size": 8,
    "accumulation": 1,
    "learning_rate": 2e-3,
    "min_learning_rate": 0.05,
    "warmup": 0.1,
    "weight_decay": 0.1,
    "beta2": 0.98,
    "optimizer": "adamw_torch_fused",
    "lora": None,
    "attention": "sdpa",
    "compile": False,
    "processes": 1,
    "nodes": 1,
    "sharding": "none",
    "gradient_checkpointing": False,
    "checkpoint_steps": 100,
    "evaluate_steps": None,
}
"""of its training; dtype and threads are those of params.yaml"""
READING_SHAPE = SHAPE | {"num_attention_heads": 6, "num_key_value_heads": 6}
READING = TRAINING | {"block_size": 640, "batch_size": 4, "warmup": 0.03, "weight_decay": 0.05}
"""of a base that learns to read as well: a whole book and its questions are one block"""
REPLAYED = 1000


@dataclass(frozen=True)
class Course:
    lessons: list[Lesson]
    """in their order"""
    read: list[Lesson]
    """the same as far as the model learns from them"""
    blocks: list[dict]
    """the same as training examples: tokens with the weight of each in the loss"""


def make(*, params: SimpleNamespace, sources: list[Path], folder: Path, checkpoints: Path) -> None:
    """`params` with miniature, training and seed; `sources`, the world."""
    train(settings=params.miniature, training=params.training, world=sources[0], seed=params.seed, folder=folder, checkpoints=checkpoints)


def train(
    *, settings: params.Miniature, training: params.Training, world: Path | None, seed: int, folder: Path, checkpoints: Path
) -> None:
    """Write model, tokenizer and replay.jsonl (rows {"id", "text"}) into `folder`; `world` None is the world shipped beside this file.

    Nothing of it names a book to be learned: the two sides share no name, and a text that does stops the build before any training.
    Raises UserError where the world has too few names.
    """
    words = language.load(world or language.WORLD)
    training = training.model_copy(update=READING if settings.reading else TRAINING)
    tokenizer = make_tokenizer(words, settings, seed)
    readings = read_books(words, settings.base_books, settings.people, seed)
    course = (drill if settings.reading else study)(words, readings, tokenizer, training, settings, seed)
    model = make_model(tokenizer, READING_SHAPE if settings.reading else SHAPE, seed)
    learn(course, model, tokenizer, words=words, training=training, num_steps=settings.base_steps,
          seed=seeds.derive(seed, "base", "training") % 2**32, folder=folder, checkpoints=checkpoints, label="base model")  # fmt: skip


def learn(
    course: Course, model, tokenizer, *, words: language.World, training: params.Training, num_steps: int, seed: int, folder: Path,
    checkpoints: Path, label: str,
) -> None:  # fmt: skip
    """Train `model` on a course that names nothing of a book to be learned; write it, its tokenizer and what it replays into `folder`."""
    from closedbook.training.loop import train as train_model

    replayed = replay(course)
    teaching.check(words, lessons=[one.text for one in course.lessons], replayed=[row["text"] for row in replayed])
    train_model(
        model=model,
        dataset=course.blocks,
        settings=training,
        num_steps=num_steps,
        seed=seed,
        folder=checkpoints,
        label=label,
        fingerprint=_fingerprint(course.blocks),
    )
    models.save(model.bfloat16(), tokenizer, folder)  # small enough to come with the project
    files.write_json_lines(folder / "replay.jsonl", replayed)


def replay(course: Course) -> list[dict]:
    """The last that was read, but for what is more than one text. What the model has not read would teach it wrong answers."""
    rows = [{"id": f"base-{index:05}", "text": one.text.removesuffix(END)} for index, one in enumerate(course.read)]
    return [row for row in rows if END not in row["text"]][-REPLAYED:]


def make_tokenizer(world: language.World, settings: params.Miniature, seed: int):
    """A byte-level BPE tokenizer, learned from lessons about books of the base's side."""
    from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers import models as kinds
    from transformers import PreTrainedTokenizerFast

    readings = read_books(world, TOKENIZER_BOOKS, settings.people, seed)
    texts = [lesson(world, readings, settings.narrative, seed, index).text for index in range(TOKENIZER_LESSONS)]
    teaching.check(world, lessons=texts, replayed=[])
    tokenizer = Tokenizer(kinds.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merging = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator((text.removesuffix(END) for text in texts), merging)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, model_max_length=SHAPE["max_position_embeddings"])


def make_model(tokenizer, shape: dict, seed: int):
    """A Llama of 2.2 million parameters, untrained."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seeds.derive(seed, "base", "weights"))
    end = tokenizer.eos_token_id
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), bos_token_id=end, eos_token_id=end, **shape))


def study(
    world: language.World, readings: list[Reading], tokenizer, training: params.Training, settings: params.Miniature, seed: int
) -> Course:
    """Closed-book lessons."""
    return in_sequence(
        lambda progress, index: lesson(world, readings[: num_books(progress, len(readings))], settings.narrative, seed, index),
        tokenizer, training, settings.base_steps,
    )  # fmt: skip


def in_sequence(lesson_at: Callable[[float, int], Lesson], tokenizer, training: params.Training, num_steps: int) -> Course:
    """Lessons one after the other, each by the share of the course before it and its index; the end cuts the last one, which counts as read."""
    num_tokens = num_steps * training.batch_size * training.block_size
    lessons, ids, weights = [], [], []
    while len(ids) < num_tokens:
        lessons.append(lesson_at(len(ids) / num_tokens, len(lessons)))
        _append(lessons[-1], tokenizer, ids, weights)
    return Course(lessons, lessons, _blocks(ids[:num_tokens], weights[:num_tokens], training.block_size))


def drill(
    world: language.World, readings: list[Reading], tokenizer, training: params.Training, settings: params.Miniature, seed: int
) -> Course:
    """What a base that learns to read as well does: each block begins with a lesson of its own, so that none lacks its text, and what of
    the last one has no room in it is not read.
    """
    course = Course([], [], [])
    for step, index in itertools.product(range(settings.base_steps), range(training.batch_size)):
        progress = step / settings.base_steps
        length, ids, weights = drills.LEVELS[drills.level_at(progress)].length, [], []
        for one in drills.row(world, readings, settings, progress, seeds.derive(seed, "drills", step, index)):
            course.lessons.append(one)
            ends = _append(one, tokenizer, ids, weights)
            if len(ids) >= length:
                break
            course.read.append(one)
        course.read.extend(_as_far_as(length, one, ends))
        course.blocks.extend(_blocks(ids[:length], weights[:length], length))
    return course


def _append(one: Lesson, tokenizer, ids: list[int], weights: list[float]) -> list[int]:
    """Returns how many tokens there are after each of the lesson's parts."""
    texts, text_weights = zip(*one.parts)
    ends = []
    for tokens, weight in zip(tokenizer(list(texts), verbose=False)["input_ids"], text_weights):
        ids += tokens
        weights += [weight] * len(tokens)
        ends.append(len(ids))
    return ends


def _as_far_as(length: int, one: Lesson, ends: list[int]) -> list[Lesson]:
    """A lesson up to its last line that ends within so many tokens, if there is one."""
    parts = [part for part, end in zip(one.parts, ends) if end <= length]
    while parts and not parts[-1][0].endswith(("\n", END)):
        parts.pop()
    return [Lesson(parts)] if parts else []


def _blocks(ids: list[int], weights: list[float], block_size: int) -> list[dict]:
    import torch

    rows = zip(torch.tensor(ids).view(-1, block_size), torch.tensor(weights).view(-1, block_size))
    return [{"input_ids": row, "labels": row, "weights": row_weights} for row, row_weights in rows]


def _fingerprint(blocks: list[dict]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block["input_ids"].numpy().tobytes() + block["weights"].numpy().tobytes())
    return digest.hexdigest()
