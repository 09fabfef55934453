"""Text files and rows of JSON, read field by field, so that each complaint names file, line, field, value and remedy."""

import csv
import json
import logging
import math
import re
import reprlib
from dataclasses import dataclass
from pathlib import Path

from closedbook.records import Question
from closedbook.sources.article import one_line
from closedbook.sources.cleaning import clean
from closedbook.util import files
from closedbook.util.errors import UserError

LETTERS = "ABCDEFGHIJ"
"""of the options"""
OPTIONS = "two to ten"
DEEP = 100
"""lists and objects within one another: no field of ours has more than a few"""
TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")\s*:|"(?:[^"\\]|\\.)*"|[\[\]{}]')

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """An object of a source in QuALITY's terms, and where it stands. Each method raises UserError for a field that is not as it must be."""

    where: str
    """file, or file:line"""
    fields: dict

    @property
    def line(self) -> int:
        """Of a row in a file."""
        return int(self.where.rpartition(":")[2])

    def wrong(self, field: str, must: str) -> UserError:
        found = f"not {short(self.fields[field])}" if field in self.fields else "but is missing"
        return UserError(f"{self.where}: {field}: {must}, {found}")

    def text(self, field: str, is_name: bool = False) -> str:
        """A text that must be there, clean and without the white space around it; a file's name holds what it holds."""
        text = self.optional_text(field, is_name)
        if not text:
            raise self.wrong(field, "must be a text that is not empty")
        return text

    def optional_text(self, field: str, is_name: bool = False) -> str | None:
        value = self.fields.get(field)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(field, "must be a text (in quotes)")
        return (self._encodable(field, value) if is_name else self._clean(field, value)).strip()

    def year(self) -> int | None:
        value = self.fields.get("year")
        if isinstance(value, str):
            value = int(value) if value.strip().isdecimal() and len(value) < 80 else value.strip()
        if value in (None, ""):
            return None
        if type(value) is not int or not 1 <= value <= 9999:
            raise self.wrong("year", "must be a whole number from 1 to 9999, or null")
        return value

    def license(self) -> str | None:
        return one_line(self.optional_text("license") or "") or None

    def summaries(self) -> list[str]:
        """What people wrote of the article in short: QuALITY has none; whoever has some gives them in this field."""
        texts = self.fields.get("summaries")
        if texts is None:
            return []
        if not isinstance(texts, list) or not all(isinstance(text, str) and text.strip() for text in texts):
            raise self.wrong("summaries", "must be a list of texts that are not empty")
        return [self._clean("summaries", text).strip() for text in texts]

    def questions(self) -> list[Question]:
        """The questions of a QuALITY row; none is no error."""
        rows = self.fields.get("questions")
        if rows is None:
            return []
        if not isinstance(rows, list):
            raise self.wrong("questions", "must be a list")
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise UserError(f"{self.where}: questions[{number}]: must be an object, not {short(row)}")
        return [Row(f"{self.where}: questions[{number}]", row).question() for number, row in enumerate(rows)]

    def question(self) -> Question:
        options = self.fields.get("options")
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise self.wrong("options", f"must be a list of {OPTIONS} texts")
        if not 2 <= len(options) <= len(LETTERS):
            raise self.wrong("options", f"must be {OPTIONS} texts")
        options = [self._clean("options", option).strip() for option in options]
        if not all(options):
            raise self.wrong("options", f"must be texts that are not empty (the {options.index('') + 1}. is)")
        if len(set(options)) < len(options):
            log.warning("%s: options: two are the same: %s", self.where, short(options))
        question = self.text("question")
        return Question(
            id=self.text("question_unique_id") if self.fields.get("question_unique_id") is not None else self._made_id(question, options),
            question=question,
            options=options,
            gold=self._gold(options),
            difficult=self._difficult(),
        )

    def _made_id(self, question: str, options: list[str]) -> str:
        """The same for the same question about the same document, wherever it stands."""
        return f"q-{files.sha256_text(files.canonical([self.fields.get('document'), question, options]))[:12]}"

    def _gold(self, options: list[str]) -> int:
        label, answer = self.fields.get("gold_label"), self.fields.get("answer")
        if label is None and answer is not None:
            return self._answered(options)
        if label is None:
            raise UserError(
                f"{self.where}: gold_label: missing: a question without its answer (as in QuALITY's test split) can't be scored;"
                " leave this file out, and use train and dev"
            )
        if type(label) is not int or not 1 <= label <= len(options):
            raise self.wrong("gold_label", f"must be the right option's number, 1 to {len(options)}")
        if answer is not None and self._answered(options) != label - 1:
            raise self.wrong("answer", f"must be the same option as gold_label, {label}, or be left out")
        return label - 1

    def _answered(self, options: list[str]) -> int:
        """The option that `answer` names by its letter, its number or its text."""
        answer = self.fields["answer"]
        letters = LETTERS[: len(options)]
        must = f"must be the letter (A to {letters[-1]}), the number (1 to {len(letters)}) or the text of one of its options"
        if not isinstance(answer, (str, int)) or not (text := self._clean("answer", str(answer)).strip()):
            raise self.wrong("answer", must)
        by_text = [place for place, option in enumerate(options) if option == text]
        by_name = [place for place, letter in enumerate(letters) if text.rstrip(".)").upper() in (letter, str(place + 1))]
        named = sorted({*by_text, *by_name})
        if len(named) > 1:
            raise self.wrong("answer", f"must name one option (it fits the options {' and '.join(str(place + 1) for place in named)}; give gold_label)")
        if not named:
            raise self.wrong("answer", must)
        return named[0]

    def _difficult(self) -> bool | None:
        value = self.fields.get("difficult")
        if value not in (None, 0, 1):
            raise self.wrong("difficult", "must be 0, 1 or null")
        return None if value is None else bool(value)

    def _clean(self, field: str, text: str) -> str:
        return clean(self._encodable(field, text))

    def _encodable(self, field: str, text: str) -> str:
        """JSON can spell half a character (a lone surrogate such as \\ud83d), which no file of ours could hold."""
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            half = ascii(text[error.start])
            raise UserError(f"{self.where}: {field}: holds half a character ({half}): write the whole character") from None
        return text


def read_text(path: Path) -> str:
    """A UTF-8 file, without the byte order mark that it may begin with."""
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or data.count(0) * 10 > len(data):
        raise UserError(f"{path}: looks like UTF-16 or UTF-32 (a byte order mark, or NUL beside letters): save the file as UTF-8")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        wide = ", perhaps UTF-16" if 0 in data else ""
        raise UserError(f"{path}: byte {error.start}: not UTF-8{wide} (0x{data[error.start]:02x}): save the file as UTF-8") from None


def read_rows(path: Path) -> list[Row]:
    """One JSON object a line, whatever ends it; empty lines are passed over."""
    rows = []
    for number, line in enumerate(re.split("\r\n|\r|\n", read_text(path)), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            fields = json.loads(line, object_pairs_hook=lambda pairs: _object(where, pairs), parse_int=_whole)
        except json.JSONDecodeError as error:
            problem = f"not JSON ({error.msg}, column {error.colno})"
            raise UserError(f"{where}: {problem}: each line must be one object, not {short(line)}") from None
        except RecursionError:
            problem = f"{_deep_field(line)}lists or objects within one another more than {DEEP} times"
            raise UserError(f"{where}: {problem}: take them apart") from None
        if not isinstance(fields, dict):
            raise UserError(f"{where}: each line must be one JSON object, not {short(fields)}")
        rows.append(Row(where, fields))
    return rows


def read_table(path: Path) -> list[Row]:
    """The same of a CSV file with a line of names: options in columns A, B, …, of which a row may leave the last ones empty; an empty cell is a
    field that is not there.

    Raises UserError for a table without these columns, and for a row that has more cells, or a cell of more lines than one."""
    lines = re.split("\r\n|\r|\n", read_text(path))
    delimiter = max(",;\t", key=lines[0].count)
    named = [name.strip() for name in _cells(f"{path}:1", lines[0], delimiter)]
    letters = [letter for letter in LETTERS if letter in named]
    wanted = ["document", "question", *LETTERS[: max(2, len(letters))]]
    if missing := [name for name in wanted if name not in named]:
        raise UserError(f"{path}:1: no column {', '.join(missing)}: the first line must name the columns document, question, A, B, … and answer, "
                        f"not {short(lines[0])}")
    if len(letters) == len(LETTERS) and "K" in named:
        raise UserError(f"{path}:1: K: an option beyond the tenth: a question has {OPTIONS} of them")
    if twice := next((name for name in named if named.count(name) > 1), None):
        raise UserError(f"{path}:1: {short(twice)[1:-1]}: is there twice: keep one of these columns")
    return [Row(where, _fields(where, named, letters, line, delimiter))
            for number, line in enumerate(lines[1:], start=2) if line.strip() and (where := f"{path}:{number}")]


def _fields(where: str, named: list[str], letters: list[str], line: str, delimiter: str) -> dict:
    cells = _cells(where, line, delimiter)
    if len(cells) > len(named):
        raise UserError(f"{where}: {len(cells)} cells, and the first line names {len(named)} columns: put a text that holds {delimiter!r} in quotes")
    fields = {name: cell for name, cell in zip(named, cells) if cell.strip()}
    numbers = {name: int(fields[name]) for name in ("gold_label", "difficult") if re.fullmatch(r"\s*\d{1,9}\s*", fields.get(name, ""))}
    options = [fields.get(letter, "") for letter in letters]
    while options and not options[-1]:
        options.pop()
    return fields | numbers | {"options": options}


def _cells(where: str, line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise UserError(f"{where}: not CSV ({error}): close its quotes, and put each question on one line, not {short(line)}") from None


def _object(where: str, pairs: list[tuple[str, object]]) -> dict:
    """What JSON as Python reads it lets pass: a field that is there twice, and numbers that are none."""
    fields = dict(pairs)
    for name, value in fields.items():
        values = value if isinstance(value, list) else [value]
        if wrong := next((each for each in values if isinstance(each, float) and not math.isfinite(each)), None):
            raise UserError(f"{where}: {short(name)[1:-1]}: {wrong} is no number that can be: give one, or null")
    if len(fields) < len(pairs):
        given = [name for name, _ in pairs]
        twice = next(name for name in given if given.count(name) > 1)
        raise UserError(f"{where}: {short(twice)[1:-1]}: is there twice: keep one of them")
    return fields


def _whole(digits: str) -> int | float:
    """Python itself reads none of more than 4,300 digits."""
    return int(digits) if len(digits) < 80 else float(digits)


def _deep_field(line: str) -> str:
    """The field of a row under which it goes too deep, and a colon."""
    depth, field = 0, ""
    for token in TOKEN.finditer(line):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        elif token[1] and depth == 1:
            field = f"{short(token[1])[2:-2]}: "
        if depth > DEEP:
            break
    return field


class _Short(reprlib.Repr):
    def __init__(self):
        super().__init__()
        self.maxstring = self.maxother = 80
        self.maxlist = self.maxdict = 10

    def repr_int(self, value: int, level: int) -> str:
        return super().repr_int(value, level) if abs(value) < 10**80 else "a number of more than 80 digits"


def short(value) -> str:
    """A value as it may stand in a message, however deep, long or large it is."""
    text = _Short().repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
