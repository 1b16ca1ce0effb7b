"""MLP, LSTM and Transformer in torch, with early stopping, augmentation and a device setting."""

from __future__ import annotations

import copy
import io
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.utils.data import DataLoader

from agent_market.config import Settings
from agent_market.decision.trainers.base import device_of, one_thread
from agent_market.errors import ConfigError
from agent_market.training.models.base import BaseModelAdapter, Progress
from agent_market.training.models.nets import LSTM, MLP, Transformer
from agent_market.training.models.samples import Samples
from agent_market.training.models.windows import window_rows
from agent_market.utils.arrays import Floats, Ints

_PREDICTED_AT_ONCE = 8192


class NetSettings(Settings):
    """Settings shared by the three nets."""

    hidden: int = Field(default=64, ge=1, le=4096)
    """Width of the hidden layers."""
    layers: int = Field(default=2, ge=1, le=16)
    """Hidden layers."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout: share of hidden units dropped in training."""
    epochs: int = Field(default=40, ge=1)
    """Maximum passes over the rows; validation rows stop the training early."""
    patience: int = Field(default=6, ge=1)
    """Epochs without a better validation loss before training stops; the best weights are kept."""
    batch: int = Field(default=256, ge=1)
    """Batch size in rows."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Step size of AdamW."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """Decoupled weight decay of AdamW."""
    noise: float = Field(default=0.02, ge=0)
    """Augmentation: Gaussian noise on standardised features, in standard deviations."""
    feature_drop: float = Field(default=0.0, ge=0, lt=1)
    """Augmentation: probability that a feature is replaced by its mean over the whole window."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto` (CUDA where there is a device), `cpu`, `cuda` or `cuda:N`."""
    seed: int = Field(default=7, ge=0)
    """Seed of initial weights, batch order, dropout and augmentation."""


class MLPSettings(NetSettings):
    """A plain net on single rows."""


class LSTMSettings(NetSettings):
    """An LSTM on windows of rows."""

    layers: int = Field(default=1, ge=1, le=8)
    """Stacked LSTM layers."""
    window: int = Field(default=24, ge=2, le=1024)
    """Rows that one prediction looks at."""


class TransformerSettings(NetSettings):
    """A Transformer encoder on windows of rows."""

    window: int = Field(default=24, ge=2, le=1024)
    """Rows that one prediction looks at."""
    heads: int = Field(default=4, ge=1)
    """Attention heads; `hidden` must be a multiple of it."""

    @model_validator(mode="after")
    def _heads_divide(self) -> TransformerSettings:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        return self


T = TypeVar("T", bound=NetSettings)


class _Net(BaseModelAdapter[T]):
    """Standardise features (and regression labels) by the training rows, train, and keep the best weights."""

    incremental = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._net: nn.Module | None = None
        self._scale: dict[str, Tensor] = {}

    @abstractmethod
    def _new(self, width: int, outputs: int) -> nn.Module:
        """Return an untrained net."""

    def _fit(self, train: Samples, validation: Samples | None, warm: bool, progress: Progress | None) -> None:
        device, s = self._device(), self.settings
        with _threads(device), torch.random.fork_rng(devices=_forked(device)):
            torch.manual_seed(s.seed)
            # Replace the state only at the end, so that a failed fit keeps the previous one.
            scale = self._scale if warm else self._scale_of(train)
            if warm and self._net is not None:
                net = copy.deepcopy(self._net).to(device)
            else:
                net = self._new(train.features.shape[1], max(len(self.classes), 1)).to(device)
            source = _Source(train, self.window, scale)
            later = _Source(validation, self.window, scale) if validation is not None else None
            generator = torch.Generator().manual_seed(s.seed)
            loader: Any = DataLoader(
                list(range(len(train))),  # type: ignore[arg-type]
                batch_size=s.batch,
                shuffle=True,
                generator=generator,
                collate_fn=source.collate,
            )
            optimiser = torch.optim.AdamW(net.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)
            best, weights, waited = np.inf, None, 0
            for epoch in range(1, s.epochs + 1):
                net.train()
                for windows, labels, importance in loader:
                    optimiser.zero_grad()
                    seen = self._augmented(windows.to(device))
                    self._loss(net(seen), labels.to(device), importance.to(device)).backward()
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                    optimiser.step()
                if later is None:
                    continue
                loss = self._validation_loss(net, later, device)
                if progress is not None:
                    progress(epoch, loss)
                if loss < best:
                    best, weights, waited = loss, copy.deepcopy(net.state_dict()), 0
                else:
                    waited += 1
                    if waited >= s.patience:
                        break
            if later is not None and weights is None:
                raise ArithmeticError("the validation loss was never finite; lower the learning rate")
            if weights is not None:
                net.load_state_dict(weights)
        self._net, self._scale = net.cpu().eval(), scale

    def _outputs(self, features: Floats, groups: Ints | None) -> Floats:
        device, net = self._device(), self._net
        assert net is not None
        rows = Samples(features, np.zeros(len(features)), None, groups) if len(features) > 1 else None
        parts = []
        with _threads(device), torch.no_grad():
            net.to(device)
            source = (
                _Source(rows, self.window, self._scale)
                if rows
                else _single(features, self.window, self._scale)
            )
            for first in range(0, len(features), _PREDICTED_AT_ONCE):
                chosen = range(first, min(first + _PREDICTED_AT_ONCE, len(features)))
                parts.append(net(source.windows(chosen).to(device)).cpu().double())
            net.cpu()
        raw = torch.cat(parts)
        if self.task == "classification":
            return torch.softmax(raw, dim=1).numpy()
        scaled = raw[:, 0] * self._scale["label_std"].double() + self._scale["label_mean"].double()
        return scaled.numpy()

    def _scale_of(self, train: Samples) -> dict[str, Tensor]:
        mean, std = train.features.mean(axis=0), train.features.std(axis=0)
        plain = self.task == "classification"
        label_mean, label_std = (0.0, 1.0) if plain else (train.labels.mean(), train.labels.std())
        values = {
            "mean": mean,
            "std": np.where(std > 1e-12, std, 1.0),
            "label_mean": label_mean,
            "label_std": label_std if label_std > 1e-12 else 1.0,
        }
        return {name: torch.as_tensor(value, dtype=torch.float32) for name, value in values.items()}

    def _augmented(self, windows: Tensor) -> Tensor:
        s = self.settings
        if s.noise > 0.0:
            windows = windows + s.noise * torch.randn_like(windows)
        if s.feature_drop > 0.0:
            kept = torch.rand(len(windows), 1, windows.shape[2], device=windows.device) >= s.feature_drop
            windows = windows * kept
        return windows

    def _loss(self, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        if self.task == "classification":
            losses = nn.functional.cross_entropy(outputs, labels.long(), reduction="none")
        else:
            losses = (outputs[:, 0] - labels) ** 2
        return (losses * weights).sum() / weights.sum().clamp_min(1e-12)

    def _validation_loss(self, net: nn.Module, later: _Source, device: torch.device) -> float:
        net.eval()
        total = weight = 0.0
        with torch.no_grad():
            for first in range(0, len(later), _PREDICTED_AT_ONCE):
                chosen = range(first, min(first + _PREDICTED_AT_ONCE, len(later)))
                windows, labels, importance = later.collate(chosen)
                share = float(importance.sum())
                loss = self._loss(net(windows.to(device)), labels.to(device), importance.to(device))
                total, weight = total + float(loss) * share, weight + share
        return total / max(weight, 1e-12)

    def _device(self) -> torch.device:
        device = device_of(self.settings.device)
        if device.type == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                f"{self.name}.device = {self.settings.device!r} but no CUDA device is available; use 'cpu'"
            )
        return device

    def _body(self) -> bytes:
        assert self._net is not None
        packed = io.BytesIO()
        torch.save({"net": self._net.state_dict(), "scale": self._scale}, packed)
        return packed.getvalue()

    def _restore(self, body: bytes) -> None:
        state = torch.load(io.BytesIO(body), weights_only=True)
        assert self.width is not None
        net = self._new(self.width, max(len(self.classes), 1))
        net.load_state_dict(state["net"])
        self._net, self._scale = net.eval(), state["scale"]


class _Source:
    """Rows as standardised windows; `collate` builds each batch from row numbers, to save memory."""

    def __init__(self, samples: Samples, window: int, scale: dict[str, Tensor]) -> None:
        self._features = (torch.tensor(samples.features, dtype=torch.float32) - scale["mean"]) / scale["std"]
        labels = torch.tensor(samples.labels, dtype=torch.float32)
        self._labels = (labels - scale["label_mean"]) / scale["label_std"]
        weights = np.ones(len(samples)) if samples.weights is None else samples.weights
        self._weights = torch.as_tensor(weights, dtype=torch.float32)
        self._rows = torch.as_tensor(window_rows(len(samples), window, samples.groups))

    def __len__(self) -> int:
        return len(self._labels)

    def windows(self, chosen: Sequence[int]) -> Tensor:
        """(B, W, F)."""
        return self._features[self._rows[list(chosen)]]

    def collate(self, chosen: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Windows, labels and weights of the chosen rows."""
        rows = list(chosen)
        return self.windows(rows), self._labels[rows], self._weights[rows]


def _single(features: Floats, window: int, scale: dict[str, Tensor]) -> _Source:
    # `Samples` needs at least two rows; the second one is never read here.
    return _Source(Samples(np.repeat(features, 2, axis=0), np.zeros(2)), window, scale)


def _threads(device: torch.device) -> AbstractContextManager[None]:
    return one_thread() if device.type == "cpu" else nullcontext()


def _forked(device: torch.device) -> list[int]:
    return [device.index or 0] if device.type == "cuda" else []


class MLPAdapter(_Net[MLPSettings]):
    """A multilayer perceptron on single rows."""

    name: ClassVar[str] = "mlp"
    settings_type = MLPSettings

    def _new(self, width: int, outputs: int) -> nn.Module:
        s = self.settings
        return MLP(width, outputs, s.hidden, s.layers, s.dropout)


class LSTMAdapter(_Net[LSTMSettings]):
    """An LSTM on windows of rows."""

    name: ClassVar[str] = "lstm"
    settings_type = LSTMSettings

    @property
    def window(self) -> int:
        return self.settings.window

    def _new(self, width: int, outputs: int) -> nn.Module:
        s = self.settings
        return LSTM(width, outputs, s.hidden, s.layers, s.dropout)


class TransformerAdapter(_Net[TransformerSettings]):
    """A Transformer encoder on windows of rows."""

    name: ClassVar[str] = "transformer"
    settings_type = TransformerSettings

    @property
    def window(self) -> int:
        return self.settings.window

    def _new(self, width: int, outputs: int) -> nn.Module:
        s = self.settings
        return Transformer(width, outputs, s.hidden, s.layers, s.dropout, s.heads, s.window)
