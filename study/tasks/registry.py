"""Which task a study is, and which a trial: the one place that knows them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from study.config.families import EnhancerStudy, GalaxyStudy, study_type
from study.config.study import Study
from study.tasks.job import TrialJob
from study.tasks.task import Task, TaskTrial


def _generation(study: GalaxyStudy) -> Task:
    from study.tasks.generation.task import generation_task

    return generation_task(study)


def _enhancement(study: EnhancerStudy) -> Task:
    from study.tasks.enhancement.task import enhancement_task

    return enhancement_task(study)


def _generation_trial(job: TrialJob) -> TaskTrial:
    from study.tasks.generation.trial import GenerationTrial

    return GenerationTrial(job)


def _enhancement_trial(job: TrialJob) -> TaskTrial:
    from study.tasks.enhancement.trial import EnhancementTrial

    return EnhancementTrial(job)


TASKS: dict[type[Study], tuple[Callable[[Any], Task], Callable[[TrialJob], TaskTrial]]] = {
    GalaxyStudy: (_generation, _generation_trial),
    EnhancerStudy: (_enhancement, _enhancement_trial),
}
"""By kind of study: what makes the task on the driver, and the trial in its worker (which imports no more)."""


def task_of(study: Study) -> Task:
    """Return the task that a study is."""
    return TASKS[type(study)][0](study)


def trial_of(job: TrialJob) -> TaskTrial:
    """Return a trial as its worker needs it."""
    return TASKS[study_type(job.trial.family)][1](job)
