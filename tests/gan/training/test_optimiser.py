"""One step: the optimiser, the arithmetic, and the moving average."""

import pytest
import torch
from torch import nn

from gan.training.distributed import ALONE
from gan.training.optimiser import adam, autocast, descend, follow

CPU = torch.device("cpu")


def test_a_step_goes_down_the_gradient_of_this_loss_alone():
    layer = nn.Linear(2, 1, bias=False)
    before = layer.weight.detach().clone()
    optimizer = adam(layer, 0.1, (0.5, 0.9), CPU)
    layer.weight.grad = torch.full((1, 2), 1e6)  # left over from somewhere
    descend(optimizer, layer(torch.tensor([[1.0, -1.0]])).sum(), ALONE)
    torch.testing.assert_close(layer.weight.detach(), before + 0.1 * torch.tensor([[-1.0, 1.0]]))  # Adam's first step


@pytest.mark.parametrize(("dtype", "expected"), [(torch.bfloat16, torch.bfloat16), (torch.float32, torch.float32)])
def test_arithmetic_is_what_was_asked_for(dtype, expected):
    with autocast(CPU, dtype):
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype is expected


@pytest.mark.parametrize(("steps", "decay"), [(0, 0.1), (8, 0.5), (10**6, 0.99)])
def test_the_average_forgets_its_beginning_in_the_first_steps(steps, decay):
    average, network = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    nn.init.constant_(network.weight, 3.0)
    network.running_mean.fill_(7.0)
    follow(average, network, 0.99, steps)
    torch.testing.assert_close(average.weight.detach(), torch.full((2,), decay * 1.0 + (1 - decay) * 3.0))
    assert (average.running_mean == 0).all()
