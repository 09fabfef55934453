"""Where an answer begins: behind what a model thought, and without the marks of its chat template that a server left in."""

import re

TAGS = r"think|thinking|thought|thoughts|reason|reasoning|reflection|analysis|scratchpad|seed:think|mm:think"
OPENED = re.compile(rf"<(?:{TAGS})>|\[THINK\]|\u25c1think\u25b7|<\|begin_of_thought\|>|<\|channel>|<unused94>|"
                    r"<details type=\"reasoning\"[^>]*>", re.IGNORECASE)  # fmt: skip
CLOSED = re.compile(rf"</(?:{TAGS})>|\[/THINK\]|\u25c1/think\u25b7|<\|end_of_thought\|>|<channel\|>|<unused95>", re.IGNORECASE)
FINAL = re.compile(r"<\|channel\|>\s*final(?:[^<]|<\|constrain\|>)*<\|message\|>|\A\s*analysis(?=[A-Z]).*?assistantfinal", re.DOTALL)
"""where the channel of the answer begins, with its marks and where a server has taken only these away"""
DETAILS = re.compile(r"<details type=\"reasoning\"[^>]*>.*?</details>", re.DOTALL | re.IGNORECASE)
"""thoughts whose end is also that of other things"""
WRAPPED = re.compile(r"<(answer|response)>((?:(?!</?\1>).)*)</\1>", re.DOTALL | re.IGNORECASE)
"""what models answer that think between other tags"""
CHANNEL = re.compile(r"<\|channel\|>|\A\s*analysis(?=[A-Z])")
MARK = re.compile(r"<\|[^<>|\s]{1,40}\|>|<\|(?!channel>)[^<>|\s]{1,40}>|<(?!channel\|)[^<>|\s]{1,40}\|>|"
                  r"<unused(?!9[45]>)\d+>|<\uff5c[^<>\uff5c]{1,40}\uff5c>|</?s>|<(?:start|end)_of_turn>|</?(?:bos|eos|pad|unk)>|"
                  r"\[/?INST\]|<</?SYS>>")  # fmt: skip
"""what chat templates put around messages"""
ROLE = r"(?:\s*(?:assistant|model)\s*(?:\n|(?=<)))?"
BEFORE = re.compile(rf"\s*(?:(?:{MARK.pattern}){ROLE})+")
AFTER = re.compile(rf"(?:\s*(?:{MARK.pattern}))+\s*\Z")


def said_after(text: str, sent: tuple[str, ...], reasoned: bool) -> tuple[str, str | None]:
    """(the answer in a text, None), or (the text, why where the answer begins is not known); marks that were `sent` may be repeated.

    `reasoned`: whether reasoning came apart from the text.
    """
    final = list(FINAL.finditer(text))
    if final:
        text = text[final[-1].end() :]
    elif CHANNEL.search(text):
        return text, "the answer holds reasoning only: no final channel"
    text = _between_marks(text)
    closed = DETAILS.match(text) or CLOSED.search(text)
    if closed and (OPENED.match(text) or not _quoted(closed, sent)):
        text, reasoned = _between_marks(text[closed.end() :]), True
    if reasoned and (wrapped := WRAPPED.fullmatch(text)):
        text = wrapped[2].strip()
    left = [found for tag in (OPENED, CLOSED, MARK) if (found := tag.search(text)) and not _quoted(found, sent)]
    if not left:
        return text, None
    if left[0].re is OPENED and not CLOSED.search(text):
        return text, f"the answer holds reasoning that does not end ({left[0][0]})"
    return text, f"the answer holds {left[0][0]}, so what belongs to it can't be told"


def _quoted(found: re.Match, sent: tuple[str, ...]) -> bool:
    return any(found[0] in part for part in sent)


def _between_marks(text: str) -> str:
    """Without marks at its two ends."""
    before = BEFORE.match(text)
    return AFTER.sub("", text[before.end() :] if before else text).strip()

