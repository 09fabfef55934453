"""What the terminal shows of a run: stages, what goes wrong, and nothing of Snakemake's own."""

import logging
from itertools import pairwise
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from closedbook.util import files
from closedbook.workflow.progress import Progress, Stage


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Three trainings in two of Snakemake's jobs, and the function that hands on a record of Snakemake's."""
    monkeypatch.chdir(tmp_path)
    jobs = {f"runs/{name}": SimpleNamespace(place="runs", receipt=tmp_path / f"{name}.json") for name in ("a-s1", "b-s1", "c-s1")}
    files.write_text(".closedbook/logs/runs/b-s1.log", "error: of an earlier run\n")
    progress = Progress()
    progress.begin(SimpleNamespace(due=set(jobs), plan=SimpleNamespace(jobs=jobs)),
                   [SimpleNamespace(jobid=number, log=[f".closedbook/logs/runs/{name}.log"]) for number, name in ((1, "a-s1"), (2, "b-s1"))])  # fmt: skip

    def tell(level: int, message: str, **facts):
        progress.handle(logging.makeLogRecord({"levelno": level, "msg": message, **facts}))

    def fail(*logs: str, said: str = "", **aux):
        tell(logging.ERROR, "Error in rule run", event=LogEvent.JOB_ERROR, log=list(logs), rule_msg=said, aux=aux)

    yield SimpleNamespace(progress=progress, tell=tell, fail=fail, said=lambda capsys: capsys.readouterr().err.splitlines())
    progress.end()


def test_a_stage_is_a_line_when_it_begins_and_one_when_its_last_job_is_done(run, capsys):
    run.tell(logging.INFO, "Execute 1 jobs...", event=LogEvent.JOB_STARTED, jobs=[1])
    run.tell(logging.INFO, "Finished jobid: 1", event=LogEvent.JOB_FINISHED, job_id=1)
    run.tell(logging.INFO, "Select jobs to execute...")
    assert run.said(capsys) == ["runs: 3 to make"]
    run.tell(logging.INFO, "Execute 1 jobs...", event=LogEvent.JOB_STARTED, jobs=[2])
    run.tell(logging.INFO, "Finished jobid: 2", event=LogEvent.JOB_FINISHED, job_id=2)
    assert run.said(capsys) == ["runs: done in 0 s"]


def test_how_far_a_stage_is_is_what_it_has_written_and_the_last_line_of_its_log(run, tmp_path):
    run.tell(logging.INFO, "Execute 1 jobs...", event=LogEvent.JOB_STARTED, jobs=[1])
    files.write_text(tmp_path / "a-s1.json", "{}")
    files.write_text(".closedbook/logs/runs/a-s1.log", "step 1\nasked:  10%|#  | 1/9\rasked:  50%|###  | 5/9")
    far = run.progress._stages["runs"].look()
    assert far.startswith("1 of 3; about ") and far.endswith("asked:  50% 5/9")


def test_where_nothing_can_be_written_over_lines_become_rarer_and_never_stay_away_for_long():
    stage, lines = Stage("runs", []), []
    for stage.seconds in range(3600):
        if stage.is_due():
            stage.shown = stage.seconds
            lines.append(stage.seconds)
    gaps = [after - before for before, after in pairwise([0, *lines])]
    assert gaps == sorted(gaps) and gaps[0] == 30 and gaps[-1] == 90 and len([line for line in lines if line <= 480]) <= 12


def test_an_error_stands_last_and_alone(run, capsys):
    run.tell(logging.INFO, "Execute 1 jobs...", event=LogEvent.JOB_STARTED, jobs=[1])
    files.write_text(".closedbook/logs/runs/a-s1.log", "step 1\nerror: the disk is full\nmake room\n")
    run.fail(".closedbook/logs/runs/a-s1.log")
    run.tell(logging.ERROR, "Exiting because a job execution failed.")
    run.progress.end()
    assert run.said(capsys)[1:] == ["error: the disk is full", "make room", "all of its log: .closedbook/logs/runs/a-s1.log"]


def test_of_an_error_that_nobody_foresaw_the_last_lines_are_shown(run, capsys):
    files.write_text(".closedbook/logs/runs/a-s1.log", "\n".join(map(str, range(100))))
    run.fail(".closedbook/logs/runs/a-s1.log")
    run.progress.end()
    assert run.said(capsys)[:-1] == [str(number) for number in range(80, 100)]


def test_of_a_job_on_a_node_the_error_of_its_own_log_is_shown_and_none_of_the_cluster_s(run, capsys):
    files.write_text(".closedbook/logs/runs/a-s1.log", "step 1\nerror: models/base: is not here\n")
    files.write_text("slurm/7.log", "Building DAG of jobs...\nExiting because a job execution failed.\n")
    run.fail(".closedbook/logs/runs/a-s1.log", "slurm/7.log", said="SLURM-job '7' failed", external_jobid="7")
    run.progress.end()
    assert run.said(capsys) == ["error: models/base: is not here", "all of its log: .closedbook/logs/runs/a-s1.log"]


def test_of_a_job_that_the_cluster_ended_the_last_lines_of_both_logs_are_shown(run, capsys):
    files.write_text(".closedbook/logs/runs/a-s1.log", "step 1\n")
    files.write_text("slurm/7.log", "slurmstepd: error: CANCELLED DUE TO TIME LIMIT\n")
    run.fail(".closedbook/logs/runs/a-s1.log", "slurm/7.log", said="SLURM-job '7' failed", external_jobid="7")
    run.progress.end()
    assert run.said(capsys)[::2] == ["step 1", "slurmstepd: error: CANCELLED DUE TO TIME LIMIT"]


@pytest.mark.parametrize("log", ["a", "b"])
def test_of_a_job_that_the_cluster_did_not_take_its_reason_is_shown_and_no_earlier_error(run, capsys, log):
    run.fail(f".closedbook/logs/runs/{log}-s1.log", said="SLURM sbatch failed. It said 'no such account'.\n    sbatch call:\n        sbatch -A x")
    run.progress.end()
    assert run.said(capsys) == ["error: SLURM sbatch failed. It said 'no such account'."]


def test_of_a_job_that_wrote_nothing_an_earlier_run_s_log_is_not_taken_for_its_own(run, capsys):
    files.write_text("slurm/7.log", "slurmstepd: error: oom\n")
    run.fail(".closedbook/logs/runs/b-s1.log", "slurm/7.log", said="SLURM-job '7' failed", external_jobid="7")
    run.progress.end()
    assert run.said(capsys) == ["slurmstepd: error: oom", "all of its log: slurm/7.log"]


def test_what_snakemake_refuses_is_told_without_the_places_in_its_files(run, capsys):
    run.tell(logging.ERROR, 'WorkflowError in file "rules/common.smk", line 41:\nparams.yaml: no\n  File "rules/common.smk", line 133, in __onstart')
    assert run.said(capsys) == ["error: params.yaml: no"]


def test_who_stops_a_run_is_told_that_nothing_is_lost(run, capsys):
    run.tell(logging.INFO, "Terminating processes on user request, this might take some time.")
    run.fail(".closedbook/logs/runs/a-s1.log")
    run.progress.end()
    (line,) = run.said(capsys)
    assert line.startswith("stopped: ")
