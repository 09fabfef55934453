"""What a word is, for every count, comparison and cut of this project.

Where a script has spaces between words, a word is what white space parts. Chinese, Japanese, Thai, Lao, Khmer, Burmese and the like have
none: there each character, with the marks on it, is a word of its own. Punctuation goes with the word beside it. Korean has spaces.
"""

import re
import unicodedata

IDEOGRAPHS = "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303c\u3105-\u312f\u31a0-\u31bf\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff" \
             "\U00020000-\U0003ffff"
"""Han and Bopomofo"""
KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001aff0-\U0001b16f"
WIDE = IDEOGRAPHS + KANA
"""scripts that have no space even where a line ends"""
UNSPACED = WIDE + "\u0e01-\u0e4f\u0e80-\u0ecf\u0edc-\u0edf\u0f40-\u0fbc\u1000-\u103f\u1050-\u108f\u1780-\u17d3\u1950-\u19cf\u1a20-\u1a7f" \
                  "\u1b05-\u1b4c\ua980-\ua9c0\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaadf"
"""these, and Thai, Lao, Tibetan, Burmese, Khmer, Tai Le, New Tai Lue, Tai Tham, Balinese, Javanese and Tai Viet, without their digits"""
MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))
"""accents and vowel signs, which belong to the letter before them: Python's \\w has none of them.

Beyond U+FFFF, where scripts are rare, a class of them would be slow."""
INVISIBLE = "\u00ad\u200b-\u200f\u2060\ufeff"
"""what may stand inside a word and is not seen"""
FULL_STOPS = "。！？｡．။។༎"
"""end a sentence without a space after them"""
CLOSING = "\"'”’)\\]」』）】》〉"
"""may follow a sentence's end, as in a character class"""
SENTENCE_END = re.compile(rf"[.!?…]+[{CLOSING}]*(?=\s)|[{FULL_STOPS}]+[{CLOSING}]*|(?<=[{UNSPACED}])(?=\s)")
"""in running text; in scripts without spaces a space may end a sentence too"""
PARAGRAPH_END = re.compile(rf"[.!?:{FULL_STOPS}][{CLOSING}]*$")
"""how the last line of a paragraph may end"""
QUESTION_MARK = re.compile("[?？؟՞፧⸮⁇⁈⁉]")

_SENTENCE = re.compile(rf"\S.*?(?:{SENTENCE_END.pattern}|$)", re.DOTALL)
_HAS_UNSPACED = re.compile(f"[{UNSPACED}]")
_WORD = re.compile(rf"[^\s\w]*[{UNSPACED}][^\s\w]*|[^\s{UNSPACED}]+")
_LETTERS = re.compile(rf"[{UNSPACED}][{MARKS}]*|(?:[^\W_{UNSPACED}]+[{MARKS}]*)+")
_RUN = re.compile(rf"(?:[{UNSPACED}][{MARKS}]*)+")
_UNSEEN = re.compile(f"[{INVISIBLE}]")
_SIDE, _QUOTES = f"[{WIDE}\u3000-\u303f\uff01-\uff5e]", f"[{WIDE}\u3000-\u303f\uff01-\uff5e“”‘’…—]"
_WRAP = re.compile(rf"(?<={_SIDE})[ \t\r]*\n[ \t\r\n]*(?={_QUOTES})|(?<={_QUOTES})[ \t\r]*\n[ \t\r\n]*(?={_SIDE})")


def words(text: str) -> list[str]:
    """The words of a text as they stand, punctuation included."""
    return _WORD.findall(text) if _HAS_UNSPACED.search(text) else text.split()


def count(text: str) -> int:
    return len(words(text))


def sentences(text: str) -> list[str]:
    """The sentences of a text as they stand, by their ends alone: "Mr." ends one."""
    return _SENTENCE.findall(text)


def pieces(text: str, size: int) -> list[str]:
    """A text cut after every `size` words, each piece as it stands; the last may be shorter."""
    spans = [match.span() for match in _WORD.finditer(text)]
    return [text[spans[at][0] : spans[min(at + size, len(spans)) - 1][1]] for at in range(0, len(spans), size)]


def bare(text: str) -> list[str]:
    """The words of a text in one form for any case, spacing and punctuation."""
    return _LETTERS.findall(unicodedata.normalize("NFKC", _UNSEEN.sub("", text)).casefold())


def apart(text: str) -> str:
    """A text with a space between the words of a script that has none; others stay as they are."""
    return " ".join(words(text)) if _HAS_UNSPACED.search(text) else text


def is_unspaced(text: str) -> bool:
    """Whether any of it is in a script without spaces."""
    return _HAS_UNSPACED.search(text) is not None


def pairs(text: str) -> str:
    """A text for an index that takes words as spaces part them: of scripts that have none, each two letters that stand side by side."""
    return _RUN.sub(lambda run: f" {' '.join(_overlapping([word[0] for word in _LETTERS.findall(run[0])]))} ", text)


def _overlapping(letters: list[str]) -> list[str]:
    return [first + second for first, second in zip(letters, letters[1:])] or letters


def unwrapped(text: str) -> str:
    """A text without the line ends that Chinese or Japanese was wrapped with: there a line's end stands for no space."""
    return _WRAP.sub("", text)


def joined(sentences: list[str]) -> str:
    """Sentences one after the other, with a space between them unless both sides are of scripts that have none there."""
    return unwrapped("\n".join(sentences)).replace("\n", " ")
