"""The sibling that talks: the base that comes with the project, taught dialogues about that base's own books.

Its shape and its vocabulary are the base's, so that what it has learnt can be added to whatever else was trained from that base.
"""

from itertools import islice
from pathlib import Path
from types import SimpleNamespace

from closedbook import models
from closedbook.miniature import base, dialogues, teaching
from closedbook.miniature.dialogues import Own
from closedbook.miniature.teaching import END, Lesson
from closedbook.util import files, seeds

STEPS = 350
TRAINING = base.TRAINING | {"learning_rate": 5e-4}
OLD = 0.3
"""share of the base's own lessons among what it reads, so that it unlearns none of them"""
END_WEIGHT = 3.0
"""of the end of a turn in the loss, beside 1 of its other tokens: a model that goes on reading books learns to go on"""
WRITTEN = 1000
"""dialogues of those that it has learnt from, for who wants to teach others to talk"""
CHAT_TEMPLATE = """\
{%- set asked = namespace(always='') %}
{%- for message in messages %}
{%- set text = message['content'] | trim %}
{%- if message['role'] == 'assistant' %}{{ ' ' + text + eos_token }}
{%- elif message['role'] == 'system' %}{%- set asked.always = ' ' + text %}
{%- else %}{{ text.removesuffix('\\nAnswer:') + asked.always + '\\nAnswer:' }}
{%- endif %}
{%- endfor %}"""
"""The base's vocabulary has no marks of turns, and the base answers questions after "Answer:". So the user's turn ends with that line, whether it
does already or not, and the assistant's goes on after it and ends as a text does. What the system says stands at the end of each of the user's
turns, as an instruction does."""


def make(*, params: SimpleNamespace, sources: list[Path], folder: Path, checkpoints: Path) -> None:
    """Write model, tokenizer with its chat template, replay.jsonl (rows {"id", "text"}) and dialogues.jsonl (WRITTEN rows) into `folder`.
    `params` with training; `sources`, the world and the files of the base, whose receipt says which books are its own.
    """
    world, (beside, *_) = sources[0], {path.parent for path in sources[1:]}
    own, tokenizer = dialogues.own_books(world, beside), models.pretrained_tokenizer(str(beside), None)
    training, seed = params.training.model_copy(update=TRAINING), seeds.derive(own.seed, "talk")
    course = base.in_sequence(lambda _, index: lesson(own, seed, index), tokenizer, training, STEPS)
    tokenizer.chat_template = CHAT_TEMPLATE
    model = models.pretrained_model(str(beside), None, dtype="float32")
    base.learn(course, model, tokenizer, words=own.world, training=training, num_steps=STEPS, seed=seeds.derive(seed, "training") % 2**32,
               folder=folder, checkpoints=checkpoints, label="sibling that talks")  # fmt: skip
    learnt = (index for index in range(len(course.lessons) - 1) if not is_old(seed, index))
    files.write_json_lines(folder / "dialogues.jsonl", [dialogue(own, seed, index) for index in islice(learnt, WRITTEN)])


def lesson(own: Own, seed: int, index: int) -> Lesson:
    """The lesson of one index: one of the base's, or a dialogue."""
    if is_old(seed, index):
        return teaching.lesson(own.world, own.readings, own.narrative, seed, index)
    return as_lesson(dialogue(own, seed, index))


def is_old(seed: int, index: int) -> bool:
    return seeds.generator(seed, "lesson or dialogue", index).random() < OLD


def dialogue(own: Own, seed: int, index: int) -> dict:
    return dialogues.dialogue(own.world, own.talked_about, seed, index)


def as_lesson(dialogue: dict) -> Lesson:
    """A dialogue as CHAT_TEMPLATE writes it, of which the assistant's turns are to be predicted."""
    always, parts = "", []
    for message in dialogue["messages"]:
        text = message["content"]
        if message["role"] == "system":
            always = f" {text}"
        parts += {"system": [], "user": [(f"{text}{always}\nAnswer:", 0.0)], "assistant": [(f" {text}", 1.0), (END, END_WEIGHT)]}[message["role"]]
    return Lesson(parts)
