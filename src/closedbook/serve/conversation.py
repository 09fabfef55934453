"""A conversation: what was said so far and how the answer is to be made, and the tokens that a model is shown of it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from closedbook.util.errors import UserError

MOST_TOKENS = 8192
ROOM = 16
"""tokens that must at least be left for an answer"""
class Sent(BaseModel):
    """What comes from a page."""

    model_config = ConfigDict(extra="forbid")


class Turn(Sent):
    role: Literal["user", "assistant"]
    content: str


class Asked(Sent):
    """What the page, closedbook ask and closedbook chat ask of a model."""

    model: str
    turns: Annotated[list[Turn], Field(min_length=1)]
    """question and answer by turns; the last is a question"""
    system: str = ""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0: the likeliest token each time"""
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] = 256
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1


def parsed(sent) -> Asked:
    """Raises UserError for what is no conversation, naming the field."""
    asked = checked(Asked, sent)
    if [turn.role for turn in asked.turns] != ["user", "assistant"] * (len(asked.turns) // 2) + ["user"]:
        raise UserError("turns: must be a question, an answer, a question and so on, and end with a question")
    return asked


def checked(kind: type[Sent], sent):
    """Raises UserError for what is none of this kind, naming the field."""
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{'.'.join(map(str, first['loc'])) or 'what was sent'}: {first['msg']}") from None


def shown(asked: Asked, tokenizer, context: int) -> tuple[list[int], list[str]]:
    """The ids of the prompt, and notes about it for the user: what was left out, and how it was put.

    Raises UserError where even the last question does not fit into `context` tokens.
    """
    notes, turns = [], asked.turns
    for left_out in range(0, len(turns), 2):
        ids, put = _ids(tokenizer, asked.system, turns[left_out:])
        if len(ids) + min(asked.max_tokens, ROOM) <= context:
            notes = [put] if put else []
            if left_out:
                notes.append(f"The model reads {context:,} tokens: it was not shown the first {left_out // 2} of {len(turns) // 2 + 1} questions.")
            return ids, notes
    raise UserError(f"the question takes {len(ids):,} tokens with the system prompt, and the model reads {context:,} with its answer: shorten it")


def _ids(tokenizer, system: str, turns: list[Turn]) -> tuple[list[int], str | None]:
    if not tokenizer.chat_template:
        return tokenizer.encode(continued(system, turns)), "This model has no chat template: it continues a plain text, as in scoring, up to the end of a line."
    from jinja2 import TemplateError

    messages = [turn.model_dump() for turn in turns]
    try:
        return _templated(tokenizer, [{"role": "system", "content": system}, *messages] if system else messages), None
    except TemplateError as error:
        if not system:
            raise UserError(f"the model's chat template can't put this conversation: {error}") from None
    messages[0]["content"] = f"{system}\n\n{messages[0]['content']}"
    return _templated(tokenizer, messages), "The model's chat template takes no system prompt: it stands before the first question."


def _templated(tokenizer, messages: list[dict]) -> list[int]:
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=True, return_dict=False)


def continued(system: str, turns: list[Turn]) -> str:
    """A conversation as plain text, question and answer as the tasks of evals/quality put them."""
    said = [f"{question.content}\nAnswer: {answer.content}" for question, answer in zip(turns[::2], turns[1::2])]
    return "\n\n".join([*([system] if system else []), *said, f"{turns[-1].content}\nAnswer:"])


class Line:
    """The first line of a streamed text that is not empty: what a plain text's answer is, for another question follows it."""

    def __init__(self):
        self._begun, self.ended = False, False

    def of(self, text: str) -> str:
        """What of a piece of the text belongs to it."""
        text = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(text)
        line, end, _ = text.partition("\n")
        self.ended = self.ended or bool(end)
        return line
