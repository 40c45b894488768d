"""The sections of a search-space file for galaxies: their bounds."""

import pytest

from common.errors import FieldError
from eval.metrics import GALAXIES
from study.config.sections import (
    SAMPLERS,
    DataConfig,
    ObjectiveConfig,
    ResourcesConfig,
    SchedulerConfig,
    SearchConfig,
)
from tests.study.config.spaces import load


def test_all_samplers_of_the_contract_are_known(tmp_path):
    for sampler in SAMPLERS:
        extra = ["axes.train.dropout.end_epoch=null"]
        assert load(tmp_path, f"search.sampler={sampler}", *extra).search.sampler == sampler


@pytest.mark.parametrize(
    ("cls", "good", "bad"),
    [
        (DataConfig, {"set": "x"}, {"set": ""}),
        (DataConfig, {"held_out": 10}, {"held_out": 9}),
        (DataConfig, {"synthetic_count": 100}, {"synthetic_count": 99}),
        (DataConfig, {"synthetic_count": 10**7}, {"synthetic_count": 10**7 + 1}),
        (DataConfig, {"seed": 2**31 - 1}, {"seed": 2**31}),
        (DataConfig, {"seed": 0}, {"seed": -1}),
        (ObjectiveConfig, {"samples": 50}, {"samples": 49}),
        (ObjectiveConfig, {"every_epochs": 1}, {"every_epochs": 0}),
        (ObjectiveConfig, {"final_samples": 50}, {"final_samples": 49}),
        (ObjectiveConfig, {"finalists": 0}, {"finalists": -1}),
        (ObjectiveConfig, {"metric": "energy"}, {"metric": "entropy"}),
        (ObjectiveConfig, {"metric": ("ks_mean", "energy")}, {"metric": ("ks_mean", "ks_mean")}),
        (ObjectiveConfig, {"metric": ("energy",)}, {"metric": ()}),
        (SchedulerConfig, {"grace_epochs": 1}, {"grace_epochs": 0}),
        (SchedulerConfig, {"reduction_factor": 1.1}, {"reduction_factor": 1.0}),
        (SchedulerConfig, {"judge_over": 1}, {"judge_over": 0}),
        (SearchConfig, {"trials": 1}, {"trials": 0}),
        (SearchConfig, {"seed": 2**32 - 1}, {"seed": 2**32}),
        (SearchConfig, {"repeats": 2, "sampler": "ablation"}, {"repeats": 2}),
        (SearchConfig, {"baseline_first": False}, {"baseline_first": False, "sampler": "ablation"}),
        (ResourcesConfig, {"workers": 1}, {"workers": 0}),
        (ResourcesConfig, {"cpus_per_worker": 0.5}, {"cpus_per_worker": 0}),
        (ResourcesConfig, {"gpus_per_worker": 0.25}, {"gpus_per_worker": -0.25}),
        (ResourcesConfig, {"gpus_per_worker": 2.0}, {"gpus_per_worker": 1.5}),
        (ResourcesConfig, {"gpus_per_worker": 1.0, "workers": 2}, {"gpus_per_worker": 0.5, "workers": 2}),
        (ResourcesConfig, {"max_concurrent": 1}, {"max_concurrent": 0}),
    ],
)
def test_bounds(cls, good, bad):
    cls(**good)
    with pytest.raises(FieldError) as caught:
        cls(**bad)
    assert caught.value.field in bad and caught.value.accepted


def test_metrics_is_a_tuple_however_the_metric_is_written():
    assert ObjectiveConfig().metrics == ("ks_mean",)
    assert ObjectiveConfig(metric=("energy", "ks_mean")).metrics == ("energy", "ks_mean")


def test_every_objective_of_the_registry_may_be_searched():
    for name in GALAXIES.objectives:
        assert ObjectiveConfig(metric=name).metrics == (name,)
