"""What several tests of eval share."""

from __future__ import annotations

import numpy as np
import pytest

from tests.eval.fields import field


@pytest.fixture(scope="module")
def stacks():
    targets = np.stack([field(seed) for seed in range(12)])
    inputs = np.stack([field(seed, noise=8.0, blur=1.5) for seed in range(12)])
    return inputs, targets
