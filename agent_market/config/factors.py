"""Formulaic factors and the search for them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent_market.config.base import Settings


class FactorSettings(Settings):
    """Mined factors as features of the FreqAI model (`user_data/llm_feedback/freqai_features.json`)."""

    enabled: bool = True
    """Load the file's factors as features `%-factor_<hash>`, where there are any."""
    hindsight: bool = False
    """Use factors in a backtest that starts before they were known. The report then says so."""


Proposer = Literal["library", "genetic", "llm"]


class MiningSettings(Settings):
    """The search for factors (`agent-market factors mine`)."""

    candidates: int = Field(default=300, ge=1, le=100_000)
    """Proposals to try in one run, those that cannot be read included."""
    batch: int = Field(default=12, ge=1, le=32)
    """Proposals asked of one proposer at a time."""
    proposers: tuple[Proposer, ...] = Field(default=("library", "genetic", "llm"), min_length=1)
    """Who proposes; a bandit divides the candidates between them by what each has brought."""
    pool: int = Field(default=10, ge=1, le=50)
    """Most factors that are kept; beyond it the one with the smallest joint weight goes."""
    horizon: int = Field(default=24, ge=1, le=2_000)
    """Candles ahead over which a factor must predict."""
    screen_every: int = Field(default=2, ge=1, le=100)
    """Screening looks at every so many-th of the times that the pool is judged on."""
    least_t: float = Field(default=1.5, ge=0.0)
    """Smallest |t| of the rank IC in screening with which a factor is put beside the pool."""
    least_novelty: float = Field(default=0.25, ge=0.0, lt=1.0)
    """Smallest distance to the nearest tree of the pool (1 less the largest common subtree)."""
    most_correlation: float = Field(default=0.7, gt=0.0, le=1.0)
    """Largest |rank correlation| with a factor of the pool."""
    least_gain: float = Field(default=0.0005, ge=0.0)
    """What a factor must add to the pool's joint IC on the search span to be taken in."""
    longest_lookback: int = Field(default=600, ge=2, le=5_000)
    """Candles that a factor may reach back: the bot must load as many before its first decision."""
    promote_share: float = Field(default=0.25, gt=0.0, lt=1.0)
    """Share of the candles, the newest, on which the pool must prove itself, where no span is named."""
    level: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Largest p-value, after deflation by all trials, with which a pool is promoted."""
    unproven: bool = False
    """Write a pool that was not promoted to the features file too, marked as unproven."""
    max_tokens: int = Field(default=3_000, ge=64)
    """Upper limit of tokens in one answer of the model."""
    seed: int = 7
    """Seed of the whole search: the same data, settings and answers give the same pool."""
