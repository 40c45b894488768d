"""The alternating loop: one discriminator step, one generator step, epoch by epoch.

Plain PyTorch: it runs in a Ray Train worker, in a process started by torchrun, or in a notebook.
Shapes: B images per global batch, b = B / workers on this worker, C channels, side S.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.errors import FieldError
from gan.config import ModelConfig, TrainConfig, as_dict
from gan.models import Network, build, check
from gan.sample import noise
from gan.training import divergence, losses, optimiser, schedules
from gan.training.batches import Batches, Images, by_side, to_signed, to_unit
from gan.training.distributed import ALONE, World
from gan.training.hardware import resolve_device, resolve_precision
from gan.training.random_streams import Streams

__all__ = ["EpochResult", "Trainer", "World"]

CHECK_EVERY = 100  # steps between looks at the losses: a look waits for the accelerator


@dataclass(frozen=True, kw_only=True)
class EpochResult:
    """What one epoch did.

    Attributes
    ----------
    epoch : int
        Completed epochs, this one included.
    loss_generator, loss_discriminator : float
        Means over the epoch's steps; the discriminator's is the sum over real and generated images.
    loss_dual : float or None
        The dual term of the generator's loss (F&M eq. 4) without its weight; None for families without one.
    score_real, score_fake : float
        Mean of D(x) and of D(G(z)) as the discriminator step saw them, probabilities.
    images_per_second : float
        Real images trained on per second, over all workers.
    seconds : float
        Wall time of the epoch, checks included.
    steps : int
        Discriminator (and generator) steps done.
    learning_rate : float
        The generator's.
    dropout_p : float
        Probability in the slots that the schedule acts on.
    spread : float
        Mean over pixels of the standard deviation over 64 generated images, in units of that of real ones.
    precision : str
        "float32" or "bfloat16".
    diverged : str or None
        Why this training is worth nothing any more, in words; None: it is healthy.
    """

    epoch: int
    loss_generator: float
    loss_discriminator: float
    loss_dual: float | None
    score_real: float
    score_fake: float
    images_per_second: float
    seconds: float
    steps: int
    learning_rate: float
    dropout_p: float
    spread: float
    precision: str
    diverged: str | None


class Trainer:
    """Two networks, their optimisers and every random stream of one training.

    The same configs, images, seed and number of threads give the same numbers on a CPU, bit for bit, and an
    interrupted training that is continued from `state_dict` gives what it would have given.

    Parameters
    ----------
    model : ModelConfig
        What to train.
    train : TrainConfig
        How.
    images : ndarray, (n, S, S, C) uint8, or mapping of side to such arrays
        Training images; a family whose generator takes images needs both sides of each pair, `{64: ..., 128: ...}`.
    device : device or None
        None: the first GPU when there is one, otherwise the CPU.
    world : World or None
        None: this process is alone.
    threads : int or None
        CPU threads that PyTorch may use in this process (Ray sets `OMP_NUM_THREADS`); None: as it is.

    Raises
    ------
    FieldError
        The model cannot be built, the batch size does not fit the images or the workers, or there is no such device.
    ValueError
        The images do not have the model's sides and channels.

    Notes
    -----
    Each step is the textbook's: the discriminator on real and on generated images, its step, then the generator
    through the changed discriminator with the same noise, and its step. The generated batch of the first half is used
    again in the second; the discriminator's weights take no gradient there.
    With several workers, gradients are averaged over all; batch norms normalise over each worker's share (not over the
    global batch), which is what differs from one worker with the whole batch. Running statistics are averaged
    at the end of each epoch.
    """

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        images: Images,
        *,
        device: torch.device | str | None = None,
        world: World | None = None,
        threads: int | None = None,
    ):
        if threads is not None:
            torch.set_num_threads(threads)
        self.model, self.train_config = model, train
        self.device, self.world, self.workers = resolve_device(device), world, world or ALONE
        self.family = check(model)
        arrays = self._checked(by_side(images))
        self.dtype = resolve_precision(train.precision, self.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every step has the same shapes
        self.epoch = 0
        self.streams = Streams(train.seed, self.device)
        rank, size = self.workers.rank, self.workers.size
        self.batches = Batches(
            arrays,
            train.batch_size,
            device=self.device,
            flips=train.flips,
            order=self.streams["batches"],
            flip_stream=self.streams["flips"],
            rank=rank,
            size=size,
        )
        self._share = self.workers.share(train.batch_size)
        self.generator, self.discriminator = (
            network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for network in build(model, rng=self.streams["init"])
        )
        for network in (self.generator, self.discriminator):
            network.set_dropout_stream(self.streams["dropout"], rank=rank, size=size)
        self.average = self._average_network()
        discriminator_lr = train.lr if train.discriminator_lr is None else train.discriminator_lr
        self._lrs = (train.lr, discriminator_lr)
        self.optimizer_generator, self.optimizer_discriminator = (
            optimiser.adam(network, lr, train.betas, self.device)
            for network, lr in zip((self.generator, self.discriminator), self._lrs, strict=True)
        )
        self.health = divergence.Health(arrays[model.image_size])
        self._steps_done = 0

    def _checked(self, arrays: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        sides = {self.model.image_size}
        if self.family.input_size is not None:
            sides.add(self.family.input_size(self.model))
        missing = sides - set(arrays)
        if missing:
            given = ", ".join(str(side) for side in sorted(arrays))
            wanted = ", ".join(str(side) for side in sorted(sides))
            raise ValueError(f"training images have sides {given} px: family {self.model.family!r} needs {wanted} px")
        for side in sides:
            if arrays[side].shape[3] != self.model.channels:
                raise ValueError(
                    f"training images have {arrays[side].shape[3]} channels, the model has {self.model.channels}"
                )
        return {side: arrays[side] for side in sorted(sides)}

    def _average_network(self) -> Network | None:
        if self.train_config.ema_decay is None:
            return None
        average = self.family.generator(self.model)
        average.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        average.load_state_dict(self.generator.state_dict())
        return average.requires_grad_(False).eval()

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole training."""
        return self.train_config.epochs

    def train_epoch(self) -> EpochResult:
        """Train on every batch once, and look whether the result is worth going on."""
        started = time.perf_counter()
        p, lr = self._apply_schedules()
        sums = torch.zeros(5, device=self.device)
        done, problem = 0, None
        for done, batch in enumerate(self.batches.epoch(), start=1):
            sums += self._step(batch)
            if done % CHECK_EVERY == 0 and (problem := divergence.losses_problem(self.workers.mean(sums / done))):
                break
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        trained = time.perf_counter() - started
        self.epoch += 1
        self._average_running_statistics()
        if self.average is not None:
            divergence.estimate_batch_norm(self.average, self._examples(divergence.NORM_SEED, divergence.NORM_IMAGES))
        means = self.workers.mean(sums / done)
        spread, unhealthy = self._look(means)
        return EpochResult(
            epoch=self.epoch,
            loss_discriminator=float(means[0]),
            loss_generator=float(means[1]),
            loss_dual=None if self.family.input_size is None else float(means[4]),
            score_real=float(means[2]),
            score_fake=float(means[3]),
            images_per_second=done * self.train_config.batch_size / trained,
            seconds=time.perf_counter() - started,
            steps=done,
            learning_rate=lr,
            dropout_p=p,
            spread=spread,
            precision=str(self.dtype).removeprefix("torch."),
            diverged=problem or unhealthy,
        )

    def _apply_schedules(self) -> tuple[float, float]:
        config = self.train_config
        p = schedules.dropout_p(config.dropout, self.epoch)
        networks = (self.generator, self.discriminator)
        for network, where in zip(networks, schedules.dropout_where(config.dropout), strict=True):
            network.set_dropout(p, where)
            network.train()
        optimizers = (self.optimizer_generator, self.optimizer_discriminator)
        for optimizer, base in zip(optimizers, self._lrs, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = schedules.learning_rate(base, config.lr_half_life, self.epoch)
        return p, schedules.learning_rate(config.lr, config.lr_half_life, self.epoch)

    def _step(self, batch: dict[int, Tensor]) -> Tensor:
        """One step of each network; returns (loss D, loss G, D(x), D(G(z)), dual term) without waiting for them."""
        config, total = self.train_config, self.train_config.batch_size
        real = to_signed(batch[self.model.image_size])
        if self.family.input_size is None:
            source = torch.randn(total, self.model.latent_dim, generator=self.streams["noise"], device=self.device)[
                self._share
            ]
        else:
            source = to_unit(batch[self.family.input_size(self.model)])
        labels = losses.smooth_labels(total, config.label_smoothing, rng=self.streams["labels"], device=self.device)

        self.discriminator.requires_grad_(True)
        with self._autocast():
            real_logits = self.discriminator(real)
            fake = self.generator(source)
            fake_logits = self.discriminator(fake.detach())
        loss_d = losses.real_loss(real_logits, None if labels is None else labels[self._share])
        loss_d = loss_d + losses.fake_loss(fake_logits)
        optimiser.descend(self.optimizer_discriminator, loss_d, self.workers)

        self.discriminator.requires_grad_(False)
        with self._autocast():
            logits = self.discriminator(fake)
        loss_g, dual = losses.generator_loss(logits), torch.zeros((), device=self.device)
        if self.family.input_size is not None:
            dual = losses.dual_loss(real, fake)
            loss_g = config.lambda_adversarial * loss_g + config.lambda_dual * dual
        optimiser.descend(self.optimizer_generator, loss_g, self.workers)
        self._steps_done += 1
        if self.average is not None:
            optimiser.follow(self.average, self.generator, config.ema_decay or 0.0, self._steps_done)
        scores = real_logits.detach().float().sigmoid().mean(), fake_logits.detach().float().sigmoid().mean()
        return torch.stack([loss_d.detach(), loss_g.detach(), *scores, dual.detach()])

    def _autocast(self) -> torch.autocast:
        return optimiser.autocast(self.device, self.dtype)

    def _average_running_statistics(self) -> None:
        buffers = [b for net in (self.generator, self.discriminator) for b in net.buffers() if b.is_floating_point()]
        self.workers.mean_in_place(buffers)

    def _examples(self, seed: int, n: int) -> Tensor:
        """Inputs of the sampling generator that do not touch the streams of the training."""
        if self.family.input_size is None:
            return torch.from_numpy(noise(seed, 0, n, self.model.latent_dim)).to(self.device)
        return to_unit(self.batches.first(self.family.input_size(self.model), n))

    def _look(self, means: Tensor) -> tuple[float, str | None]:
        networks = [self.generator, self.discriminator] + ([self.average] if self.average is not None else [])
        problem = divergence.losses_problem(means) or divergence.weights_problem(networks)
        if problem:
            return float("nan"), problem
        examples = self._examples(divergence.LOOK_SEED, divergence.LOOK_IMAGES)
        return self.health.look(self.generator_for_sampling(), examples, steps=self._steps_done)

    def generator_for_sampling(self) -> Network:
        """The generator to draw images from, in evaluation mode: the moving average where there is one.

        It is the trainer's own object: further training changes it.
        """
        return (self.generator if self.average is None else self.average).eval()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a new process needs to go on exactly: tensors and plain values only."""
        return {
            "model": as_dict(self.model),
            "train": as_dict(self.train_config),
            "epoch": self.epoch,
            "steps": self._steps_done,
            "images": self.batches.n,
            "precision": str(self.dtype).removeprefix("torch."),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer_generator": self.optimizer_generator.state_dict(),
            "optimizer_discriminator": self.optimizer_discriminator.state_dict(),
            "streams": self.streams.state_dict(),
            "health": self.health.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which a trainer of the same configs made.

        Raises
        ------
        FieldError
            The model, the average or the number of images is another one.
        """
        if state["model"] != as_dict(self.model):
            raise FieldError("model", as_dict(self.model), f"the model of the checkpoint, {state['model']}")
        if state["images"] != self.batches.n:
            raise FieldError("images", self.batches.n, f"the {state['images']} training images of the checkpoint")
        if (state["average"] is None) != (self.average is None):
            raise FieldError("ema_decay", self.train_config.ema_decay, "an average as in the checkpoint")
        self.epoch, self._steps_done = state["epoch"], state["steps"]
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer_generator.load_state_dict(state["optimizer_generator"])
        self.optimizer_discriminator.load_state_dict(state["optimizer_discriminator"])
        self.streams.load_state_dict(state["streams"])
        self.health.load_state_dict(state["health"])
