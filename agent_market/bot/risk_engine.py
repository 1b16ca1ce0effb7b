"""The risk desk: takes what freqtrade knows, asks the pure layers of `risk/`, and keeps what they said.

One desk a strategy, the same in backtests (the callbacks of `strategy.guarded` ask it) and live (the gate
does).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from freqtrade.persistence import LocalTrade, Order
from freqtrade.strategy import IStrategy

from agent_market.bot.account import book_of, open_trades, sign_of
from agent_market.bot.alerting.alerts import AlertBus
from agent_market.bot.breaker.breaker_service import BreakerService
from agent_market.bot.freqtrade_internals import freqtrade as internals
from agent_market.bot.gate.splits import SplitBook
from agent_market.bot.journal.journal import Journal
from agent_market.bot.market import Market
from agent_market.bot.steady_clock import boot_seconds
from agent_market.config import RiskSettings
from agent_market.risk.before import size_entry
from agent_market.risk.execution import FillBook
from agent_market.risk.orders import Book, Conditions, EntryOrder, EntryRequest, Liquidity, Sized
from agent_market.risk.systemic import alarms
from agent_market.risk.tightening import tightening
from agent_market.utils.arrays import Floats

LEAST_HISTORY = 30
LOOK_HOLDS_S = 1.0
"""So long a look of the breaker serves further entries."""
CANDLE_COMES = timedelta(minutes=1)
"""So late after its close a candle may reach the bot."""


class RiskEngine:
    """Sizes entries, watches the market, and remembers fills, splits and the day's first equity."""

    def __init__(
        self,
        strategy: IStrategy,
        settings: RiskSettings,
        bus: AlertBus,
        breaker: BreakerService,
        journal: Journal,
    ) -> None:
        self.strategy = strategy
        self.settings = settings
        self.bus = bus
        self.breaker = breaker
        self.journal = journal
        self.market = Market(strategy, settings)
        self.fills = FillBook(settings.execution)
        self.splits = SplitBook(settings.liquidity.split_minutes)
        self._looked: datetime | None = None
        self._looked_at: dict[str, Any] = {}
        self._looked_s: float | None = None
        self._looked_even_s = 0.0
        self._today: date | None = None
        self._at: datetime | None = None

    # --- entries -------------------------------------------------------------------------------------

    def size(self, request: EntryRequest) -> Sized:
        """Cut an entry to every limit.

        The order's amount is stake / rate. Where it fills above its rate (a short, or a market order with a
        price below the market), the stake is sized at the fill's price.

        :raises ValueError: a number of the request is not finite or not positive.
        """
        sign = request.sign
        capped = min(request.leverage, self.settings.entry.leverage)
        book = book_of(self.strategy, self.market.close)
        liquidity = self.market.liquidity(request.pair, sign)
        more = self._more_at_market(sign, request.rate, liquidity)
        entry = EntryOrder(
            pair=request.pair,
            sign=sign,
            rate=request.rate * more,
            stake=request.stake * more,
            leverage=request.leverage,
            stop_distance=self._stop_distance(sign, request.rate * more, capped, request.trade),
            strategy=type(self.strategy).__name__,
            min_stake=request.min_stake * more,
        )
        sized = size_entry(entry, book, self._conditions(entry, book, liquidity), self.settings)
        return replace(sized, stake=sized.stake / more, left_over=sized.left_over / more)

    def _more_at_market(self, sign: int, rate: float, liquidity: Liquidity) -> float:
        """Price of the fill over `rate`, at least 1: a limit to buy fills at its own price or below."""
        if liquidity.best is None or rate <= 0.0:
            return 1.0
        if sign > 0 and internals.entry_type(self.strategy) != "market":
            return 1.0
        return max(liquidity.best / rate, 1.0)

    def _stop_distance(self, sign: int, rate: float, leverage: float, trade: LocalTrade | None) -> float:
        wide = abs(float(self.strategy.stoploss)) / leverage
        if trade is None or not trade.stop_loss:
            return min(wide, 1.0)
        return min(max(wide, sign * (rate - float(trade.stop_loss)) / rate), 1.0)

    def _conditions(self, entry: EntryOrder, book: Book, liquidity: Liquidity) -> Conditions:
        candles = self.settings.entry.correlation_candles
        own = self.market.returns(entry.pair, max(candles, self.settings.tightening.slow_candles))
        held = {h.pair: self.market.returns(h.pair, candles) for h in book.holdings if h.pair != entry.pair}
        correlations = {}
        for pair, returns in held.items():
            both = own.index.intersection(returns.index)
            if len(both) >= LEAST_HISTORY:
                rho = float(np.corrcoef(own.loc[both], returns.loc[both])[0, 1])
                if np.isfinite(rho):
                    correlations[pair] = rho
        book_returns, pair_returns = self._aligned(entry, book, own.iloc[-candles:], held)
        return Conditions(
            correlations=correlations,
            tightening=tightening(own.to_numpy(), self.settings.tightening),
            execution=self.fills.size_share(entry.pair),
            liquidity=liquidity,
            book_returns=book_returns,
            pair_returns=pair_returns,
            candles_per_day=self.market.candles_per_day,
        )

    def _aligned(
        self, entry: EntryOrder, book: Book, own: Any, held: Any
    ) -> tuple[Floats | None, Floats | None]:
        """Returns of the open book, as a share of equity, and of the pair, on the candles that all have."""
        common = own.index
        for returns in held.values():
            common = common.intersection(returns.index)
        if len(common) < LEAST_HISTORY or book.equity <= 0.0:
            return None, None
        total = np.zeros(len(common))
        for holding in book.holdings:
            returns = own if holding.pair == entry.pair else held[holding.pair]
            total += returns.loc[common].to_numpy() * (holding.sign * holding.notional / book.equity)
        return total, own.loc[common].to_numpy()

    # --- the market as a whole -----------------------------------------------------------------------

    def start_day(self, now: datetime) -> None:
        """Backtests, at each candle: note the first equity of a UTC day, from which the day's loss counts.

        Where time has gone back, another epoch of hyperopt has begun: nothing of the last one stays.
        """
        if self._at is not None and now < self._at:
            self._begin_anew()
        self._at = now
        if _day(now) != self._today:
            self._today = _day(now)
            self.journal.day_start(self._today, book_of(self.strategy, self.market.close).equity)

    def _begin_anew(self) -> None:
        self.fills = FillBook(self.settings.execution)
        self.splits = SplitBook(self.settings.liquidity.split_minutes)
        self.breaker.reset("a new epoch")
        self.journal.forget_days()
        self._looked = self._today = None

    def catch_up(self, now: datetime) -> None:
        """Backtests: look at the candles since the last look that can still freeze entries `now`.

        A look at each candle would cost a backtest more than its trades do, so it is taken before an entry.
        """
        candle = timedelta(seconds=self.market.timeframe_s)
        on_candle = self._candle_of(now)
        window = timedelta(minutes=self.settings.breaker.cooldown_minutes)
        back = int(window / candle)
        if self._looked is not None:
            back = min(back, max(int((now - self._looked) / candle) - 1, 0))
        for age in range(back, 0, -1):
            self.look(on_candle - age * candle, age)
        self.look(now)

    def _candle_of(self, now: datetime) -> datetime:
        """Backtests: close of the newest candle; with `--timeframe-detail` `now` may lie within the next."""
        newest = (
            self.market.newest_close(self._pairs()) if self.strategy.config.get("timeframe_detail") else None
        )
        return now if newest is None else min(newest, now)

    def look_at_new(self, pair: str, now: datetime) -> None:
        """Live, before an entry: look, unless a look has just been taken that saw the pair's newest candle.

        Freqtrade analyses new candles after `bot_loop_start` and enters on them in the same iteration. A
        forced entry comes at any time, also while the loop sleeps: for long, after the clock went back.
        """
        fresh = self._looked_s is not None and boot_seconds() - self._looked_s < LOOK_HOLDS_S
        if fresh and abs(self._even_s(now) - self._looked_even_s) > LOOK_HOLDS_S:
            fresh = False  # somebody has set the clock
        if not fresh or self._looked_at.get(pair) != self.market.newest(pair):
            self.look(now)

    def _even_s(self, now: datetime) -> float:
        return now.timestamp() - boot_seconds()

    def _pairs(self) -> set[str]:
        return {*self.strategy.dp.current_whitelist(), *(t.pair for t in open_trades())}

    def look(self, now: datetime, back: int = 0) -> None:
        """One look of the breaker at candles and account; live, once an iteration.

        :param back: candles to leave out, where `now` lies so far back.
        """
        self._looked = now
        pairs = self._pairs()
        live = self.market.live
        newest = {pair: self.market.newest(pair) for pair in pairs} if live else {}
        readings = self.market.readings(sorted(pairs), now, back)
        book = book_of(self.strategy, self.market.close)
        if not back:
            started = self.journal.day_start(self._day_of(now), book.equity)
            readings = replace(
                readings,
                day_return=book.equity / started - 1.0 if started > 0.0 else None,
                free_share=book.free / book.equity if book.equity > 0.0 else 0.0,
            )
        found = alarms(readings, self.settings.breaker)
        if live:
            candle = max((moment for moment in newest.values() if moment is not None), default=None)
            self.breaker.see("candles", found, evidence=candle)
            self._looked_at = newest
            self._looked_s, self._looked_even_s = boot_seconds(), self._even_s(now)
        else:
            known = now if back else self._candle_of(now)
            self.breaker.see("candles", found, now, evidence=known, known_at=known)

    def _day_of(self, now: datetime) -> date:
        """The UTC day that the day's loss counts in: live, no later than the newest candle lets it be.

        A clock that was set ahead over midnight would begin a new day, and with it forgive a loss.
        """
        newest = self.market.newest_close(self._pairs()) if self.market.live else None
        if newest is not None:
            now = min(now, newest + timedelta(seconds=self.market.timeframe_s) + CANDLE_COMES)
        return _day(now)

    def beyond_safe_level(self) -> tuple[str, ...]:
        """Ids of the trades to sell while frozen, largest first, until the book is down to its safe level."""
        safe = self.settings.breaker.reduce_to
        if safe is None or not self.breaker.frozen:
            return ()
        book = book_of(self.strategy, self.market.close)
        notional = {str(t.id): h.notional for t, h in zip(open_trades(), book.holdings, strict=True)}
        over = sum(notional.values()) - safe * book.equity
        chosen = []
        for name in sorted(notional, key=notional.__getitem__, reverse=True):
            if over <= 0.0:
                break
            chosen.append(name)
            over -= notional[name]
        return tuple(chosen)


def fill_sign(trade: LocalTrade, order: Order) -> int:
    """+1 where the order buys."""
    return sign_of(trade) if order.ft_order_side == trade.entry_side else -sign_of(trade)


def _day(now: datetime) -> date:
    return (now if now.tzinfo else now.replace(tzinfo=UTC)).astimezone(UTC).date()
