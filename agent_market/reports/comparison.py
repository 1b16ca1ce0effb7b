"""The comparison: agents beside every baseline, after costs, with the uncertainty of each difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from agent_market.reports.backtest_result import BacktestRun, StrategyRun
from agent_market.reports.equity import (
    EquityCurve,
    buy_and_hold,
    candle_grid,
    costs_paid,
    daily_grid,
    equity_curve,
)
from agent_market.reports.model_costs import NO_MODELS, ModelCosts, less_models
from agent_market.reports.text import basis_points, listed
from agent_market.runs.parts import BASELINES, BUY_AND_HOLD, Part, PartInfo, parts_of
from agent_market.stats.metrics import Performance, daily_returns, performance
from agent_market.stats.uncertainty import MIN_DAYS, Interval, mean_difference


@dataclass(frozen=True, slots=True)
class Contender:
    """One line of the comparison.

    `costs` is fees and funding paid in stake currency; `model_costs` what the models behind its decisions
    cost, also in stake currency and off its equity (None: a price is missing, and nothing is off).
    `win_rate` and `exposure` are fractions: trades closed with a profit, and mean gross value held over
    equity. `win_rate` is None without a trade.
    `entry_tags` name the decisions that its trades followed.
    """

    part: Part
    label: str
    performance: Performance
    curve: EquityCurve
    trades: int
    win_rate: float | None
    costs: float
    exposure: float
    entry_tags: tuple[str, ...] = ()
    model_costs: float | None = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """Agents less one baseline: mean daily return and its interval."""

    baseline: str
    part: Part
    interval: Interval

    @property
    def finding(self) -> str:
        """`beats`, `loses`, `unclear` (the interval holds zero), `same` or `unknown` (too few days)."""
        low, high = self.interval.low, self.interval.high
        if low is None or high is None:
            return "unknown"
        if low == high == 0:
            return "same"
        return "beats" if low > 0 else "loses" if high < 0 else "unclear"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contenders (agents first), what could not be compared and why, and the verdict in sentences."""

    contenders: tuple[Contender, ...]
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]
    verdict: tuple[str, ...]
    starting_balance: float
    stake_currency: str
    fee: float

    def of(self, part: Part) -> Contender | None:
        """The contender that plays `part`, if it is there."""
        return next((c for c in self.contenders if c.part == part), None)

    def difference_to(self, part: Part) -> Difference | None:
        """The agents' difference to a baseline, if both are there."""
        return next((d for d in self.differences if d.part == part), None)


def compare(
    run: BacktestRun,
    candles: Mapping[str, pd.DataFrame],
    default_fee: float,
    models: ModelCosts = NO_MODELS,
    weighing: str = "",
) -> Comparison:
    """Measure all strategies of a result and buy-and-hold on one daily grid.

    :param candles: candles of the run's span by pair, at the run's timeframe.
    :param default_fee: fee of one side as a fraction, for buy-and-hold when no strategy made a trade to read
        it from.
    :param models: cost of the agents' answers, charged to every contender that trades on them.
    :param weighing: label of the weighting of the agents.
    """
    first = run.first
    grid = daily_grid(first.start, first.end)
    parts = parts_of(tuple(strategy.name for strategy in run.strategies), first.freqai_model, weighing)
    found = [_contender(s, parts[s.name], candles, grid, models) for s in run.strategies]
    fee = fee_of(run, default_fee)
    fine = candle_grid(first.start, first.end, first.timeframe)
    held = buy_and_hold(candles, first.pairs, fine, first.starting_balance, fee, first.timeframe)
    if held is not None:
        found.append(_holder(*held, len(first.pairs), grid))
    contenders = tuple(sorted(found, key=lambda c: _ORDER.index(c.part)))
    differences = _differences(contenders)
    missing = _missing(contenders, models)
    return Comparison(
        contenders=contenders,
        differences=differences,
        missing=missing,
        verdict=verdict(contenders, differences),
        starting_balance=first.starting_balance,
        stake_currency=first.stake_currency,
        fee=fee,
    )


def fee_of(run: BacktestRun, default: float) -> float:
    """The fee of one side that the backtest charged, read from its trades; `default` if there are none."""
    for strategy in run.strategies:
        if not strategy.trades.empty:
            return float(strategy.trades["fee_open"].median())
    configured = run.config.get("fee")
    return float(configured) if configured is not None else default


def verdict(contenders: tuple[Contender, ...], differences: tuple[Difference, ...]) -> tuple[str, ...]:
    """What the comparison shows, as plain sentences; the first one answers `did the agents beat them?`."""
    agents = next((c for c in contenders if c.part == "agents"), None)
    if agents is None:
        return ("No agents in this result: nothing to compare with the baselines.",)
    if not differences:
        return ("No baseline could be compared: nothing is shown about the agents.",)
    sentences = [_headline(differences), *(_sentence(d) for d in differences)]
    if agents.trades == 0:
        sentences.insert(0, "The agents made no trade.")
    return tuple(sentences)


_ORDER: tuple[Part, ...] = ("agents", "equal_weights", "quant_only", "buy_and_hold", "other")
_ASKS_MODELS: tuple[Part, ...] = ("agents", "equal_weights", "other")


def _contender(
    strategy: StrategyRun,
    info: PartInfo,
    candles: Mapping[str, pd.DataFrame],
    grid: pd.DatetimeIndex,
    models: ModelCosts,
) -> Contender:
    trades = strategy.trades
    times = candle_grid(strategy.start, strategy.end, strategy.timeframe)
    bills = models if info.part in _ASKS_MODELS else NO_MODELS
    gross = equity_curve(trades, candles, times, strategy.starting_balance, strategy.timeframe)
    fine = less_models(gross, bills)
    curve = fine.at(grid)
    return Contender(
        part=info.part,
        label=info.label,
        performance=performance(curve.equity, curve.drawdown),
        curve=curve,
        trades=len(trades),
        win_rate=float((trades["profit_abs"] > 0).mean()) if len(trades) else None,
        costs=costs_paid(trades),
        exposure=_exposure(fine),
        entry_tags=tuple(str(tag) for tag in trades["enter_tag"] if tag) if len(trades) else (),
        model_costs=bills.total,
    )


def _holder(fine: EquityCurve, costs: float, pairs: int, grid: pd.DatetimeIndex) -> Contender:
    curve = fine.at(grid)
    return Contender(
        part=BUY_AND_HOLD.part,
        label=BUY_AND_HOLD.label,
        performance=performance(curve.equity, curve.drawdown),
        curve=curve,
        trades=pairs,
        win_rate=None,
        costs=costs,
        exposure=_exposure(fine),
    )


def _exposure(curve: EquityCurve) -> float:
    solvent = curve.equity > 0
    if not solvent.any():
        return 0.0
    return float((curve.invested[solvent] / curve.equity[solvent]).mean())


def _differences(contenders: tuple[Contender, ...]) -> tuple[Difference, ...]:
    agents = next((c for c in contenders if c.part == "agents"), None)
    if agents is None:
        return ()
    lead = daily_returns(agents.curve.equity)
    return tuple(
        Difference(c.label, c.part, mean_difference(lead, daily_returns(c.curve.equity)))
        for c in contenders
        if c.part != "agents"
    )


def _missing(contenders: tuple[Contender, ...], models: ModelCosts) -> tuple[str, ...]:
    there = {contender.part for contender in contenders}
    lines = [info.missing for info in BASELINES if info.part not in there]
    if not models.is_known:
        lines.append(
            "What the models cost is not taken off, for one has no price; add it to "
            "`agent_market.budget.prices`."
        )
    return tuple(lines)


def _headline(differences: tuple[Difference, ...]) -> str:
    beaten = [_spoken(d) for d in differences if d.finding == "beats"]
    others = [_spoken(d) for d in differences if d.finding != "beats"]
    if not beaten:
        return f"The agents did not beat {listed(others, 'or')} with 95% confidence."
    if not others:
        return f"The agents beat {listed(beaten, 'and')} with 95% confidence."
    return f"The agents beat {listed(beaten, 'and')}, but not {listed(others, 'or')}, with 95% confidence."


def _sentence(difference: Difference) -> str:
    interval = difference.interval
    mean = basis_points(interval.mean)
    if difference.finding == "unknown":
        return (
            f"Against {_spoken(difference)}: {mean} a day over {interval.days} days, "
            f"too few for an interval (needs {MIN_DAYS})."
        )
    if difference.finding == "same":
        return f"Against {_spoken(difference)}: the same on every day."
    words = {"beats": "ahead", "loses": "behind", "unclear": "no clear difference"}[difference.finding]
    low, high = basis_points(interval.low), basis_points(interval.high)
    return f"Against {_spoken(difference)}: {words}, {mean} a day, 95% interval {low} to {high}."


def _spoken(difference: Difference) -> str:
    """The label inside a sentence; names of strategies and of models keep their capitals."""
    is_common = difference.part in ("equal_weights", "buy_and_hold")
    return difference.baseline.lower() if is_common else difference.baseline
