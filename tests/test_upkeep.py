"""What a run leaves behind: results that some job answers for, and nothing else."""

from pathlib import Path

import jobs_here
from ruamel.yaml import YAML
from texts import write_documents

from closedbook.freshness import plan, upkeep

ROOT = Path(__file__).parent.parent


def test_what_a_killed_job_left_half_written_goes_also_where_there_is_no_git(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("evals", "src"):
        Path(name).symlink_to(ROOT / name)
    write_documents(Path("texts"))
    sections = YAML(typ="safe", pure=True).load(ROOT / "params.yaml")
    sections |= {"documents": {"source": "folder", "path": "texts", "limit": None}, "llm": {**sections["llm"], "model": None},
                 "arms": {"raw": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}}}  # fmt: skip
    YAML(typ="safe", pure=True).dump(sections, Path("params.yaml"))
    planned = plan.make()
    jobs_here.make(planned)
    wanted = sorted(Path("results").rglob("*"))
    Path("results/passages/raw/.tmp-half").write_text('{"document": "har')
    assert "needs a git repository" in upkeep.commit(planned)
    assert sorted(Path("results").rglob("*")) == wanted
