"""Where results lie in a project: one folder per stage, named after it; and where the files of one of them do, by its name.

The paths of each document are made once: a plan of ten thousand documents names them a hundred thousand times.
"""

from functools import cache
from pathlib import Path

WORK = Path(".closedbook")
"""what is half done, remembered or said: no result"""
SOURCES = WORK / "sources"
RESULTS = Path("results")
DOCUMENTS, QUESTIONS, ENTITIES, PASSAGES = (RESULTS / name for name in ("documents", "questions", "entities", "passages"))
BASE, TOKENS, CORPORA, RUNS, SCORES = (RESULTS / name for name in ("base", "tokens", "corpora", "runs", "scores"))
JUDGEMENTS, RETRIEVAL, REPORT, RECEIPTS = (RESULTS / name for name in ("judgements", "retrieval", "report", "receipts"))
SUMMARIES, VERDICTS, ASSISTANTS, TEACHER, PAIRS = (RESULTS / name for name in ("summaries", "verdicts", "assistants", "teacher", "pairs"))
BASE_FACTS = BASE / "base.json"
JUDGED = JUDGEMENTS / "judgements.json"
PORT = 8765
"""on which closedbook serve shows them, and where the report's links lead"""


@cache
def source(document: str) -> Path:
    """A document as its source has it: what planning writes."""
    return SOURCES / f"{document}.json"


@cache
def document(identity: str) -> Path:
    return DOCUMENTS / f"{identity}.json"


@cache
def questions(document: str) -> Path:
    return QUESTIONS / f"{document}.json"


@cache
def entities(document: str) -> Path:
    return ENTITIES / f"{document}.json"


def pairs(document: str) -> Path:
    """Those in which it stands first."""
    return PAIRS / f"{document}.json"


@cache
def passages(strategy: str, document: str) -> Path:
    return PASSAGES / strategy / f"{document}.json"


@cache
def tokens(strategy: str, document: str, end: str = ".npy") -> Path:
    """A piece, and by other ends what lies beside it."""
    return TOKENS / strategy / f"{document}{end}"


def overlap(name: str) -> Path:
    """Which passages hold a question, of documents that are taught together."""
    return TOKENS / "overlap" / f"{name}.jsonl"


def replay(name: str = "all") -> Path:
    return TOKENS / "replay" / name


def replay_overlap(name: str) -> Path:
    """Which replay texts hold a question, of documents that are taught together."""
    return TOKENS / "replay_overlap" / f"{name}.jsonl"


def dialogues(name: str) -> Path:
    """Of an assistant or an arm, tokenised."""
    return TOKENS / "dialogues" / name


def run_name(arm: str, seed: int) -> str:
    return f"{arm}-s{seed}"


def arm_of(run: str) -> str:
    return run.rpartition("-s")[0]


def run_facts(run: str) -> Path:
    return RUNS / run / "run.json"


def assistant_facts(name: str) -> Path:
    return ASSISTANTS / name / "assistant.json"


def score(name: str) -> Path:
    """Of a run, of the base, of an assistant, or of an API model."""
    return SCORES / f"{name}.json"


def summaries(name: str) -> Path:
    """By a run, by the base, by an API model, or by people."""
    return SUMMARIES / f"{name}.json"


def verdicts(name: str) -> Path:
    """On these summaries."""
    return VERDICTS / f"{name}.json"


def samples(score: str) -> Path:
    return SCORES / f"{score}.samples.jsonl"
