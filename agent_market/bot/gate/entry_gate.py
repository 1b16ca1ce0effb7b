"""The live order gate: every entry (initial, added, replaced, forced) passes it; a failure orders nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from freqtrade.exceptions import FreqtradeException
from freqtrade.persistence import LocalTrade

from agent_market.bot.account import open_trades
from agent_market.bot.confirmations import Confirmations
from agent_market.bot.control import Control
from agent_market.bot.freqtrade_internals.freqtrade import Priced, is_forced
from agent_market.bot.gate.splits import let_parts_follow
from agent_market.bot.journal.journal import clamp_json
from agent_market.bot.risk_engine import RiskEngine
from agent_market.bot.steady_clock import steady_now, wall_now
from agent_market.records import decision_of
from agent_market.risk.orders import EntryRequest

logger = logging.getLogger(__name__)


class EntryGate:
    """Size, confirm or refuse entries. Called under freqtrade's entry lock, one entry at a time.

    An exception within the gate places no order.
    """

    def __init__(
        self,
        desk: RiskEngine,
        control: Control,
        confirmations: Confirmations,
        lock_until_next_candle: Callable[[str, str], None],
        least_of: Callable[[str, float, float], float | None],
    ) -> None:
        """:param least_of: minimum stake of the exchange for a pair, rate and leverage; None = no minimum."""
        self._desk = desk
        self._control = control
        self._confirmations = confirmations
        self._lock = lock_until_next_candle
        self._least_of = least_of
        self._poor_since: dict[tuple[str, str], datetime] = {}

    def __call__(
        self,
        original: Callable[..., Priced],
        pair: str,
        price: float | None,
        stake_amount: float,
        trade_side: str,
        entry_tag: str | None,
        trade: LocalTrade | None,
        mode: str,
        leverage_: float | None,
    ) -> Priced:
        """Cut freqtrade's price, stake and leverage to the limits; same parameters as the wrapped method.

        :param original: freqtrade's method, called with the same parameters.
        :return: (rate, stake, leverage); stake 0 orders nothing.
        """
        rate, leverage = float(price or 0.0), 1.0
        try:
            asked = min(float(leverage_), self._desk.settings.entry.leverage) if leverage_ else leverage_
            answer = original(pair, price, stake_amount, trade_side, entry_tag, trade, mode, asked)
            rate, stake, leverage = float(answer[0]), float(answer[1]), float(answer[2])
            if stake <= 0.0:
                return rate, 0.0, leverage
            tag = entry_tag or (trade.enter_tag if trade is not None else "") or ""
            request = EntryRequest(
                pair, trade_side, rate, stake, leverage, tag=tag, mode=mode, forced=is_forced(), trade=trade
            )
            stake, leverage = self._decide(request)
            return rate, stake, leverage
        except Exception as error:
            if _of_freqtrade(error):
                raise  # freqtrade handles its own exceptions and places no order
            logger.exception("the risk gate failed at an entry of %s; nothing is ordered", pair)
            self._desk.bus.publish(
                "critical", "fault", f"risk gate failed at {pair}, nothing ordered: {error!r}", pair=pair
            )
            return rate, 0.0, leverage

    def _decide(self, request: EntryRequest) -> tuple[float, float]:
        """(stake, leverage) to order; stake 0 orders nothing."""
        pair, tag = request.pair, request.tag
        self._desk.look_at_new(pair, wall_now())
        cause = self._forbidden(request) or self._no_place(pair, request.trade)
        if cause:
            return self._refuse(request, cause), request.leverage
        request = replace(request, min_stake=self._min_stake(pair, request.rate, request.leverage))
        sized = self._desk.size(request)
        if sized.clamps:
            clamps = clamp_json(sized.clamps)
            self._desk.journal.note(
                "clamps",
                pair,
                tag,
                mode=request.mode,
                side=request.side,
                forced=request.forced,
                clamps=clamps,
            )
            names = ", ".join(c.limit for c in sized.clamps)
            self._desk.bus.publish(
                "info", "clamp", f"{pair} {request.side}: {names}", pair=pair, tag=tag, clamps=clamps
            )
        allowed = replace(request, stake=sized.stake, leverage=sized.leverage)
        if sized.stake <= 0.0:
            if sized.poor and not request.forced and self._wait(pair, tag):
                return 0.0, sized.leverage
            return self._refuse(allowed, sized.clamps[-1].limit), sized.leverage
        self._poor_since.pop((pair, tag), None)
        stake = self._confirmed(allowed)
        if stake > 0.0 and self._desk.settings.liquidity.split and request.mode != "replace":
            self._note_rest(pair, tag, sized.left_over, request.min_stake)
        return stake, sized.leverage

    def _forbidden(self, request: EntryRequest) -> str:
        """Why control, breaker or mode forbid the entry; "" = they do not."""
        control = self._control.state()
        if control.paused:
            return f"paused by {control.paused_by or 'a damaged file'}" + (
                f": {control.reason}" if control.reason else ""
            )
        if self._desk.breaker.frozen:
            return f"entries are frozen: {self._desk.breaker.state.reason}"
        if control.mode == "manual" and not request.forced:
            return "mode manual: only forced entries"
        limit = self._desk.settings.entry.leverage
        if request.trade is not None and request.leverage > limit:
            return f"the trade's leverage {request.leverage:g} is over the limit, and cannot be changed"
        return ""

    def _no_place(self, pair: str, trade: LocalTrade | None) -> str:
        """Why no trade may be opened; "" = one may.

        Freqtrade counts trades before it waits for its entry lock: simultaneous entries all pass its check.
        """
        if trade is not None:
            return ""
        held = open_trades()
        if any(other.pair == pair for other in held):
            return f"a trade of {pair} is open already"
        most = self._desk.strategy.config["max_open_trades"]
        return f"{len(held)} trades are open, `max_open_trades` is {most:g}" if len(held) >= most else ""

    def _confirmed(self, request: EntryRequest) -> float:
        """Stake that may be ordered now: all of it, or in mode `confirm` what a human agreed to."""
        pair, side, tag, mode = request.pair, request.side, request.tag, request.mode
        stake, rate, leverage = request.stake, request.rate, request.leverage
        if self._control.state().mode != "confirm" or request.forced or mode == "replace":
            return stake
        due = self._desk.splits.due(pair, tag, steady_now()) if mode == "pos_adjust" else 0.0
        if due > 0.0:
            return min(stake, due)  # a further part of a confirmed entry
        occasion = decision_of(tag) if mode == "initial" else ""
        if not occasion:  # a tag without a decision recurs: the candle tells its entries apart
            occasion = str(self._desk.market.newest(pair))
        proposal, new = self._confirmations.ask(pair, side, tag, stake, rate, leverage, occasion)
        if new:
            self._desk.bus.publish(
                "warning",
                "proposal",
                f"confirm? {pair} {side}, stake {stake:.8g} at {rate:.8g}, leverage {leverage:g}, "
                f"until {proposal.expires_at:%H:%M:%S} UTC",
                proposal=proposal.number,
                pair=pair,
                side=side,
                tag=tag,
            )
        agreed = self._confirmations.use(proposal)
        return 0.0 if agreed is None else min(stake, agreed)

    def _wait(self, pair: str, tag: str) -> bool:
        """Whether a poor market is still within its retry window; freqtrade asks again next iteration."""
        now = steady_now()
        first = self._poor_since.setdefault((pair, tag), now)
        return now - first < timedelta(minutes=self._desk.settings.liquidity.retry_minutes)

    def _note_rest(self, pair: str, tag: str, left: float, minimum: float) -> None:
        worth = left if left >= max(minimum, 1e-9) else 0.0
        self._desk.splits.note(pair, tag, worth, steady_now())
        if worth:
            let_parts_follow(self._desk.strategy)

    def _refuse(self, request: EntryRequest, cause: str) -> float:
        """Note and publish a refusal, and lock the pair: freqtrade would retry in its next iteration."""
        pair, side, tag, mode, forced = request.pair, request.side, request.tag, request.mode, request.forced
        self._poor_since.pop((pair, tag), None)
        self._desk.journal.note("refusal", pair, tag, mode=mode, side=side, forced=forced, cause=cause)
        self._desk.bus.publish("info", "refusal", f"{pair} {side} ({mode}): {cause}", pair=pair, tag=tag)
        if mode == "initial" and not forced:
            self._lock(pair, cause)
        return 0.0

    def _min_stake(self, pair: str, rate: float, leverage: float) -> float:
        return float(self._least_of(pair, rate, leverage) or 0.0)


def _of_freqtrade(error: Exception) -> bool:
    return isinstance(error, FreqtradeException)
