"""The jobs of a plan up to its passages, one after the other in this process."""

from closedbook.workflow import jobs, plan

STAGES = ("documents", "entities", "passages")


def make(planned: plan.Plan) -> None:
    for recipe in dict.fromkeys(job.recipe for job in planned.jobs.values() if job.place in STAGES):
        jobs.run([job.name for job in planned.jobs.values() if job.recipe == recipe])
