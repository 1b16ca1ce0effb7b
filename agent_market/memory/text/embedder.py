"""Vectors of meaning: what an embedder is, sentence-transformers as one, and a cache in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from agent_market.errors import ConfigError
from agent_market.memory.text.stance import content_key
from agent_market.store.database import Database
from agent_market.store.text_vectors import read_vectors, write_vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Vectors = npt.NDArray[np.float32]

_DIGITS = 16
_LONGEST_LABEL = 80
_SETTING = "setting `agent_market.memory.text.embedder`"


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their likeness."""

    @property
    def name(self) -> str:
        """What made the vectors, its weights included. Those of another name are never compared with them."""
        ...

    @property
    def dim(self) -> int:
        """Length of every vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32 rows of Euclidean length 1. A text's row depends on that text alone."""
        ...


class SentenceEmbedder:
    """A sentence-transformers model, by name or folder. Loaded when it is first needed."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        """
        :param model: a name that sentence-transformers knows, or a folder with a saved model.
        :raises ConfigError: the extra `text` is not installed, or the model cannot be loaded.
        """
        self._model = _load(model, device)
        self.dim = int(self._model.get_embedding_dimension() or 0)
        self.digest = _digest(self._model)
        """First digits of sha256 of all weights, the vocabulary, and how tokens are pooled."""
        self.name = f"{label(model)}@{self.digest}"

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`. One text at a time: in a batch, padding moves the last bits of a vector."""
        rows = [
            self._model.encode(
                text, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False
            )
            for text in texts
        ]
        return np.asarray(rows, dtype=np.float32).reshape(len(texts), self.dim)


class CachedEmbedder:
    """An embedder whose vectors are kept in the store, by content address."""

    def __init__(self, embedder: Embedder, database: Database) -> None:
        self.name = embedder.name
        self.dim = embedder.dim
        self._embedder = embedder
        self._database = database
        self._held: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`. Only texts that the store does not hold are embedded, and then kept."""
        keys = [content_key(text) for text in texts]
        wanted = [key for key in dict.fromkeys(keys) if key not in self._held]
        self._held |= read_vectors(self._database, self.name, wanted)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._held}
        if missing:
            fresh = dict(zip(missing, self._embedder.embed(list(missing.values())), strict=True))
            write_vectors(self._database, self.name, fresh)
            self._held |= fresh
        return np.stack([self._held[key] for key in keys]) if keys else np.empty((0, self.dim), np.float32)

    def forget(self, text: str) -> None:
        """Drop what is held of a text in this process; `memory.note_store` drops what the store holds."""
        self._held.pop(content_key(text), None)


def open_embedder(model: str | None, database: Database) -> CachedEmbedder | None:
    """The embedder of the setting `memory.text.embedder`; None where recall goes by words alone."""
    return None if model is None else CachedEmbedder(_shared(model, _state_of(model)), database)


def weights_digest(model: str) -> str:
    """The digest of the embedder of the setting, which is loaded for it.

    :raises ConfigError: the extra `text` is not installed, or the model cannot be loaded.
    """
    return _shared(model, _state_of(model)).digest


def label(model: str) -> str:
    """The model's name, or the last part of its folder's: `Embedder.name` without the digest."""
    return (Path(model).name if Path(model).is_dir() else model)[-_LONGEST_LABEL:]


@lru_cache(maxsize=2)
def _shared(model: str, _state: tuple[tuple[str, int, int], ...]) -> SentenceEmbedder:
    return SentenceEmbedder(model)


def _state_of(model: str) -> tuple[tuple[str, int, int], ...]:
    """What tells that the files of a model's folder were replaced, without reading them; empty for a name."""
    files = sorted(file for file in Path(model).rglob("*") if file.is_file()) if Path(model).is_dir() else []
    states = [(file, file.stat()) for file in files]
    return tuple((str(file), state.st_size, state.st_mtime_ns) for file, state in states)


def _digest(model: SentenceTransformer) -> str:
    """From the model in memory, so it holds for a folder as for a name whose files were replaced."""
    import torch  # noqa: PLC0415 - the model brought it already

    found = hashlib.sha256(repr(model).encode())
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        found.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        found.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    vocabulary: dict[str, int] = getattr(model.tokenizer, "get_vocab", dict)()
    found.update(repr(sorted(vocabulary.items())).encode())
    return found.hexdigest()[:_DIGITS]


def _load(model: str, device: str) -> SentenceTransformer:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - seconds, and an extra
    except ImportError as error:
        raise ConfigError(
            f"{_SETTING} = {model!r} needs sentence-transformers: pip install 'agent-market[text]', "
            "or unset it to recall by words alone"
        ) from error
    try:
        return SentenceTransformer(model, device=device)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"{_SETTING} = {model!r} cannot be loaded: {first}. Give a folder with a saved model, or a name "
            "that can be fetched once (unset HF_HUB_OFFLINE for that)"
        ) from error
