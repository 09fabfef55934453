# What every rule file needs: the plan, the lock of a live run, and times that say what the contents say.
import logging
import shlex
import sys
import threading

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.persistence import FileBackupMixin

sys.path.insert(0, "src")
from closedbook import strategies, terminal
from closedbook.freshness import plan, receipts, recipes, upkeep
from closedbook.errors import UserError, writing
from closedbook.scores import tasks

# Our files appear whole or not at all. Snakemake's copies of what a job may overwrite would need room that a full disk has not, and would put
# an old file beside its job's new ones.
FileBackupMixin.backup_output = lambda persistence, path: None
FileBackupMixin.restore_output = lambda persistence, path: path.exists()
logger.addFilter(lambda record: "updating job failed" not in record.getMessage())
logging.raiseExceptions = False  # Snakemake's log is on the same disk: where that is full, the message is enough, which the terminal shows

if config:
    raise WorkflowError(
        f"--config and --configfile are refused ({', '.join(config)}): nothing would track them. Edit params.yaml, or use dvc exp run -S."
    )

if "PLAN" not in globals():  # each rule file includes this one, so that each can be run alone
    try:
        with writing("this folder"):
            if workflow.is_main_process:
                LOCK = upkeep.hold("snakemake " + " ".join(sys.argv[1:]))
            PLAN = plan.make()
            verdicts = upkeep.reconcile(PLAN) if workflow.is_main_process else {}
            BASE_IS_STALE = verdicts.get(receipts.FOLDER / "base/base.json") is not None
    except UserError as error:
        raise WorkflowError("\n".join(map(terminal.printable, str(error).splitlines()))) from None
    except KeyboardInterrupt:
        raise WorkflowError("interrupted while planning: no job was begun") from None

CLOSEDBOOK = f"PYTHONPATH=src {shlex.quote(sys.executable)} -m closedbook"
# Freed tensors stay with the process: given back to the kernel and asked for anew at each step, they cost 4 to 11% of a training on CPUs.
KEEPING_MEMORY = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184"
INTO_LOG = " 2> {log:q} || {{ tail -n 20 {log:q} >&2; exit 1; }}"  # what went wrong is seen without looking for it
INTO_LOG_AND_TERMINAL = " 2> >(tee {log:q} >&2)"  # long work shows its progress
DOCUMENTS = list(PLAN.documents)
ARMS = PLAN.params.arms
RUNS = recipes.run_names(PLAN.params)
CORPORA = dict.fromkeys(recipes.corpus_of(arm, seed, PLAN.documents) for arm, seed in recipes.arms_and_seeds(PLAN.params))
SCORES = recipes.score_names(PLAN.params)
JUDGED = recipes.judged_strategies(PLAN.params)
JUDGEMENTS = ["results/judgements/judgements.json"] if JUDGED else []
ARM_STRATEGIES = recipes.strategies(PLAN.params)


wildcard_constraints:
    document="[a-z0-9-]+",
    strategy="[a-z_]+",
    arm="[a-z][a-z0-9-]*",
    corpus="[a-z][a-z0-9-]*",
    run="[a-z][a-z0-9-]*",
    reader="[a-z][a-z0-9-]*",
    seed="[0-9]+",


def recipe(name):
    return f".closedbook/recipes/{name}.json"


def receipt(name):
    return update(f"results/receipts/{name}.json")


def after_base(*models):
    """What a rule that asks these models waits for: the base is looked at before a call is paid, which a base that can't be used would waste.
    A pinned one has been, and a change of it is nothing to those who ask."""
    return ["results/base/base.json"] if BASE_IS_STALE and any(name and not name.startswith("miniature/") for name in models) else []


def end():
    """Let go of the timers that Snakemake's scheduler leaves behind, of up to a timespan each: the end of the process would wait for them."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


onsuccess:
    end()


onerror:
    end()
