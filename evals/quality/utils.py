"""Questions and prompts of the tasks in this folder. Nothing of closedbook is imported here, so that lm_eval alone can run them."""

import bisect
import json
from pathlib import Path
from runpy import run_path

LETTERS = "ABCDEFGHIJ"
"""of the options, from the first on"""
VALIDATION = 5
"""one document in so many, the first ones by title, is for validation"""


def load(data_file="results/questions", reads=None, documents="results/documents", retrieved="results/retrieval/chunks.jsonl",
         chunks=8, order="best_last", in_words=False, answer_tokens=300, reply_tokens=0, **model):
    """{"test": all questions of `data_file`}: a JSON file of rows, a folder of such files, or a list of files.

    `reads`: what stands before the question: None, "document" (whose text is in `documents`, a folder or a list of files) or "chunks" (of
    `retrieved`, the best `chunks` of them in `order`). `in_words`: whether the model writes its answer, of up to `answer_tokens`, after
    worked examples; `reply_tokens`: of an answer that it writes without any. `model`: what lm_eval knows of the model, and the version. README.md tells how a document is cut.
    Raises ValueError, which names the file, where there is no question or one that can't be scored, and where a prompt does not fit.
    """
    import datasets

    rows = _with_split([row for file in _files(data_file) for row in _rows(file)])
    if not rows:
        raise ValueError(f"{data_file}: no questions to score")
    if reads == "chunks":
        rows = _with_chunks(rows, Path(retrieved), chunks, order)
    if reads == "document":
        rows = _with_document(rows, documents, _excess(in_words and answer_tokens, reply_tokens, **model))
    elif reads or in_words or reply_tokens:
        _check_fits(rows, _excess(in_words and answer_tokens, reply_tokens, **model))
    if reply_tokens:
        rows = run_path(str(Path(__file__).with_name("recall.py")))["with_identifiers"](rows)
    return {"test": datasets.Dataset.from_list(rows)}


def _files(where) -> list[Path]:
    if isinstance(where, list):
        return [Path(file) for file in where]
    path = Path(where)
    return sorted(path.glob("*.json")) if path.is_dir() else [path]


def _rows(file: Path) -> list[dict]:
    rows = json.loads(file.read_text(encoding="utf-8"))
    for row in rows:
        options = row["options"]
        if not 2 <= len(options) <= len(LETTERS) or not all(option.strip() for option in options):
            raise ValueError(f"{file}: question {row['id']}: options: needs two to {len(LETTERS)} texts, has {options!r}")
        if row["gold"] not in range(len(options)):
            raise ValueError(f"{file}: question {row['id']}: gold: must be 0 to {len(options) - 1}, the right option's index, is {row['gold']!r}")
    return rows


def _with_split(rows: list[dict]) -> list[dict]:
    """"validation" for the first fifth (rounded down) of the documents by title, then by id; "test" for the others. Documents of one
    training seed are split by themselves, so that a question is in the same part for whoever is asked it."""
    validation = set()
    for seed in {row.get("seed") for row in rows}:
        ordered = sorted({(row["title"], row["document"]) for row in rows if row.get("seed") == seed})
        validation |= {document for _, document in ordered[: len(ordered) // VALIDATION]}
    return [{**row, "split": "validation" if row["document"] in validation else "test"} for row in rows]


def _excess(answer_tokens, reply_tokens, pretrained=None, tokenizer=None, revision=None, max_length=None, max_model_len=None, template_tokens=0, **_):
    """A function that tells how many tokens too many for the model's context a question's prompt and answer are, counted as lm_eval will;
    `template_tokens`: those that a chat template sets around a prompt.

    The answer is one of `answer_tokens` after worked examples, or one of `reply_tokens`, or, where both are 0, any of the options. Nothing is too long where nothing says which tokenizer
    counts, as of a model behind an API: its server refuses what is.
    """
    if pretrained is None:
        return lambda row: 0
    from lm_eval.models.utils import resolve_max_length
    from transformers import AutoConfig, AutoTokenizer

    words = AutoTokenizer.from_pretrained(tokenizer or pretrained, revision=revision)
    limit = max_length or max_model_len or resolve_max_length(AutoConfig.from_pretrained(pretrained, revision=revision), words)

    def needed(row: dict) -> int:
        if answer_tokens:
            return len(words.encode(worked_prompt(row))) + template_tokens + answer_tokens
        if reply_tokens:
            return len(words.encode(text_prompt(row))) + template_tokens + reply_tokens
        longest = max(row["options"], key=lambda option: len(words.encode(f" {option}")))
        return len(words.encode(f"{text_prompt(row)} {longest}")) + template_tokens - 1  # the last token is predicted, never read

    return lambda row: max(0, needed(row) - limit)


def _check_fits(rows: list[dict], excess) -> None:
    for row in rows:
        if over := excess(row):
            raise ValueError(f"question {row['id']}: its prompt and answer are {over} tokens longer than the model's context, and are never"
                             " cut: take a model with a longer one, or show fewer chunks where there are some")


def _with_document(rows: list[dict], documents, excess) -> list[dict]:
    """Each question with as many of its document's paragraphs, from the first on, as fit."""
    files = {file.stem: file for file in _files(documents)}
    if missing := sorted({row["document"] for row in rows} - files.keys()):
        raise ValueError(f"{documents}: has no {missing[0]}.json, the document of some questions")
    texts = {document: json.loads(file.read_text(encoding="utf-8"))["text"] for document, file in files.items()}
    return [_cut(row, texts[row["document"]].split("\n\n"), excess) for row in rows]


def _cut(row: dict, paragraphs: list[str], excess) -> dict:
    def with_first(number: int) -> dict:
        reading = "\n\n".join([f"{byline(row)}.", *paragraphs[:number]])
        return row | {"reading": reading, "paragraphs_left_out": len(paragraphs) - number}

    if not excess(whole := with_first(len(paragraphs))):
        return whole
    number = bisect.bisect_right(range(1, len(paragraphs)), 0, key=lambda number: excess(with_first(number)))
    if not number:
        raise ValueError(f"question {row['id']}: not even the first paragraph of {row['document']} fits the model's context beside it:"
                         " take a model with a longer one")
    return with_first(number)


def _with_chunks(rows: list[dict], retrieved: Path, chunks: int, order: str) -> list[dict]:
    """Each question with the chunks retrieved for it; fewer than asked for where no more were found."""
    found = map(json.loads, retrieved.read_text(encoding="utf-8").splitlines())
    best = {row["question"]: row["chunks"][:chunks] for row in found}
    if missing := [row["id"] for row in rows if row["id"] not in best]:
        raise ValueError(f"{retrieved}: has no chunks for {len(missing)} of the {len(rows)} questions, as {missing[0]}: retrieve for these")
    return [row | _reading(row, best[row["id"]][::{"best_first": 1, "best_last": -1}[order]]) for row in rows]


def _reading(row: dict, chunks: list[dict]) -> dict:
    """`finds_document`: whether a chunk is of the document that the question is about; its mean is the recall."""
    finds = any(chunk["document"] == row["document"] for chunk in chunks)
    return {"reading": "\n\n".join(chunk["text"] for chunk in chunks), "chunks": len(chunks), "finds_document": finds}


def byline(doc: dict) -> str:
    by = f" by {doc['author']}" if doc["author"] else ""
    return f'"{doc["title"]}"{by}' + (f", {doc['year']}" if doc["year"] else "")


def context_line(doc: dict) -> str:
    """The paper's context line, as far as author and year are known."""
    written = ""
    if doc["author"]:
        written = f", written by {doc['author']}" + (f" in {doc['year']}" if doc["year"] else "")
    return f'In the context of "{doc["title"]}"{written}, {doc["question"]}'


def letters(doc: dict) -> list[str]:
    return [*LETTERS[: len(doc["options"])]]


def _lettered(doc: dict) -> list[str]:
    return [f"{letter}. {option}" for letter, option in zip(letters(doc), doc["options"], strict=True)]


def letters_prompt(doc: dict) -> str:
    return "\n".join([context_line(doc), *_lettered(doc), "Answer:"])


def text_prompt(doc: dict) -> str:
    reading = f"{doc['reading']}\n\n" if doc.get("reading") else ""
    return f"{reading}{context_line(doc)}\nAnswer:"


def cot_prompt(doc: dict) -> str:
    reading = f"## Text\n{doc['reading']}\n\n" if doc.get("reading") else ""
    return reading + "\n".join(["## Question", context_line(doc), *_lettered(doc), "Reasoning:"])


def cot_answer(example: dict) -> str:
    return f"{example['reasoning']}\nAnswer: {LETTERS[example['gold']]}"


def examples() -> list[dict]:
    """The five worked examples, without the lines of their books that tell the answer."""
    return [example | {"reading": None} for example in examples_with_text()]


def examples_with_text() -> list[dict]:
    return json.loads(Path(__file__).with_name("examples.json").read_text(encoding="utf-8"))


def worked_prompt(doc: dict) -> str:
    """The whole few-shot prompt, as lm_eval puts it together of the worked examples and the question."""
    shown = examples_with_text() if "reading" in doc else examples()
    return "\n\n".join([*(f"{cot_prompt(example)} {cot_answer(example)}" for example in shown), cot_prompt(doc)])
