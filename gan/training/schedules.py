"""What changes with the epoch, as pure functions. `epoch` counts completed epochs: the first one trained is epoch 0."""

from __future__ import annotations

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
    """
    onset = config.onset_epoch or 0
    if config.placement == "none" or epoch < onset or (config.end_epoch is not None and epoch >= config.end_epoch):
        return 0.0
    if config.anneal_epochs == 0:
        return config.p
    return config.p * min(1.0, (epoch - onset) / config.anneal_epochs)


def dropout_where(config: DropoutConfig) -> tuple[Where, Where]:
    """Which slots of the generator and of the discriminator the schedule acts on."""
    return _WHERE[config.placement]


def learning_rate(lr: float, half_life: int | None, epoch: int) -> float:
    """`lr * 0.5 ** floor(epoch / half_life)` (F&M Table 1); `lr` where `half_life` is None."""
    return lr if half_life is None else lr * 0.5 ** (epoch // half_life)
