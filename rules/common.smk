# What every rule file needs: the plan, the lock of a live run, and times that say what the contents say.
import shlex
import sqlite3
import sys
import threading

from snakemake.exceptions import WorkflowError

sys.path.insert(0, "src")
from closedbook import strategies
from closedbook.freshness import leftovers, upkeep, plan, recipes
from closedbook.errors import UserError
from closedbook.scores import tasks

if config:
    raise WorkflowError(
        f"--config and --configfile are refused ({', '.join(config)}): nothing would track them. Edit params.yaml, or use dvc exp run -S."
    )

if "PLAN" not in globals():  # each rule file includes this one, so that each can be run alone
    try:
        if workflow.is_main_process:
            LOCK = upkeep.hold("snakemake " + " ".join(sys.argv[1:]))
        PLAN = plan.make()
        if workflow.is_main_process:
            upkeep.reconcile(PLAN)
            leftovers.tell_dvc(PLAN)
    except UserError as error:
        raise WorkflowError(str(error)) from None
    except (PermissionError, sqlite3.OperationalError) as error:
        raise WorkflowError(f"{error}: this folder must be writable, with room on its disk") from None

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


def end():
    """Let go of the timers that Snakemake's scheduler leaves behind, of up to a timespan each: the end of the process would wait for them."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


onsuccess:
    end()


onerror:
    end()
