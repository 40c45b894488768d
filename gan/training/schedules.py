"""What changes with the epoch, as pure functions. `epoch` counts completed epochs: the first one trained is epoch 0."""

from __future__ import annotations

import math

from common.errors import require
from gan.config import DropoutConfig
from gan.models.layers import Where

_WHERE: dict[str, tuple[Where, Where]] = {
    "none": ("none", "none"),
    "generator": ("hidden", "none"),
    "discriminator": ("none", "hidden"),
    "both": ("hidden", "hidden"),
    "discriminator_last": ("none", "last"),
}


def dropout_p(config: DropoutConfig, epoch: int) -> float:
    """Dropout probability while the epoch after `epoch` completed ones is trained.

    0 before `onset_epoch` and from `end_epoch` on; in between `p`, reached linearly from 0 over `anneal_epochs`.
    Both readings of F&M (sec. 3.3: introduced at 200; App. C: on for the first 200) and the annealed
    dropout that the paper proposes are settings of this one schedule.

    Parameters
    ----------
    config : DropoutConfig
        The schedule.
    epoch : int
        Completed epochs, 0 or more.

    Returns
    -------
    float
        In [0, 1).

    Raises
    ------
    FieldError
        `epoch` is negative.
    """
    require(epoch >= 0, "epoch", epoch, "0 or more completed epochs")
    onset = config.onset_epoch or 0
    if config.placement == "none" or epoch < onset or (config.end_epoch is not None and epoch >= config.end_epoch):
        return 0.0
    if config.anneal_epochs == 0:
        return config.p
    return config.p * min(1.0, (epoch - onset) / config.anneal_epochs)


def dropout_where(config: DropoutConfig) -> tuple[Where, Where]:
    """Return which slots the schedule acts on, of the generator and of the discriminator."""
    return _WHERE[config.placement]


def learning_rate(lr: float, half_life: int | None, epoch: int) -> float:
    """Return `lr * 0.5 ** floor(epoch / half_life)` (F&M Table 1); `lr` where `half_life` is None.

    Parameters
    ----------
    lr : float
        The first learning rate, 0 or more.
    half_life : int or None
        Epochs after which it is halved, 1 or more.
    epoch : int
        Completed epochs, 0 or more.

    Raises
    ------
    FieldError
        A number is out of its range.
    """
    require(0 <= lr < math.inf, "lr", lr, "0 or a positive number")
    require(half_life is None or half_life >= 1, "half_life", half_life, "1 or more epochs, or None")
    require(epoch >= 0, "epoch", epoch, "0 or more completed epochs")
    return lr if half_life is None else lr * 0.5 ** (epoch // half_life)
