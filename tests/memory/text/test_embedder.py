"""Embedders: a tiny model made here, loaded offline; and a cache that never asks twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from agent_market.commands.checks import services
from agent_market.config import TextSettings
from agent_market.errors import ConfigError
from agent_market.memory.text.embedder import CachedEmbedder, SentenceEmbedder, open_embedder
from agent_market.store.database import Database

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rsi", "low", "high", "buy", "sell", "volume"]


def make_model(folder: Path, seed: int, width: int = 16) -> Path:
    """A folder with a BERT of one layer and eleven words, weights drawn from a seed."""
    pytest.importorskip("sentence_transformers", reason="the extra `text` is not installed")
    import torch  # noqa: PLC0415
    from sentence_transformers import SentenceTransformer, models  # noqa: PLC0415
    from transformers import BertConfig, BertModel, BertTokenizerFast  # noqa: PLC0415

    torch.manual_seed(seed)
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    words = models.Transformer(str(folder / "bert"), max_seq_length=32)
    SentenceTransformer(modules=[words, models.Pooling(width)]).save(str(folder / "model"))
    return folder / "model"


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("tiny"), seed=7)


@pytest.mark.parametrize("width", [16, 32])
def test_vectors_of_a_replaced_model_are_never_compared_with_those_of_the_new_one(
    tmp_path: Path, width: int
) -> None:
    url = f"sqlite:///{tmp_path}/store.sqlite"
    database = Database(url)
    model = make_model(tmp_path / "first", seed=7)
    settings = TextSettings(embedder=str(model))
    texts = ["rsi low", "volume high"]
    former = open_embedder(str(model), database)
    assert former is not None
    former.embed(texts)
    finding = services.embedder(settings, url)
    assert finding is not None
    assert finding.level == "ok"

    shutil.rmtree(model)
    shutil.copytree(make_model(tmp_path / "second", seed=8, width=width), model)
    now = open_embedder(str(model), database)
    assert now is not None
    assert now.name != former.name
    assert now.dim == width
    expected = SentenceEmbedder(str(model)).embed(texts)
    np.testing.assert_array_equal(now.embed(texts), expected)
    finding = services.embedder(settings, url)
    assert finding is not None
    assert finding.level == "warn"
    assert former.name in finding.detail
    database.close()


def test_a_saved_model_gives_unit_vectors_that_depend_on_the_text_alone(tiny_model: Path) -> None:
    embedder = SentenceEmbedder(str(tiny_model))
    together = embedder.embed(["rsi low", "buy volume high sell", "rsi low"])
    assert embedder.dim == 16
    assert together.shape == (3, 16)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert np.array_equal(together[0], embedder.embed(["rsi low"])[0])
    assert np.array_equal(together[0], together[2])
    assert not np.array_equal(together[0], together[1])
    assert embedder.embed([]).shape == (0, 16)


def test_a_model_that_cannot_be_loaded_is_an_error_that_names_the_setting(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(ConfigError, match=r"memory\.text\.embedder.*no-such-model"):
        SentenceEmbedder(str(tmp_path / "no-such-model"))


class CountingEmbedder:
    name = "counting"
    dim = 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        self.asked += texts
        return np.array([[1.0, len(text)] for text in texts], dtype=np.float32).reshape(len(texts), 2)


def test_no_text_is_embedded_twice_not_even_by_the_next_process(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/store.sqlite")
    counting = CountingEmbedder()
    first = CachedEmbedder(counting, database).embed(["rsi low", "volume", "rsi low"])
    assert counting.asked == ["rsi low", "volume"]
    again = CachedEmbedder(CountingEmbedder(), database)
    assert np.array_equal(again.embed(["volume", "rsi low"]), first[[1, 0]])
    assert again.embed([]).shape == (0, 2)
    assert open_embedder(None, database) is None
    database.close()
