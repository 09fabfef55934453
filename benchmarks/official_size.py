"""What planning, forecasting and scoring cost for `quality-paper` on made rows of QuALITY's official size: 265 articles, 4,609 questions.

    python benchmarks/official_size.py

The articles are random words of English length, some 4,300 each, in files of the official names: 300 + 230 rows. The base is a folder that
holds Llama 3 8B's published config and no weights, so that its memory is estimated too; what is scored is the miniature's base, of 2.2 million
parameters, on one processor. Prints seconds and peak memory of each command.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from pipeline import copy_project  # tests/pipeline.py
from ruamel.yaml import YAML

from closedbook import presets

ARTICLES, QUESTIONS, TRAIN, DEV = 265, 4609, 300, 230
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096,
          "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
          "max_position_embeddings": 8192, "torch_dtype": "bfloat16", "tie_word_embeddings": False}  # fmt: skip
LETTERS = "etaoinshrdlu"


def rows() -> list[dict]:
    """Two for each article, one of each of its writers, as in the official files; the questions are spread evenly."""
    draws = random.Random(1)
    words = ["".join(draws.choices(LETTERS, k=draws.randint(1, 9))) for _ in range(8000)]
    found = []
    for number in range(ARTICLES):
        text = "\n\n".join(" ".join(draws.choices(words, k=100)).capitalize() + "." for _ in range(43))
        for writer in range(2):
            place = 2 * number + writer
            asked = range(place * QUESTIONS // (2 * ARTICLES), (place + 1) * QUESTIONS // (2 * ARTICLES))
            found.append({
                "article_id": f"{10000 + number}", "set_unique_id": f"{10000 + number}_{writer}", "writer_id": f"{writer}",
                "source": "Gutenberg", "title": f"Story {number}", "year": 1950, "author": f"Author {number}", "article": text,
                "questions": [{"question": f"What of {draws.choice(words)} {each}?", "question_unique_id": f"{each}",
                               "gold_label": 1 + each % 4, "difficult": each % 2,
                               "options": [f"{draws.choice(words)} {option}" for option in range(4)]} for each in asked],
            })  # fmt: skip
    return found


def project(folder: Path) -> None:
    copy_project(folder)
    (folder / "data/quality").mkdir(parents=True)
    made = rows()
    for name, part in (("train", made[:TRAIN]), ("dev", made[TRAIN:])):
        text = "".join(json.dumps(row) + "\n" for row in part)
        (folder / f"data/quality/QuALITY.v1.0.1.htmlstripped.{name}").write_text(text)
    (folder / "data/replay.jsonl").write_text("".join(json.dumps({"text": row["article"][:2000]}) + "\n" for row in made))
    (folder / "llama").mkdir()
    (folder / "llama/config.json").write_text(json.dumps(CONFIG))
    yaml = YAML(typ="safe", pure=True)
    settings = yaml.load(presets.text("quality-paper", ROOT / "presets"))
    settings["base"]["model"] = "llama"
    yaml.dump(settings, folder / "params.yaml")


def scored(folder: Path) -> None:
    """The same project with a base that is here, which answers all questions."""
    yaml = YAML(typ="safe", pure=True)
    settings = yaml.load(folder / "params.yaml")
    settings["base"]["model"] = "src/closedbook/miniature/trained"
    settings["training"] |= {"device": "cpu", "block_size": 256, "processes": 1, "sharding": "none"}
    settings["scores"] |= {"device": "cpu", "dtype": "float32", "tasks": ["quality_closed_text"], "batch_size": 32}
    yaml.dump(settings, folder / "params.yaml")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        project(folder)
        programs = Path(sys.prefix) / "bin"
        for command in ([programs / "python", "-m", "closedbook", "fresh"],
                        [programs / "snakemake", "--cores", "2", "--dry-run", "--quiet", "all"],
                        [programs / "python", "-m", "closedbook", "forecast"],
                        [programs / "snakemake", "--cores", "2", "--quiet", "all", "--", "results/scores/base.json"]):
            if "results/scores/base.json" in command:
                scored(folder)
            done = subprocess.run([sys.executable, ROOT / "benchmarks/pipeline.py", "run", *command], cwd=folder, text=True,
                                  env={"PYTHONPATH": "src", "HF_HUB_OFFLINE": "1", "PATH": f"{programs}:/usr/bin:/bin", "HOME": place},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
            print("\n".join(done.stdout.splitlines()[-40:] if "forecast" in command else done.stdout.splitlines()[-2:]), flush=True)


if __name__ == "__main__":
    main()
