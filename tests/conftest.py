import fcntl
import os
import stat

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
for name in list(os.environ):
    if name.endswith("_API_KEY"):
        del os.environ[name]  # no test may reach a provider

import pytest  # noqa: E402  (the environment comes first)
from openai_server import Server  # noqa: E402
from pipeline import Pipeline, jobs  # noqa: E402
from texts import check_nothing_hostile, write_documents  # noqa: E402


def pytest_collection_modifyitems(items):
    """Of two workers, one begins with the tests that share the finished pipeline below, so that it is made once, the other with all else slow."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    sharing = [item for item in slow if "finished_pipeline" in item.fixturenames]
    quick = [item for item in items if item not in slow]
    fill = len(items) // 2 - len(sharing)
    items[:] = [*sharing, *quick[:fill], *(item for item in slow if item not in sharing), *quick[fill:]]


@pytest.fixture(autouse=True, scope="session")
def locks_as_on_nfs():
    """In every test a lock is refused that NFS would not take, or hold on this machine alone: an exclusive one of a file that can't be
    written, a shared one of a file that can't be read, any of a folder."""
    flock = fcntl.flock

    def as_on_nfs(file, operation):
        number = file if isinstance(file, int) else file.fileno()
        mode = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
        lacks = os.O_RDONLY if operation & fcntl.LOCK_EX else os.O_WRONLY if operation & fcntl.LOCK_SH else None
        if mode == lacks or stat.S_ISDIR(os.fstat(number).st_mode):
            raise OSError("NFS would not take this lock")
        return flock(file, operation)

    fcntl.flock = as_on_nfs
    yield
    fcntl.flock = flock


@pytest.fixture(scope="session")
def server():
    """A language model for the pipelines below; each test sees how often it was asked the same."""
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def finished_pipeline(tmp_path_factory, server):
    """A finished pipeline under git and DVC, written by a model; never changed, only copied."""
    llm = {"model": "openai/toy", "api_base": server.url, "max_tokens": 500}
    pipeline = Pipeline(tmp_path_factory.mktemp("finished") / "pipeline", documents={"source": "folder", "path": "texts"}, llm=llm)
    write_documents(pipeline.folder / "texts")
    pipeline.commit()
    output = pipeline.snakemake()
    assert jobs(output) == {"documents shard": 2, "base": 1, "entities shard": 2, "passages shard": 2, "tokens shard": 5, "corpus": 1, "run": 1, "score": 2,
                            "report": 1, "all": 1}  # fmt: skip
    assert server.received == 3 + 3 * 4 and server.repeated() == 0
    pipeline.commit("results")
    check_nothing_hostile(pipeline.folder)
    pipeline.asked = server.bodies.copy()
    return pipeline


@pytest.fixture
def pipeline(finished_pipeline, server, tmp_path):
    """A copy of the finished pipeline, which may ask the model for what is new and for nothing else."""
    server.bodies = finished_pipeline.asked.copy()
    yield finished_pipeline.copy(tmp_path / "pipeline")
    assert server.repeated() == 0, "what the ledger holds was asked again"
