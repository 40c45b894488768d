"""The two networks of an enhancer's training with their optimisers, and one step of each.

Shapes: B pairs per global batch, b = B / workers on this worker, C channels, input side S, target side k S.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from common.errors import FieldError
from gan.enhance.config import CriticConfig, EnhanceTrainConfig, UNetConfig
from gan.enhance.losses import CRITIC_LOSSES, PIXEL_LOSSES, gradient_penalty
from gan.enhance.models.critic import critic as build_critic
from gan.enhance.models.perceptual import FeatureLoss, feature_loss
from gan.enhance.models.unet import UNet, unet
from gan.enhance.training.results import Terms
from gan.training import optimiser
from gan.training.distributed import World
from gan.training.random_streams import Streams


class Players:
    """A generator and its critic; each step changes one of them.

    Steps that train the critic run the generator without a graph; steps that train the generator leave the critic's
    weights without gradients. No step waits for the accelerator.

    Parameters
    ----------
    model, critic, train : UNetConfig, CriticConfig, EnhanceTrainConfig
        As `EnhanceTrainer`.
    streams : Streams
        Where weights, noise and dropout are drawn from.
    device, dtype : torch.device, torch.dtype
        Where and in what arithmetic.
    workers : World
        Gradients are averaged over them.

    Attributes
    ----------
    generator, critic, average : Module
        The networks; `average` is the moving average of the generator, or None.
    features : FeatureLoss or None
        The perceptual term.
    steps : int
        Generator steps done.
    """

    def __init__(
        self,
        model: UNetConfig,
        critic: CriticConfig,
        train: EnhanceTrainConfig,
        *,
        streams: Streams,
        device: torch.device,
        dtype: torch.dtype,
        workers: World,
    ):
        self.model, self.critic_config, self.config = model, critic, train
        self.streams, self.device, self.dtype, self.workers = streams, device, dtype, workers
        self._share = workers.share(train.batch_size)
        self.generator: UNet = self._placed(unet(model, rng=streams["init"]))
        self.critic = self._placed(build_critic(critic, model, rng=streams["init"]))
        for network in (self.generator, self.critic):
            network.set_dropout_stream(streams["dropout"], rank=workers.rank, size=workers.size)
        self.average = self._average_network()
        self.features = self._feature_loss()
        self.optimizer_generator = optimiser.adam(self.generator, train.generator.lr, train.betas, device)
        self.optimizer_critic = optimiser.adam(self.critic, train.critic.lr, train.betas, device)
        self.steps = 0

    def _placed(self, network: Any) -> Any:
        return network.to(self.device, memory_format=torch.channels_last)

    def _average_network(self) -> UNet | None:
        if self.config.ema_decay is None:
            return None
        average = self._placed(unet(self.model, rng=torch.Generator().manual_seed(0)))
        average.load_state_dict(self.generator.state_dict())
        return average.requires_grad_(False).eval()

    def _feature_loss(self) -> FeatureLoss | None:
        loss = self.config.loss
        if loss.perceptual_weight == 0 or loss.features is None:
            return None
        return self._placed(feature_loss(loss.features, channels=self.model.channels))

    @property
    def networks(self) -> list[nn.Module]:
        """All whose weights matter."""
        return [self.generator, self.critic, *([] if self.average is None else [self.average])]

    def set_rates(self, phase: str) -> float:
        """Set the learning rates of a phase; returns that of the network that the phase is about."""
        config = self.config
        if phase == "adversarial":
            rates = config.adversarial.lr, config.adversarial.lr * config.adversarial.critic_lr_ratio
        else:
            rates = config.generator.lr, config.critic.lr
        for optimizer, rate in zip((self.optimizer_generator, self.optimizer_critic), rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
        return rates[1] if phase == "critic" else rates[0]

    def generator_step(self, source: Tensor, target: Tensor, *, adversarial: bool) -> Terms:
        """One step of the generator.

        Parameters
        ----------
        source, target : Tensor, (b, C, S, S) in [0, 1] and (b, C, k S, k S) in [-1, 1]
            Inputs, and what should become of them.
        adversarial : bool
            Whether the critic has a say.

        Returns
        -------
        dict of str to Tensor
            `loss`; the terms in use without their weights (`pixel`, `perceptual`, `stability`, `adversarial`);
            `reconstruction`, the loss without the adversarial term; `mse`, of pixel values in [0, 1].
        """
        config = self.config.loss
        self.critic.requires_grad_(False)
        with optimiser.autocast(self.device, self.dtype):
            made = self.generator(source)
        terms = {"pixel": PIXEL_LOSSES[config.pixel](made, target)}
        loss = config.pixel_weight * terms["pixel"]
        if self.features is not None:
            with optimiser.autocast(self.device, self.dtype):
                terms["perceptual"] = self.features(made, target)
            loss = loss + config.perceptual_weight * terms["perceptual"]
        if config.stability_weight:
            terms["stability"] = PIXEL_LOSSES["l1"](made, self._of_perturbed(source))
            loss = loss + config.stability_weight * terms["stability"]
        terms["reconstruction"] = loss
        if adversarial and config.adversarial_weight:
            with optimiser.autocast(self.device, self.dtype):
                opinion = self.critic(made, source)
            terms["adversarial"] = CRITIC_LOSSES[self.critic_config.loss].generator(opinion)
            loss = loss + config.adversarial_weight * terms["adversarial"]
        optimiser.descend(self.optimizer_generator, loss, self.workers)
        self.steps += 1
        self._follow()
        with torch.no_grad():
            terms["mse"] = PIXEL_LOSSES["mse"](made, target)
        return {"loss": loss.detach(), **{name: term.detach() for name, term in terms.items()}}

    def _of_perturbed(self, source: Tensor) -> Tensor:
        """What the generator makes of slightly noisier inputs."""
        shape = (self.config.batch_size, *source.shape[1:])
        noise = torch.randn(shape, generator=self.streams["noise"], device=self.device)[self._share]
        noisy = torch.add(source, noise, alpha=self.config.loss.stability_noise).clamp_(0.0, 1.0)
        with optimiser.autocast(self.device, self.dtype):
            return self.generator(noisy.to(memory_format=torch.channels_last))

    def critic_step(self, made: Tensor | None, target: Tensor, source: Tensor | None) -> Terms:
        """One step of the critic.

        Parameters
        ----------
        made : Tensor, (b, C, k S, k S) in [-1, 1], or None
            Enhanced images; None: the generator makes them now.
        target, source : Tensor
            As `generator_step`; inputs are needed where `made` is None or the critic is conditional.

        Returns
        -------
        dict of str to Tensor
            `loss`, gradient penalty included; `real`, `fake`, the mean opinions.
        """
        config = self.critic_config
        self.critic.requires_grad_(True)
        with optimiser.autocast(self.device, self.dtype):
            if made is None:
                with torch.no_grad():
                    made = self.generator(source)
            real, fake = self.critic(target, source), self.critic(made, source)
        chosen = CRITIC_LOSSES[config.loss]
        loss = chosen.critic(real, fake)
        if chosen.penalised and config.gradient_penalty:
            n = self.config.batch_size
            mixture = torch.rand(n, generator=self.streams["noise"], device=self.device)[self._share]
            penalty = gradient_penalty(lambda images: self.critic(images, source), target, made, mixture)
            loss = loss + config.gradient_penalty * penalty
        optimiser.descend(self.optimizer_critic, loss, self.workers)
        return {"loss": loss.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}

    def _follow(self) -> None:
        """Move the average towards the generator."""
        if self.average is None:
            return
        optimiser.follow(self.average, self.generator, self.config.ema_decay or 0.0, self.steps)
        with torch.no_grad():
            for own, source in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                own.copy_(source)

    def average_buffers(self) -> None:
        """Replace running statistics by their means over the workers."""
        buffers = [b for net in (self.generator, self.critic) for b in net.buffers() if b.is_floating_point()]
        self.workers.mean_in_place(buffers)

    def state_dict(self) -> dict[str, Any]:
        """Weights, optimisers and the number of steps."""
        return {
            "steps": self.steps,
            "features": None if self.features is None else self.features.fingerprint,
            "generator": self.generator.state_dict(),
            "critic": self.critic.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "optimizer_generator": self.optimizer_generator.state_dict(),
            "optimizer_critic": self.optimizer_critic.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`; raises `FieldError` where the average or the features are others."""
        if (state["average"] is None) != (self.average is None):
            raise FieldError("ema_decay", self.config.ema_decay, "an average as in the checkpoint")
        if state["features"] != (None if self.features is None else self.features.fingerprint):
            raise FieldError("loss.features", self.config.loss.features, "the features of the checkpoint")
        self.steps = state["steps"]
        self.generator.load_state_dict(state["generator"])
        self.critic.load_state_dict(state["critic"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer_generator.load_state_dict(state["optimizer_generator"])
        self.optimizer_critic.load_state_dict(state["optimizer_critic"])
