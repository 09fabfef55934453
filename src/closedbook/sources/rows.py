"""Text files and rows of JSON, read field by field, so that each complaint names file, line, field, value and remedy."""

import json
from dataclasses import dataclass
from pathlib import Path

from closedbook.errors import UserError
from closedbook.records import Question

NUM_OPTIONS = 4


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
        found = f"not {_short(self.fields[field])}" if field in self.fields else "but is missing"
        return UserError(f"{self.where}: {field}: {must}, {found}")

    def text(self, field: str) -> str:
        """A text that must be there, without the white space around it."""
        text = self.optional_text(field)
        if not text:
            raise self.wrong(field, "must be a text that is not empty")
        return text

    def optional_text(self, field: str) -> str | None:
        value = self.fields.get(field)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong(field, "must be a text (in quotes)")
        return self._encodable(field, value).strip()

    def year(self) -> int | None:
        value = self.fields.get("year")
        if isinstance(value, str):
            value = int(value) if value.strip().isdecimal() else value.strip()
        if value in (None, ""):
            return None
        if type(value) is not int or not 1 <= value <= 9999:
            raise self.wrong("year", "must be a whole number from 1 to 9999, or null")
        return value

    def license(self) -> str | None:
        return " ".join((self.optional_text("license") or "").split()) or None

    def questions(self) -> list[Question]:
        """The questions of a QuALITY row; none is no error."""
        rows = self.fields.get("questions") or []
        if not isinstance(rows, list):
            raise self.wrong("questions", "must be a list")
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise UserError(f"{self.where}: questions[{number}]: must be an object, not {_short(row)}")
        return [Row(f"{self.where}: questions[{number}]", row).question() for number, row in enumerate(rows)]

    def question(self) -> Question:
        options = self.fields.get("options")
        if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
            raise self.wrong("options", "must be a list of four texts")
        if len(options) != NUM_OPTIONS:
            raise self.wrong("options", "must be exactly four texts")
        return Question(
            id=self.text("question_unique_id"),
            question=self.text("question"),
            options=[self._encodable("options", option).strip() for option in options],
            gold=self._gold(),
            difficult=self._difficult(),
        )

    def _gold(self) -> int:
        label = self.fields.get("gold_label")
        if label is None:
            raise UserError(
                f"{self.where}: gold_label: missing: a question without its answer (as in QuALITY's test split) can't be scored;"
                " leave this file out, and use train and dev"
            )
        if type(label) is not int or not 1 <= label <= NUM_OPTIONS:
            raise self.wrong("gold_label", "must be 1, 2, 3 or 4 (the right option's number)")
        return label - 1

    def _difficult(self) -> bool | None:
        value = self.fields.get("difficult")
        if value not in (None, 0, 1):
            raise self.wrong("difficult", "must be 0, 1 or null")
        return None if value is None else bool(value)

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
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start}: not UTF-8 (0x{data[error.start]:02x}): save the file as UTF-8") from None


def read_rows(path: Path) -> list[Row]:
    """One JSON object a line; empty lines are passed over."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            fields = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"not JSON ({error.msg}, column {error.colno})"
            raise UserError(f"{where}: {problem}: each line must be one object, not {_short(line)}") from None
        if not isinstance(fields, dict):
            raise UserError(f"{where}: each line must be one JSON object, not {_short(fields)}")
        rows.append(Row(where, fields))
    return rows


def _short(value) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
