"""The arithmetic of one account, compiled.

A step, from the close of candle t to the close of candle t + 1:

    1. the action, chosen on what is known at the close of t, becomes a wanted depth in [-1, 1];
    2. funding that is due at the open of t + 1 is paid on what is held there;
    3. the difference is traded at that open, made worse by slippage, and the fee is paid;
    4. funding that is due inside the candle is paid;
    5. the account is valued at the close; the change of its value is what the reward is made of.

Cash is a ledger: buying q at price p takes q p (1 + f) from it, selling gives q p (1 - f), a short position
is a negative q.  On the same orders this is freqtrade's backtest: its stake bookkeeping moves when money is
counted, not how much.  Three rules are freqtrade's own: the stake is a share of the balance *before* the
entry fee; at the end of the data a position is closed at the last candle's *open*; and funding is due on a
position from the moment of its fill to the moment of the next, both included, so that a fill at a funding
time pays on what was held before and again on what is held after.  (On candles shorter than an hour freqtrade
has one more: a position that is reduced at a funding time and traded again within the hour pays that funding
a second time on its old size.  That is not copied.)

Everything is float64.  `tests/decision/env/test_freqtrade_parity.py` holds it to freqtrade's own figures.
"""

# mypy: disallow-untyped-defs=False, check-untyped-defs=False
# Types are numba's to infer.
from __future__ import annotations

import math

import numpy as np
from numba import njit

from agent_market.rl.env.settings import EnvSettings

ACCOUNT = np.dtype(
    [
        ("row", np.int64),  # the candle whose close is now
        ("last", np.int64),  # the candle that closes the episode
        ("cash", np.float64),
        ("quantity", np.float64),  # of the base currency; negative is short
        ("depth", np.float64),  # in [-1, 1]: what the last fill was asked to reach
        ("entry", np.float64),  # average price of what is held
        ("age", np.int64),  # candles that the position has been held
        ("equity", np.float64),
        ("peak", np.float64),
        ("mean", np.float64),  # moving moments of the return, for the differential Sharpe ratio
        ("square", np.float64),
    ]
)

RULES = np.dtype(
    [
        ("actions", np.int64),
        ("reward", np.int64),
        ("reward_scale", np.float64),
        ("stake", np.float64),  # position value over balance at full depth
        ("can_short", np.bool_),
        ("fee", np.float64),
        ("slippage", np.float64),
        ("amount_step", np.float64),
        ("min_change", np.float64),
        ("max_drawdown", np.float64),
        ("sharpe_rate", np.float64),
        ("drawdown_weight", np.float64),
    ]
)

SIDES, ORDERS, GRADES, TARGET = range(4)
RETURN_DEPTH, DIFFERENTIAL_SHARPE, DRAWDOWN_AWARE = range(3)
ACTION_CODES = {"sides": SIDES, "orders": ORDERS, "grades": GRADES, "target": TARGET}
REWARD_CODES = {
    "return_depth": RETURN_DEPTH,
    "differential_sharpe": DIFFERENTIAL_SHARPE,
    "drawdown_aware": DRAWDOWN_AWARE,
}
HOLD, ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = range(5)
STATE_NAMES = ("position", "open_return", "age")
AGE_SCALE = 24.0  # candles at which `age` is one half


def rules_of(settings: EnvSettings) -> np.ndarray:
    """(1,) of dtype `RULES`: the settings as the kernels read them."""
    rules = np.zeros(1, RULES)
    rules["actions"] = ACTION_CODES[settings.actions]
    rules["reward"] = REWARD_CODES[settings.reward]
    rules["stake"] = settings.stake_fraction * settings.leverage
    for name in (
        "reward_scale",
        "can_short",
        "fee",
        "slippage",
        "amount_step",
        "min_change",
        "max_drawdown",
        "sharpe_rate",
        "drawdown_weight",
    ):
        rules[name] = getattr(settings, name)
    return rules


@njit(cache=True)
def advance(accounts, candles, actions, rules, rewards, terminated, truncated):
    """One step of every account.

    :param accounts: (N,) `ACCOUNT`, changed in place; (T,) `candles`; (N,) float64 `actions`; (1,) `rules`.
    :param rewards: (N,) float64, `terminated` and `truncated` (N,) bool: filled.
    :return: -1, or the index of the first account whose action is none (nothing is then changed).
    """
    rule = rules[0]
    for i in range(len(accounts)):
        if not is_action(actions[i], rule):
            return i
    for i in range(len(accounts)):
        account = accounts[i]
        candle = candles[account.row + 1]
        final = account.row + 1 == account.last
        before, drawdown = account.equity, 1.0 - account.equity / account.peak
        fill(account, candle, 0.0 if final else wanted(account, actions[i], rule), rule)
        account.row += 1
        if not final:
            account.cash -= account.quantity * candle.funding_inside
        price = candle.open if final else candle.close
        account.equity = account.cash + account.quantity * price
        account.peak = max(account.peak, account.equity)
        stopped = account.equity <= max(0.0, account.peak * (1.0 - rule.max_drawdown))
        if stopped and account.quantity != 0.0:
            trade(account, -account.quantity, price, rule)
            account.equity, account.depth = account.cash, 0.0
        account.age = account.age + 1 if account.quantity != 0.0 else 0
        terminated[i], truncated[i] = stopped, final and not stopped
        gain = account.equity / before - 1.0
        fallen = 1.0 - account.equity / account.peak - drawdown
        rewards[i] = rule.reward_scale * worth(account, gain, fallen, rule)
    return -1


@njit(cache=True)
def observe(accounts, candles, features, window, out):
    """Fill `out` (N, window * F + 3) with observations: features, the oldest candle first, then the state."""
    width = features.shape[1]
    flat = features.reshape(features.size)
    for i in range(len(accounts)):
        account = accounts[i]
        begin = (account.row - window + 1) * width
        for k in range(window * width):
            out[i, k] = flat[begin + k]
        position_state(account, candles[account.row].close, out[i], window * width)


@njit(cache=True)
def position_state(account, price, out, at):
    """Write `STATE_NAMES` to `out[at:]`: depth held, return since entry (cut to +-1), age in [0, 1)."""
    out[at] = account.depth
    out[at + 1] = 0.0
    if account.quantity != 0.0:
        gain = math.copysign(price / account.entry - 1.0, account.quantity * (price - account.entry))
        out[at + 1] = min(max(gain, -1.0), 1.0)
    out[at + 2] = account.age / (account.age + AGE_SCALE)


@njit(cache=True)
def is_action(action, rule):
    """Whether `action` is a number of the action set (a finite one, for `target`)."""
    if rule.actions == TARGET:
        return math.isfinite(action)
    count = 3.0 if rule.actions == SIDES else 5.0
    return 0.0 <= action < count and action == math.floor(action)


@njit(cache=True)
def wanted(account, action, rule):
    """The depth in [-1, 1] that an action asks for; what it holds, where the action does not apply."""
    depth = account.depth
    if rule.actions == SIDES:
        depth = action - 1.0
    elif rule.actions == GRADES:
        depth = 0.5 * action - 1.0
    elif rule.actions == TARGET:
        depth = min(max(action, -1.0), 1.0)
    elif action == ENTER_LONG and depth == 0.0:
        depth = 1.0
    elif action == ENTER_SHORT and depth == 0.0:
        depth = -1.0
    elif (action == EXIT_LONG and depth > 0.0) or (action == EXIT_SHORT and depth < 0.0):
        depth = 0.0
    return depth if rule.can_short else max(depth, 0.0)


@njit(cache=True)
def fill(account, candle, depth, rule):
    """Trade at the candle's open to reach `depth`, and pay the funding that is due there."""
    account.cash -= account.quantity * candle.funding_open
    held = account.quantity
    if account.quantity != 0.0 and depth * account.quantity <= 0.0:
        trade(account, -account.quantity, candle.open, rule)
        account.age = 0
    if account.quantity == 0.0:
        account.depth = 0.0
        if depth != 0.0:
            price = fill_price(candle.open, depth, rule)
            amount = whole_steps(depth * rule.stake * max(account.cash, 0.0) / price, rule.amount_step)
            if amount != 0.0:
                trade(account, amount, candle.open, rule)
                account.depth = depth
    elif abs(depth - account.depth) >= max(rule.min_change, 1e-12):
        equity = max(account.cash + account.quantity * candle.open, 0.0)
        change = depth * rule.stake * equity / candle.open - account.quantity
        change = whole_steps(change, rule.amount_step)
        # Drift may have carried the position past a larger depth already: then nothing is sold to reach it.
        if change * (depth - account.depth) > 0.0:
            trade(account, change, candle.open, rule)
            account.depth = depth
    if account.quantity != held:
        account.cash -= account.quantity * candle.funding_open


@njit(cache=True)
def trade(account, amount, price, rule):
    """Buy `amount` (sell, if negative) at `price` made worse by slippage, and pay the fee."""
    paid = fill_price(price, amount, rule)
    account.cash -= amount * paid + rule.fee * abs(amount) * paid
    grown = account.quantity + amount
    if grown == 0.0:
        account.entry = 0.0
    elif amount * account.quantity >= 0.0:
        account.entry = (account.quantity * account.entry + amount * paid) / grown
    account.quantity = grown


@njit(cache=True)
def fill_price(price, side, rule):
    """What a buyer (side > 0) pays or a seller gets."""
    return price * (1.0 + math.copysign(rule.slippage, side))


@njit(cache=True)
def whole_steps(amount, step):
    """`amount` cut towards zero to a multiple of `step`; a rounding error below a multiple counts as it."""
    if step <= 0.0:
        return amount
    return math.copysign(math.floor(abs(amount) / step + 1e-9) * step, amount)


@njit(cache=True)
def worth(account, gain, fallen, rule):
    """The reward of a step, before scaling.

    :param gain: the account's return over the step after costs, which is return x depth - costs.
    :param fallen: how much deeper the drawdown is than before the step; negative where it is less deep.

    `differential_sharpe` is D = (B dA - A dB / 2) / (B - A^2)^(3/2) with A and B the moving first and second
    moments before the step, dA = R - A and dB = R^2 - B (Moody & Saffell 2001, eq. 5).
    `drawdown_aware` is R - weight * max(0, fallen).
    """
    if rule.reward == DIFFERENTIAL_SHARPE:
        to_mean, to_square = gain - account.mean, gain * gain - account.square
        variance = account.square - account.mean * account.mean
        value = 0.0
        if variance > 1e-12:
            value = (account.square * to_mean - 0.5 * account.mean * to_square) / variance**1.5
        account.mean += rule.sharpe_rate * to_mean
        account.square += rule.sharpe_rate * to_square
        return value
    if rule.reward == DRAWDOWN_AWARE:
        return gain - rule.drawdown_weight * max(0.0, fallen)
    return gain
