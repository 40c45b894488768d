"""Schedules by epoch."""

from __future__ import annotations

import pytest

from common.errors import FieldError
from gan.config import DropoutConfig
from gan.training.schedules import dropout_p, dropout_where, learning_rate


def on(config: DropoutConfig, epochs: int = 400) -> list[int]:
    return [epoch for epoch in range(epochs) if dropout_p(config, epoch) > 0]


def test_introduced_at_200_as_in_section_3_3():
    assert on(DropoutConfig(placement="discriminator_last", onset_epoch=200)) == list(range(200, 400))


def test_on_for_the_first_200_as_in_appendix_c():
    assert on(DropoutConfig(placement="discriminator_last", end_epoch=200)) == list(range(200))


def test_a_window():
    assert on(DropoutConfig(placement="both", onset_epoch=3, end_epoch=5)) == [3, 4]


def test_annealed_dropout_rises_linearly_and_stays():
    config = DropoutConfig(placement="discriminator", p=0.4, onset_epoch=10, anneal_epochs=4)
    assert [dropout_p(config, epoch) for epoch in range(9, 16)] == pytest.approx([0, 0, 0.1, 0.2, 0.3, 0.4, 0.4])


def test_no_placement_no_dropout():
    assert on(DropoutConfig(placement="none", p=0.9)) == []


@pytest.mark.parametrize(
    ("placement", "where"),
    [
        ("none", ("none", "none")),
        ("generator", ("hidden", "none")),
        ("discriminator", ("none", "hidden")),
        ("both", ("hidden", "hidden")),
        ("discriminator_last", ("none", "last")),
    ],
)
def test_placements(placement, where):
    assert dropout_where(DropoutConfig(placement=placement)) == where


def test_the_learning_rate_halves_every_80_epochs():
    values = [learning_rate(2e-4, 80, epoch) for epoch in (0, 79, 80, 159, 160)]
    assert values == pytest.approx([2e-4, 2e-4, 1e-4, 1e-4, 5e-5])
    assert learning_rate(2e-4, None, 1000) == 2e-4


@pytest.mark.parametrize(
    ("arguments", "named"), [((-1e-4, 80, 1), "lr"), ((1e-4, 0, 1), "half_life"), ((1e-4, None, -1), "epoch")]
)
def test_numbers_out_of_range_are_refused(arguments, named):
    with pytest.raises(FieldError, match=named):
        learning_rate(*arguments)


def test_there_is_no_epoch_before_the_first():
    with pytest.raises(FieldError, match="epoch"):
        dropout_p(DropoutConfig(), -1)
