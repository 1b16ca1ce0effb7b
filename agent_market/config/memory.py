"""What is remembered, how it ages, and how it is ranked."""

from __future__ import annotations

from pydantic import Field, model_validator

from agent_market.config.base import Settings


class TextSettings(Settings):
    """Recall by text: what a human taught, as lines in prompts, and how texts are found."""

    lessons: int = Field(default=3, ge=0, le=20)
    """Most lessons (taught notes that apply and were known) that a prompt carries; 0 = none."""
    case_lines: bool = True
    """Whether each recalled case is described in one line beside its numbers."""
    embedder: str | None = None
    """Name or folder of a sentence-transformers model for recall by meaning. Unset: by words alone."""
    turn_weight: float = Field(default=1.0, ge=0)
    """Weight of BM25 on the text itself; each channel is standardised before it is weighted."""
    context_weight: float = Field(default=0.7, ge=0)
    """Weight of BM25 on the text with what stands around it."""
    entity_weight: float = Field(default=0.5, ge=0)
    """Weight of shared pairs, assets, indicators and events."""
    dense_weight: float = Field(default=0.7, ge=0)
    """Weight of likeness in meaning; without an embedder it has no effect."""
    k1: float = Field(default=1.5, gt=0)
    """BM25: how soon a repeated word stops adding."""
    b: float = Field(default=0.75, ge=0, le=1)
    """BM25: how much long texts are discounted."""
    merge_overlap: float = Field(default=0.8, gt=0, le=1)
    """Share of words from which two texts that point the same way are one."""
    contradiction_overlap: float = Field(default=0.5, gt=0, le=1)
    """Share of words from which two texts that point in opposite ways contradict each other."""

    @model_validator(mode="after")
    def _some_channel(self) -> TextSettings:
        if not self.turn_weight + self.context_weight + self.entity_weight + self.dense_weight > 0:
            raise ValueError("needs a channel with a weight above 0")
        return self


class ImportanceWeights(Settings):
    """What makes an episode important; see `memory/importance.py`. Only their ratios count."""

    surprise: float = Field(default=1.0, ge=0)
    """Weight of how far the outcome was from what the decision expected."""
    size: float = Field(default=1.0, ge=0)
    """Weight of the size of the outcome among all known ones."""
    rarity: float = Field(default=1.0, ge=0)
    """Weight of how unlike all earlier ones the market state was."""
    usefulness: float = Field(default=1.0, ge=0)
    """Weight of how often the episode was recalled and pointed the right way."""

    @model_validator(mode="after")
    def _some(self) -> ImportanceWeights:
        if self.surprise + self.size + self.rarity + self.usefulness <= 0.0:
            raise ValueError("at least one of the four weights must be above 0")
        return self


class RankWeights(Settings):
    """In which order episodes are recalled; see `memory/ranking.py`."""

    similarity: float = Field(default=1.0, ge=0)
    """Weight of the likeness of the market states."""
    recency: float = Field(default=0.0, ge=0)
    """Weight of how fresh the episode is, by its layer's half-life. 0: it made recall worse on real data."""
    importance: float = Field(default=0.1, ge=0)
    """Weight of its importance."""


class LayerSettings(Settings):
    """Layers of memory: working, short, long, and episodic for crashes and spikes."""

    enabled: bool = True
    """Off: nothing is forgotten, and recall goes by similarity alone."""
    working_days: float = Field(default=7.0, gt=0)
    """So long after its outcome an episode is in the working layer, and safe; also that layer's half-life."""
    short_half_life_days: float = Field(default=90.0, gt=0)
    """Half-life of the importance of an episode in the short layer, and of its recency."""
    long_half_life_days: float = Field(default=365.0, gt=0)
    """Half-life of the recency of an episode in the long layer, which is never forgotten."""
    episodic_half_life_days: float = Field(default=1825.0, gt=0)
    """Half-life of the recency of a crash or spike, which is never forgotten."""
    promote_at: float = Field(default=8.0, gt=1, le=10)
    """From this importance on an episode moves to the long layer."""
    forget_at: float = Field(default=3.0, ge=1, lt=10)
    """At or below this, after decay, one of the short layer is archived: kept, and no longer recalled."""
    shock_deviations: float = Field(default=4.0, gt=0)
    """A high or low of so many expected deviations of the horizon makes an episode a crash or spike."""
    importance: ImportanceWeights = ImportanceWeights()
    """Weights of the parts of importance."""
    rank: RankWeights = RankWeights()
    """Weights of the parts of the rank."""

    @model_validator(mode="after")
    def _apart(self) -> LayerSettings:
        if self.forget_at >= self.promote_at:
            raise ValueError(f"needs forget_at < promote_at, got {self.forget_at}, {self.promote_at}")
        return self


class MemorySettings(Settings):
    """Episodic memory and recall."""

    k: int = Field(default=8, ge=1)
    """How many similar episodes are recalled for a decision by default."""
    k_max: int = Field(default=16, ge=1)
    """How many are handed on as columns, so that hyperopt can choose k after the fact."""
    min_neighbours: int = Field(default=4, ge=1)
    """With fewer known outcomes than this the memory agent abstains."""
    scope: str | None = None
    """Name under which episodes are kept. Unset: one per backtest identifier, and `live` for the bot."""
    features: bool = False
    """Train the quant also on what similar candles of its training window were followed by."""
    feature_neighbours: int = Field(default=32, ge=2)
    """How many similar candles these features rest on."""
    layers: LayerSettings = LayerSettings()
    """Layers, importance, forgetting, and the order of recall."""
    text: TextSettings = TextSettings()
    """Recall by text."""

    @model_validator(mode="after")
    def _ordered(self) -> MemorySettings:
        if not self.min_neighbours <= self.k <= self.k_max:
            raise ValueError(
                f"needs min_neighbours <= k <= k_max, got {self.min_neighbours}, {self.k}, {self.k_max}"
            )
        return self
