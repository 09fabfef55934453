"""Requests to files and answers back: seconds and peak memory at many documents, without a server.

    PYTHONPATH=src python benchmarks/bulk.py [DOCUMENTS] [PASSAGES]

Made-up documents of 300 words, a rephrasing asked so often of each; an engine's answers are made up too. Each command is a process of its
own, and loads LiteLLM (seconds).
"""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
WORDS = 300


def project(folder: Path, documents: int, passages: int) -> None:
    for name in ("evals", "src"):
        (folder / name).symlink_to(ROOT / name)
    drawn, vocabulary = random.Random(1), [f"word{number}" for number in range(5_000)]
    (folder / "texts").mkdir()
    for number in range(documents):
        (folder / "texts" / f"text-{number}.txt").write_text(" ".join(drawn.choices(vocabulary, k=WORDS)) + ".\n")
    yaml = YAML(typ="safe", pure=True)
    settings = yaml.load(ROOT / "params.yaml")
    settings["documents"] |= {"source": "folder", "path": "texts"}
    settings["llm"] |= {"model": "openai/made-up", "api_base": "http://127.0.0.1:9/v1"}
    settings["passages"]["rephrase"] = {"styles": ["easy"], "samples": passages}
    settings["arms"] = {"rephrase": {"strategy": "rephrase", "corpus_tokens": "all", "epochs": 1}}
    yaml.dump(settings, folder / "params.yaml")


def answered(requests: Path, answers: Path) -> int:
    """As an engine would, in the same order; how many."""
    number = 0
    with open(answers, "w") as output:
        for path in sorted(requests.iterdir()):
            for number, line in enumerate(open(path), number + 1):
                message = {"role": "assistant", "content": "A made-up passage about what the document says, in so many words. " * 20}
                if "response_format" in (request := json.loads(line))["body"]:
                    message["content"] = '{"summary": "A text.", "entities": ["word1", "word2"]}'
                usage = {"prompt_tokens": 600, "completion_tokens": 260, "total_tokens": 860}
                choice = {"index": 0, "finish_reason": "stop", "message": message}
                body = {"id": "x", "object": "chat.completion", "created": 0, "model": "made-up", "usage": usage, "choices": [choice]}
                output.write(json.dumps({"custom_id": request["custom_id"], "response": {"status_code": 200, "body": body}}) + "\n")
    return number


def command(folder: Path, *arguments: str) -> str:
    """Run it; what it took."""
    began, before = time.monotonic(), _cpu()
    subprocess.run([sys.executable, "-m", "closedbook", "asks", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": "src"})  # fmt: skip
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    return f"{time.monotonic() - began:.0f} s, {_cpu() - before:.0f} s of processors; at most {most:.2f} GiB so far"


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(documents: int = 265, passages: int = 50) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        project(folder, documents, passages)
        print("export:", command(folder, "export", "asks"))
        size = sum(path.stat().st_size for path in (folder / "asks").iterdir()) / 1e6
        print(f"{answered(folder / 'asks', folder / 'answers.jsonl'):,} requests, {size:,.0f} MB")
        print("import:", command(folder, "import", "answers.jsonl"))
        print("import again:", command(folder, "import", "answers.jsonl"))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
