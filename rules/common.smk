# What every rule file needs: the plan, what of it must run, and how a job is called.
import logging
import shlex
import sys
import threading
import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake.persistence import FileBackupMixin

sys.path.insert(0, "src")
from closedbook import models
from closedbook.llm import ledger
from closedbook.training import distributed, libraries, room
from closedbook.util import shared, terminal
from closedbook.util.errors import UserError, writing
from closedbook.workflow import devices, outcome, progress, slurm
from closedbook.workflow.snakemake import Run
from closedbook.workflow.registry import STAGES

# Our files appear whole or not at all. Snakemake's copies of what a job may overwrite would need room that a full disk has not, and would put
# an old file beside its job's new ones, and back in the place of those that a shard has finished.
FileBackupMixin.backup_output = lambda persistence, path: None
FileBackupMixin.restore_output = lambda persistence, path: path.exists()
logger.addFilter(lambda record: "updating job failed" not in record.getMessage())
logging.raiseExceptions = False  # Snakemake's log is on the same disk: where that is full, the message is enough, which the terminal shows

if set(config) - {"shards", "launcher"}:
    raise WorkflowError(
        f"--config and --configfile are refused ({', '.join(config)}): nothing would track them. Edit params.yaml, or use dvc exp run -S."
    )


def told(function, *arguments):
    """What is a user's to mend, without a traceback."""
    try:
        with writing("this folder"):
            return function(*arguments)
    except UserError as error:
        raise WorkflowError("\n".join(map(terminal.printable, str(error).splitlines()))) from None
    except KeyboardInterrupt:
        raise WorkflowError("interrupted while planning: no job was begun") from None


def asked():
    """The command line, None where there is none: Snakemake tells rule files no more than their configuration before they are read."""
    from snakemake.cli import parse_args

    if Path(sys.argv[0]).name not in ("snakemake", "__main__.py"):
        return None
    with redirect_stderr(StringIO()):  # it says once more which profile it takes
        return parse_args(sys.argv[1:])[1]


def targets():
    return ASKED.targets if ASKED else []


def processes(shard):
    """Of a shard's own, which are of use where its jobs compute and do not wait for a model."""
    cores = workflow.resource_settings.cores if HERE else ASKED.local_cores
    return 1 if RUN.asks(shard) else max(1, (cores or 1) // RUN.beside(shard))


def on_node(name, gpus, nodes=1):
    """The resources of a rule whose jobs a cluster's nodes run; `name` is a job's, with wildcards."""
    if not EXECUTOR.startswith("slurm"):
        return {"gpu": gpus} if HERE or gpus else {}  # "no GPUs" is to Kubernetes a node that has some
    waits = {"slurm_extra": lambda wildcards: told(slurm.after, name.format(**wildcards))} if EXECUTOR == "slurm" else {}
    return slurm.resources(gpus, nodes) | waits


if "RUN" not in globals():  # each rule file includes this one, so that each can be run alone
    ASKED = asked()
    STAGE = Path(workflow.main_snakefile).stem
    PROGRESS = None  # what the terminal shows; of a dry run and with --verbose it is Snakemake's own listing
    if workflow.is_main_process and not (workflow.output_settings.dryrun or workflow.output_settings.verbose):
        PROGRESS = progress.Progress()
        logger.handlers = [handler for handler in logger.handlers if handler.name != "DefaultStreamHandler"] + [PROGRESS]
    RUN = told(Run, targets(), STAGE if STAGE in STAGES else None, config.get("shards", 1), workflow.is_main_process)

PARAMS = RUN.plan.params
EXECUTOR = (ASKED and ASKED.executor) or "local"
HERE = EXECUTOR == "local"
BEGAN = time.strftime("%Y-%m-%dT%H:%M:%S")
LAUNCHER = config.get("launcher", "").replace("{nodes}", str(PARAMS.training.nodes))  # starts torchrun on each of several nodes
# Jobs that run here share this machine's GPUs; --resources gpu=N leaves some of them to others.
if HERE and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", max(1, len(devices.visible())))
CLOSEDBOOK = f"PYTHONPATH=src {shlex.quote(sys.executable)} -m closedbook"
# Freed tensors stay with the process: given back to the kernel and asked for anew at each step, they cost 4 to 11% of a training on CPUs.
KEEPING_MEMORY = "MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 "
INTO_LOG = " &> {log:q}"  # from which PROGRESS shows how far a job is, and what went wrong
JOB = f"{CLOSEDBOOK} job "
SHARD = f"{CLOSEDBOOK} job --shard {{params.shard:q}} --processes {{threads}}"


wildcard_constraints:
    corpus="[a-z][a-z0-9-]*",
    run="[a-z][a-z0-9-]*",
    assistant="[a-z][a-z0-9-]*",


def inputs(*names):
    """Of some jobs: what must be made before them. To be called when the graph is built; it forces what must run then."""
    workflow.dag.forcefiles |= RUN.forced
    return told(RUN.inputs, *names)


def outputs(shard):
    return [update(path) for path in RUN.outputs(shard)]


def outputs_of(stage, about=None):
    """What each job of a stage writes: `about` stands for the last part of its name. Nothing where no such job is planned."""
    return [update(path) for path in RUN.pattern(stage, about or stage)]


def end():
    """Record what was asked of language models and what was measured. Let go of the timers that Snakemake's scheduler leaves behind, of up to a
    timespan each: the end of the process would wait for them."""
    told(RUN.record)
    if PROGRESS:
        PROGRESS.end()
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def check_trainings():
    """Refuse trainings that can't be had here, before anything is asked or trained. A dry run plans them all the same."""
    if RUN.due and (PARAMS.assistants or any(arm.dialogues for arm in PARAMS.arms.values())):
        from closedbook.stages import assistants  # it loads for seconds

        told(assistants.check_plan, PARAMS)
    if RUN.due and any(job.place == "teacher" for job in RUN.plan.jobs.values()):
        from closedbook.stages import teacher

        told(teacher.check_plan, PARAMS)
    if HERE and not LAUNCHER:  # else the devices are elsewhere
        for field in RUN.on_gpus:
            told(models.check_device, "cuda", field)
    for settings in RUN.trainings:
        told(libraries.check, settings)
        if EXECUTOR == "kubernetes" and settings.nodes > 1:
            raise WorkflowError(f"params.yaml: training.nodes: {settings.nodes}: a job of Kubernetes has one node: give 1, or use Slurm")
        told(distributed.check, settings, LAUNCHER)
        if HERE and not LAUNCHER:
            told(devices.check, settings)
    if RUN.trainings and RUN.pays:  # it loads for seconds, and each run looks at the disk as well
        told(room.check_plan, PARAMS, Path(".closedbook/checkpoints"))


def check_cluster():
    """Refuse what the cluster would, and clear away what a run that was killed has left in its queue."""
    on_nodes = {job.rule.name: job.resources.get("slurm_partition") for job in workflow.dag.needrun_jobs() if not job.is_local}
    if not HERE or RUN.pays:
        told(shared.check_locks, Path("."))
        told(shared.check_locks, ledger.root())
    if EXECUTOR == "slurm":
        slurm.keep_keys_here()
        told(slurm.take_back)
        told(slurm.check, on_nodes)


onstart:
    check_trainings()
    told(RUN.begin, "snakemake " + " ".join(sys.argv[1:]))
    check_cluster()
    if RUN.made_before:
        terminal.note(f"{RUN.made_before:,} of {len(RUN.due):,} results were made before like this: they come back where what they are made from is the same")
    if PROGRESS:
        PROGRESS.begin(RUN, workflow.dag.needrun_jobs())


onsuccess:
    end()


onerror:
    end()
    if EXECUTOR == "slurm":
        for line in told(slurm.unseen, BEGAN):
            terminal.note(line)
