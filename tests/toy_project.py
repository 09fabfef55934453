"""Finished results with a hostile title in them, as far as closedbook serve reads them, and the server itself."""

import dataclasses
import os
import subprocess
import sys
import urllib.request
from contextlib import chdir, contextmanager
from pathlib import Path

import processes
import toys

from closedbook.records import EntityList, Passage, Passages
from closedbook.util import files

HOSTILE = (
    """"><img src=x onerror="window.pwned=1;alert(1)"></bdi></script><script>window.pwned=1</script>"""
    """#/?%2F&lt;{{7*7}}'\\"\u2028\u2029\u202e-->"""
)
ONE_LINE = HOSTILE.replace("\u2028", " ").replace("\u2029", " ")
FIRST, OTHER = "harbour-00000001", "clock-00000002"
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:"
RUN = "entigraph-s1"


def call(key):
    return {"key": key, "model": "openai/large", "model_answered": "large-2", "settings": {"temperature": 0.7, "seed": 5},
            "sample": 0, "attempt": 0, "prompt": "pair", "prompt_sha256": "ab" * 32,
            "usage": {"prompt_tokens": 70, "completion_tokens": 30}, "cost_usd": 0.25, "finish_reason": "stop",
            "response_sha256": "cd" * 32}  # fmt: skip


def passages(folder, document, strategy, texts, listed=None):
    """The first of entigraph's is the entity list's summary, with its call."""
    path = folder / "passages" / strategy / f"{document}.json"
    made = [
        Passage(id=f"{document}/{strategy}/{number:012x}", document=document, strategy=strategy,
                kind="summary" if listed and not number else "pair", entities=[HOSTILE, "Varn"] if listed else [],
                sample=0, writer="llm", text=text, call=listed if listed and not number else call(f"{number:08x}".ljust(64, "0")))
        for number, text in enumerate(texts)
    ]  # fmt: skip
    dropped = [{"kind": "pair", "entities": [HOSTILE], "sample": 0, "reason": f"refused {HOSTILE}"}]
    Passages(document=document, strategy=strategy, passages=made, dropped=dropped).write(path)
    return path


def make(root: Path, context: int = toys.CONTEXT, template: str | None = None) -> Path:
    """Two documents, one of them hostile in every text, and two arms: entigraph without its last passage, raw with all. Returns `root`."""
    root.mkdir(parents=True, exist_ok=True)
    with chdir(root):
        _made(Path("results"), context, template)
    return root


def _made(folder: Path, context: int, template: str | None) -> None:
    toys.base(folder / "base", context)
    toys.receipt("base/base", [], [folder / "base"])
    written = {"raw": [], "entigraph": []}
    for path in (toys.document(folder, FIRST, HOSTILE, HOSTILE, f"Text {HOSTILE} {toys.SENTENCES[1]}"),
                 toys.document(folder, OTHER, "The Clock", None, " ".join(toys.SENTENCES))):
        name, listed = path.stem, call(path.stem.ljust(64, "0"))
        files.write_json(Path(f"sources/{name}.json"), name)
        toys.receipt(f"documents/{name}", [f"sources/{name}.json"], [path])
        EntityList(document=name, summary=f"Summary {HOSTILE}", entities=["Varn", HOSTILE], made_by="llm", why=None, maker="large-2",
                   call=listed).write(folder / "entities" / path.name)  # fmt: skip
        toys.receipt(f"entities/{name}", [path], [folder / "entities" / path.name])
        written["raw"].append(passages(folder, name, "raw", [f"Raw {HOSTILE}"]))
        texts = [f"Passage {number} {HOSTILE}" + (f" {toys.SENTENCES[number]}" if number < 4 else "") for number in range(120)]
        written["entigraph"].append(passages(folder, name, "entigraph", texts, listed))
        for strategy in written:
            keep(strategy, name)
    for arm, paths in written.items():
        place = toys.corpus(folder, arm, paths, left_out=int(arm == "entigraph"))
        toys.receipt(f"corpora/{arm}", paths, [place])
        run(folder, arm, context, template)
        toys.receipt(f"scores/{arm}-s1", [], [score(folder, f"{arm}-s1", arm)])
    toys.receipt("scores/base", [], [score(folder, "base", "base")])


def keep(strategy: str, document: str) -> None:
    """The receipt of a passages file as it is now."""
    toys.receipt(f"passages/{strategy}/{document}", [f"results/documents/{document}.json"], [f"results/passages/{strategy}/{document}.json"])


def run(folder: Path, arm: str, context: int = toys.CONTEXT, template: str | None = None) -> None:
    """A run whose model is the toy base's, with a chat template where one is given."""
    place = toys.run(folder, arm, arm).parent
    spelling = toys.tokenizer()
    spelling.chat_template = template
    spelling.save_pretrained(place)
    toys.model(len(spelling), context).save_pretrained(place)
    toys.receipt(f"runs/{arm}-s1", [], [place])


def score(folder: Path, name: str, arm: str) -> Path:
    path = toys.score(folder, name, arm)
    files.write_json(path, files.read_json(path) | {"strategy": arm, "seed": None if arm == "base" else 1, "corpus_tokens": 10, "train_tokens": 10})
    return path


def mixed(root: Path) -> None:
    """Have entigraph's corpus be a mixture, a passage of it follow a hostile way of study, and that way be a proposal of its own."""
    with chdir(root):
        corpus = Path("results/corpora/entigraph/corpus.json")
        record, part = files.read_json(corpus), {"share": 0.5, "passages": 3, "tokens": 40, "existing_tokens": 50}
        files.write_json(corpus, {**record, "strategy": "raw+entigraph", "strategies": {"raw": part, "entigraph": part}})
        path = Path(f"results/passages/entigraph/{FIRST}.json")
        made = Passages.read(path)
        proposal = Passage(id=f"{FIRST}/entigraph/ways", document=FIRST, strategy="entigraph", kind="ways", entities=[], sample=0, writer="llm",
                           text=f"1. {HOSTILE}", call=call("e" * 64))  # fmt: skip
        studied = [*made.passages[:7], dataclasses.replace(made.passages[7], way=HOSTILE), *made.passages[8:]]
        dataclasses.replace(made, passages=studied, proposals=[proposal]).write(path)
        keep("entigraph", FIRST)
        toys.receipt("corpora/entigraph", [path], [corpus.parent])


@contextmanager
def served(root: Path, *arguments: str, planted: str = "", **environment: str):
    """The address of `closedbook serve` over the results of `root`, for as long as the block lasts; `planted`: code that is run before it."""
    given = [sys.executable, "-c", f"import sys; from closedbook import cli; {planted or 0}; sys.exit(cli.main(sys.argv[1:]))"]
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src"), **environment}
    server = subprocess.Popen([*given, "serve", "--port", "0", *arguments], cwd=root, env=where, stdout=subprocess.PIPE, text=True)
    try:
        said = server.stdout.readline()
        yield said.split()[2]
    finally:
        processes.end(server)
        server.stdout.close()


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=60) as response:
        return response.read().decode()
