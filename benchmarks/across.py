"""How long the stage pairs takes to find which documents share entities.

    PYTHONPATH=src python benchmarks/across.py 265

Made-up documents of 5,000 words with 40 entities each, drawn by Zipf's law from as many names as there are documents times ten: reading,
comparing and writing, in one process.
"""

import random
import sys
import tempfile
import time
from pathlib import Path

from closedbook import params
from closedbook.records import Document, EntityList
from closedbook.stages import pairs

WORDS, ENTITIES, NAMES = 5_000, 40, 10


def made(folder: Path, number: int) -> list[str]:
    rng = random.Random(1)
    names = [f"name {place}" for place in range(number * NAMES)]
    weights = [1 / place for place in range(1, len(names) + 1)]
    ids = [f"d{place:06}" for place in range(number)]
    for name in ids:
        Document(id=name, title=name, author=None, year=None, text=" ".join(rng.choices(names, k=WORDS // 2))).write(folder / f"documents/{name}.json")
        entities = list(dict.fromkeys(rng.choices(names, weights, k=3 * ENTITIES)))[:ENTITIES]
        EntityList(document=name, summary="", entities=entities, made_by="llm", why=None, maker="m", call=None).write(folder / f"entities/{name}.json")
    return ids


def main(number: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ids = made(folder, number)
        settings = params.typed({"passages": {"across": {"shared": 2, "pairs": 5}}, "bound": dict.fromkeys(ids)})
        began = time.perf_counter()
        counts = pairs.build(documents=sorted(folder.glob("documents/*")), entities=sorted(folder.glob("entities/*")), folder=folder / "pairs", params=settings)
        print(f"{number} documents: {counts['pairs']:,} pairs in {time.perf_counter() - began:.2f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 265)
