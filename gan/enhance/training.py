"""Training an enhancer: the generator alone, the critic alone, then both by turns.

Plain PyTorch, as `gan.training`: it runs in a Ray Train worker, under torchrun, or in a notebook.
Shapes: B pairs per global batch, b = B / workers on this worker, C channels, input side S, target side k S.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan import descent, health
from gan.batches import Batches, to_signed, to_unit
from gan.config import FieldError, as_dict
from gan.enhance import losses, phases
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, UNetConfig
from gan.enhance.critic import critic as build_critic
from gan.enhance.outputs import saved_outputs
from gan.enhance.perceptual import FeatureLoss, feature_loss
from gan.enhance.switcher import Turn, next_turn
from gan.enhance.unet import UNet, unet
from gan.hardware import resolve_device, resolve_precision
from gan.streams import Streams
from gan.world import ALONE, World

__all__ = ["EnhanceResult", "EnhanceTrainer", "World"]

CHECK_EVERY = 100  # steps between looks at the losses: a look waits for the accelerator
LOOK_IMAGES = 16
Terms = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class EnhanceResult:
    """What one epoch did.

    Attributes
    ----------
    epoch : int
        Completed epochs of all phases, this one included.
    phase : {"generator", "critic", "adversarial"}
        The phase that this epoch belonged to.
    loss_generator, loss_discriminator : float or None
        Mean loss over the steps that trained the generator, and the critic; None where there was no such step.
    images_per_second : float
        Training pairs per second, over all workers.
    seconds : float
        Wall time of the epoch, checks and saved outputs included.
    steps : int
        Steps done, each of one of the two networks.
    learning_rate : float
        That of the network that the phase is about (the generator's in the adversarial phase).
    precision : str
        "float32" or "bfloat16".
    diverged : str or None
        Why this training is worth nothing any more, in words; None: it is healthy.
    extra : dict of str to float
        What else is known, all finite while healthy: `loss/pixel`, `loss/perceptual`, `loss/adversarial`,
        `loss/stability` (terms without their weights, those in use), `psnr/train` (dB, of the training batches),
        `score/real`, `score/fake` (mean opinions of the critic), `steps/generator`, `steps/critic`, `spread` (see
        `gan.training.EpochResult`).
    """

    epoch: int
    phase: str
    loss_generator: float | None
    loss_discriminator: float | None
    images_per_second: float
    seconds: float
    steps: int
    learning_rate: float
    precision: str
    diverged: str | None
    extra: dict[str, float] = field(default_factory=dict)


class _Means:
    """Sums of a step's terms, on the device until they are asked for."""

    def __init__(self) -> None:
        self.steps = 0
        self._sums: Terms = {}

    def add(self, terms: Terms) -> None:
        self.steps += 1
        for name, value in terms.items():
            self._sums[name] = self._sums[name] + value.detach() if name in self._sums else value.detach()

    def over(self, workers: World) -> dict[str, float]:
        """Mean over steps and workers of each term."""
        if not self.steps:
            return {}
        means = workers.mean(torch.stack(list(self._sums.values())) / self.steps)
        return dict(zip(self._sums, means.tolist(), strict=True))


class EnhanceTrainer:
    """A U-Net, its critic, their optimisers and every random stream of one training.

    The same configs, pairs, seed and number of threads give the same numbers on a CPU, bit for bit, and an interrupted
    training that is continued from `state_dict`, in whatever phase, gives what it would have given.

    Parameters
    ----------
    model, critic, train : UNetConfig, CriticConfig, EnhanceTrainConfig
        What to train, against what, and how.
    inputs, targets : ndarray, (n, S, S, C) and (n, k S, k S, C) uint8
        Pairs of images of the same sky; memory maps stay where they are.
    device, world, threads
        As `gan.training.Trainer`.

    Raises
    ------
    FieldError
        The batch size does not fit the pairs or the workers, there is no such device, or no such features network.
    ValueError
        The images do not have the model's sides and channels, or do not pair.

    Notes
    -----
    Both images of a pair are turned and mirrored alike. Steps that train the critic run the generator without a graph;
    steps that train the generator leave the critic's weights without gradients. With several workers gradients are
    averaged, as in `gan.training.Trainer`, and the switcher sees the mean loss, so that all take the same turn.
    """

    def __init__(
        self,
        model: UNetConfig,
        critic: CriticConfig,
        train: EnhanceTrainConfig,
        inputs: np.ndarray,
        targets: np.ndarray,
        *,
        device: torch.device | str | None = None,
        world: World | None = None,
        threads: int | None = None,
    ):
        if threads is not None:
            torch.set_num_threads(threads)
        self.model, self.critic_config, self.train_config = model, critic, train
        self.device, self.world, self.workers = resolve_device(device), world, world or ALONE
        check_pairs(model, inputs, targets)
        self.dtype = resolve_precision(train.precision, self.device)
        if self.device.type == "cuda":
            torch.backends.cudnn.benchmark = True  # every step has the same shapes
        self.progress = phases.begin(train)
        self.turn = Turn()
        self.streams = Streams(train.seed, self.device)
        self._share = self.workers.share(train.batch_size)
        self._arrays = {"input": inputs, "target": targets}
        self.batches = self._batches(self._arrays)
        self._saved: Batches[str] | None = None
        self.generator = self._placed(unet(model, rng=self.streams["init"]))
        self.critic = self._placed(build_critic(critic, model, rng=self.streams["init"]))
        for network in (self.generator, self.critic):
            network.set_dropout_stream(self.streams["dropout"], rank=self.workers.rank, size=self.workers.size)
        self.average = self._average_network()
        self.features = self._feature_loss()
        self.optimizer_generator = descent.adam(self.generator, train.generator.lr, train.betas, self.device)
        self.optimizer_critic = descent.adam(self.critic, train.critic.lr, train.betas, self.device)
        self.health = health.Health(targets)
        self._steps_done = 0

    def _placed(self, network: Any) -> Any:
        return network.to(self.device, memory_format=torch.channels_last)

    def _batches(self, arrays: dict[str, np.ndarray]) -> Batches[str]:
        return Batches(
            arrays,
            self.train_config.batch_size,
            device=self.device,
            flips=self.train_config.symmetries,
            turns=self.train_config.symmetries,
            order=self.streams["batches"],
            flip_stream=self.streams["flips"],
            rank=self.workers.rank,
            size=self.workers.size,
        )

    def _average_network(self) -> UNet | None:
        if self.train_config.ema_decay is None:
            return None
        average = self._placed(unet(self.model, rng=torch.Generator().manual_seed(0)))
        average.load_state_dict(self.generator.state_dict())
        return average.requires_grad_(False).eval()

    def _feature_loss(self) -> FeatureLoss | None:
        loss = self.train_config.loss
        if loss.perceptual_weight == 0 or loss.features is None:
            return None
        return self._placed(feature_loss(loss.features, channels=self.model.channels))

    @property
    def epoch(self) -> int:
        """Completed epochs of all phases."""
        return self.progress.completed

    @property
    def total_epochs(self) -> int:
        """Epochs of the whole training; smaller once a phase has ended early."""
        return phases.total_epochs(self.train_config, self.progress)

    @property
    def phase(self) -> str:
        """What the next epoch trains: "generator", "critic" or "adversarial"; "done" after the last."""
        return self.progress.phase

    def train_epoch(self) -> EnhanceResult:
        """Train on every pair once, in the phase that it is the turn of, and look whether the result is worth going on.

        Raises
        ------
        RuntimeError
            The training is over.
        """
        if self.phase == "done":
            raise RuntimeError(f"the training is over: {self.epoch} epochs are done")
        started = time.perf_counter()
        phase, learning_rate = self.phase, self._set_rates()
        self.generator.train(phase != "critic")
        self.critic.train()
        batches = self._critic_batches() if phase == "critic" else self.batches
        loop_started = time.perf_counter()
        generator, critic, problem = self._steps(batches.epoch())
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        trained = time.perf_counter() - loop_started
        self._average_buffers()
        of_generator, of_critic = generator.over(self.workers), critic.over(self.workers)
        self._advance(of_generator, of_critic)
        problem = problem or _losses_problem(of_generator, of_critic)
        spread, unhealthy = (float("nan"), problem) if problem else self._look(phase)
        steps = generator.steps + critic.steps
        return EnhanceResult(
            epoch=self.epoch,
            phase=phase,
            loss_generator=of_generator.get("loss"),
            loss_discriminator=of_critic.get("loss"),
            images_per_second=steps * self.train_config.batch_size / trained,
            seconds=time.perf_counter() - started,
            steps=steps,
            learning_rate=learning_rate,
            precision=str(self.dtype).removeprefix("torch."),
            diverged=problem or unhealthy,
            extra=_extra(of_generator, of_critic)
            | {"steps/generator": float(generator.steps), "steps/critic": float(critic.steps)}
            | ({} if np.isnan(spread) else {"spread": spread}),
        )

    def _set_rates(self) -> float:
        config = self.train_config
        if self.phase == "adversarial":
            rates = config.adversarial.lr, config.adversarial.lr * config.adversarial.critic_lr_ratio
        else:
            rates = config.generator.lr, config.critic.lr
        for optimizer, rate in zip((self.optimizer_generator, self.optimizer_critic), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rates[1] if self.phase == "critic" else rates[0]

    def _critic_batches(self) -> Batches[str]:
        """Outputs of the generator, made once and kept for the phase, with their targets (and inputs if asked for)."""
        if self._saved is None:
            block = max(1, self.train_config.batch_size // self.workers.size)
            made = saved_outputs(self.generator_for_sampling(), self._arrays["input"], block, self.device, self.dtype)
            kept = self._arrays if self.critic_config.conditional else {"target": self._arrays["target"]}
            self._saved = self._batches({**kept, "output": made})
        return self._saved

    def _steps(self, batches: Iterator[dict[str, Tensor]]) -> tuple[_Means, _Means, str | None]:
        generator, critic = _Means(), _Means()
        for done, batch in enumerate(batches, start=1):
            target = to_signed(batch["target"])
            source = to_unit(batch["input"]) if "input" in batch else None
            if self.phase == "critic":
                critic.add(self._critic_step(to_signed(batch["output"]), target, source))
            elif self.phase == "generator" or self.turn.side == "generator":
                generator.add(self._generator_step(source, target))  # type: ignore[arg-type]
            else:
                critic.add(self._critic_step(None, target, source))
            if done % CHECK_EVERY == 0:
                problem = _losses_problem(generator.over(self.workers), critic.over(self.workers))
                if problem:
                    return generator, critic, problem
        return generator, critic, None

    def _generator_step(self, source: Tensor, target: Tensor) -> Terms:
        """One step of the generator; returns its loss and terms without waiting for them."""
        config = self.train_config.loss
        self.critic.requires_grad_(False)
        with descent.autocast(self.device, self.dtype):
            made = self.generator(source)
        terms = {"pixel": losses.pixel_loss(config.pixel, made, target)}
        loss = config.pixel_weight * terms["pixel"]
        if self.features is not None:
            with descent.autocast(self.device, self.dtype):
                terms["perceptual"] = self.features(made, target)
            loss = loss + config.perceptual_weight * terms["perceptual"]
        if config.stability_weight:
            terms["stability"] = losses.pixel_loss("l1", made, self._perturbed(source))
            loss = loss + config.stability_weight * terms["stability"]
        terms["reconstruction"] = loss
        if self.phase == "adversarial" and config.adversarial_weight:
            with descent.autocast(self.device, self.dtype):
                opinion = self.critic(made, source)
            terms["adversarial"] = losses.adversarial_loss(self.critic_config.loss, opinion)
            loss = loss + config.adversarial_weight * terms["adversarial"]
        descent.descend(self.optimizer_generator, loss, self.workers)
        self._steps_done += 1
        self._follow()
        if self.phase == "adversarial":
            self._take_turns(terms.get("adversarial", loss))
        with torch.no_grad():
            terms["mse"] = losses.pixel_loss("mse", made, target)
        return {"loss": loss, **terms}

    def _perturbed(self, source: Tensor) -> Tensor:
        """What the generator makes of slightly noisier inputs."""
        shape = (self.train_config.batch_size, *source.shape[1:])
        noise = torch.randn(shape, generator=self.streams["noise"], device=self.device)[self._share]
        noisy = torch.add(source, noise, alpha=self.train_config.loss.stability_noise).clamp_(0.0, 1.0)
        with descent.autocast(self.device, self.dtype):
            return self.generator(noisy.to(memory_format=torch.channels_last))

    def _critic_step(self, made: Tensor | None, target: Tensor, source: Tensor | None) -> Terms:
        """One step of the critic; `made` is None where the generator has to make its images first."""
        config = self.critic_config
        self.critic.requires_grad_(True)
        with descent.autocast(self.device, self.dtype):
            if made is None:
                with torch.no_grad():
                    made = self.generator(source)
            real, fake = self.critic(target, source), self.critic(made, source)
        loss = losses.critic_loss(config.loss, real, fake)
        if config.loss == "wasserstein" and config.gradient_penalty:
            n = self.train_config.batch_size
            mixture = torch.rand(n, generator=self.streams["noise"], device=self.device)[self._share]
            penalty = losses.gradient_penalty(lambda images: self.critic(images, source), target, made, mixture)
            loss = loss + config.gradient_penalty * penalty
        descent.descend(self.optimizer_critic, loss, self.workers)
        if self.phase == "adversarial":
            self._take_turns(loss)
        return {"loss": loss, "real": real.mean(), "fake": fake.mean()}

    def _take_turns(self, loss: Tensor) -> None:
        switcher = self.train_config.adversarial.switcher
        seen = float(self.workers.mean(loss.detach().view(1))) if switcher.kind == "adaptive" else None
        self.turn = next_turn(switcher, self.turn, seen)

    def _follow(self) -> None:
        """Move the average towards the generator, faster in the first steps, so that it forgets the initial weights."""
        if self.average is None:
            return
        decay = min(self.train_config.ema_decay or 0.0, (1 + self._steps_done) / (10 + self._steps_done))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), 1.0 - decay)
            for own, source in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                own.copy_(source)

    def _average_buffers(self) -> None:
        buffers = [b for net in (self.generator, self.critic) for b in net.buffers() if b.is_floating_point()]
        self.workers.mean_in_place(buffers)

    def _advance(self, of_generator: dict[str, float], of_critic: dict[str, float]) -> None:
        watched = of_critic.get("loss") if self.phase == "critic" else of_generator.get("reconstruction")
        before, self.progress = self.phase, phases.advance(self.train_config, self.progress, watched)
        if before == "critic" != self.phase:
            self._saved = None

    def _look(self, phase: str) -> tuple[float, str | None]:
        networks: list[nn.Module] = [self.generator, self.critic]
        problem = health.weights_problem([*networks, *([self.average] if self.average is not None else [])])
        if problem or phase == "critic":
            return float("nan"), problem
        examples = to_unit(self.batches.first("input", LOOK_IMAGES))
        return self.health.look(self.generator_for_sampling(), examples, steps=self._steps_done)

    def generator_for_sampling(self) -> UNet:
        """The generator to enhance images with, in evaluation mode: the moving average where there is one.

        It is the trainer's own object: further training changes it.
        """
        return (self.generator if self.average is None else self.average).eval()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a new process needs to go on exactly: tensors and plain values only."""
        return {
            "kind": "enhancer",
            "model": as_dict(self.model),
            "critic_model": as_dict(self.critic_config),
            "train": as_dict(self.train_config),
            "progress": dataclasses.asdict(self.progress),
            "turn": dataclasses.asdict(self.turn),
            "steps": self._steps_done,
            "images": self.batches.n,
            "precision": str(self.dtype).removeprefix("torch."),
            "features": None if self.features is None else self.features.fingerprint,
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer_generator": self.optimizer_generator.state_dict(),
            "optimizer_critic": self.optimizer_critic.state_dict(),
            "streams": self.streams.state_dict(),
            "health": self.health.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state`, which a trainer of the same configs made.

        Raises
        ------
        FieldError
            It is not the state of an enhancer; or the networks, the average, the features or the number of pairs are
            others.
        """
        if state.get("kind") != "enhancer":
            raise FieldError("model", as_dict(self.model), "the checkpoint of an enhancer; this one is of a galaxy GAN")
        for name, own in (("model", self.model), ("critic_model", self.critic_config)):
            if state[name] != as_dict(own):
                raise FieldError(name, as_dict(own), f"that of the checkpoint, {state[name]}")
        if state["images"] != self.batches.n:
            raise FieldError("images", self.batches.n, f"the {state['images']} training pairs of the checkpoint")
        if (state["average"] is None) != (self.average is None):
            raise FieldError("ema_decay", self.train_config.ema_decay, "an average as in the checkpoint")
        if state["features"] != (None if self.features is None else self.features.fingerprint):
            raise FieldError("loss.features", self.train_config.loss.features, "the features of the checkpoint")
        self.progress, self.turn = phases.Progress(**state["progress"]), Turn(**state["turn"])
        self._steps_done, self._saved = state["steps"], None
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer_generator.load_state_dict(state["optimizer_generator"])
        self.optimizer_critic.load_state_dict(state["optimizer_critic"])
        self.streams.load_state_dict(state["streams"])
        self.health.load_state_dict(state["health"])


def check_pairs(model: UNetConfig, inputs: np.ndarray, targets: np.ndarray) -> None:
    """Refuse arrays that are not pairs of the sides and channels of `model`; raises `ValueError`."""
    for name, array, side in (("inputs", inputs, model.image_size), ("targets", targets, model.output_size)):
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[1:] != (side, side, model.channels):
            raise ValueError(
                f"training {name} have shape {array.shape} {array.dtype}: the model needs "
                f"(n, {side}, {side}, {model.channels}) uint8"
            )
    if len(inputs) != len(targets):
        raise ValueError(f"training pairs: {len(inputs)} inputs, but {len(targets)} targets")


def _losses_problem(of_generator: dict[str, float], of_critic: dict[str, float]) -> str | None:
    return health.losses_problem(torch.tensor([of_critic.get("loss", 0.0), of_generator.get("loss", 0.0)]))


def _extra(of_generator: dict[str, float], of_critic: dict[str, float]) -> dict[str, float]:
    names = ("pixel", "perceptual", "adversarial", "stability")
    found = {f"loss/{name}": of_generator[name] for name in names if name in of_generator}
    if of_generator:
        found["psnr/train"] = float(-10.0 * np.log10(max(of_generator["mse"], 1e-10)))
    return found | {f"score/{name}": of_critic[name] for name in ("real", "fake") if of_critic}
