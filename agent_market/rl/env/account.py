"""The arithmetic of one account, compiled.

A step, from the close of candle t to the close of candle t + 1:

    1. the action, chosen on what is known at the close of t, becomes a wanted depth in [-1, 1];
    2. funding that is due at the open of t + 1 is paid on what is held there;
    3. the difference is traded at that open, made worse by slippage, and the fee is paid;
    4. with a stop, the position is closed at it if the candle t + 1 reaches it;
    5. funding that is due inside the candle is paid on what is still held;
    6. the account is valued at the close; the change of its value is what the reward is made of.

Cash is a ledger: buying q at price p takes q p (1 + f) from it, selling gives q p (1 - f), a short position
is a negative q.  On the same orders this is freqtrade's backtest: its stake bookkeeping moves when money is
counted, not how much.  Three rules are freqtrade's own: the stake is a share of the balance *before* the
entry fee; at the end of the data a position is closed at the last candle's *open*; and funding is due on a
position from the moment of its fill to the moment of the next, both included, so that a fill at a funding
time pays on what was held before and again on what is held after.  (Freqtrade has one more: a position that
is reduced at a funding time and traded again within the hour, on shorter candles or by a stop, pays that
funding a second time on its old size.  That is not copied.)

Exits (`EnvSettings.stop`, `use_take`, `hold_most`) follow freqtrade's `Backtesting` with `custom_stoploss`:

    - a fill sets the stop from the fill's price: the `atr` rule at every fill and in either direction, the
      `fixed` one at the entry;
    - in every candle, the entry's own too, the *best* price (a long's high, a short's low) may tighten the
      `atr` stop; nothing but a fill widens it; then the *worst* price of the same candle is compared with it;
    - the fill is the stop itself, even where the candle opened beyond it; the open, if the whole candle lies
      beyond it; and if the stop was tightened within the candle of the entry, as far below the open as it was
      set below the high, but not below the low (freqtrade's worst case; a short's the other way round);
    - an exit that was decided on (signal, `take`, `hold_most`) fills at the open, before any stop;
    - at the end of the data a position's stop is compared before the position is closed at the open.

A fill that adds re-sets the stop against the new average price too, as `recalc_trade_from_orders` does.

Everything is float64.  `tests/decision/env/test_freqtrade_parity.py` and `test_freqtrade_exits.py` hold it to
freqtrade's own figures.  All compiled functions are in this one file: numba's cache looks at the file of the
function that is called, and would go on with what another file said before it was edited.
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
        # Kept only where the rules have an exit of their own (`exits`):
        ("stop", np.float64),  # price of the stop; 0 without a position
        ("stop_width", np.float64),  # how far from a price it was set last, as a fraction of that price
        ("opened", np.float64),  # quantity held after the fill at the newest candle's open
        ("stopped", np.float64),  # price of the stop's fill within the newest candle, before slippage; else 0
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
        ("exits", np.bool_),  # whether any of the following is in use
        ("stop", np.int64),
        ("stop_width", np.float64),
        ("atr_multiple", np.float64),
        ("stop_floor", np.float64),
        ("stop_ceiling", np.float64),
        ("use_take", np.bool_),
        ("hold_most", np.int64),  # candles; 0 is no limit
        ("leverage", np.float64),
        ("price_step", np.float64),
    ]
)

FILL = np.dtype(
    [
        ("row", np.int64),  # the candle
        ("amount", np.float64),  # of the base currency; negative is sold
        ("price", np.float64),  # slippage included
        ("cause", np.int64),
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
NO_STOP, FIXED_STOP, ATR_STOP = range(3)
STOP_CODES = {"fixed": FIXED_STOP, "atr": ATR_STOP}
ASKED, TAKE, HELD_MOST, STOPPED, DRAWDOWN, ENDED = range(6)
CAUSES = ("asked", "take", "held_most", "stopped", "drawdown", "ended")
"""What each `cause` of a fill is called; `asked` is the action."""
FILLS_PER_CANDLE = 3
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
    rules["exits"] = settings.has_exits
    rules["use_take"], rules["hold_most"] = settings.use_take, settings.hold_most or 0
    rules["leverage"], rules["price_step"] = settings.leverage, settings.price_step
    if settings.stop is not None:
        rules["stop"] = STOP_CODES[settings.stop.rule]
        rules["atr_multiple"] = settings.stop.atr_multiple
        rules["stop_floor"], rules["stop_ceiling"] = settings.stop.floor, settings.stop.ceiling
        # By way of the stake, as freqtrade reads a strategy's `stoploss`.
        rules["stop_width"] = settings.stop_distance * settings.leverage / settings.leverage
    return rules


@njit(cache=True)
def advance(accounts, candles, ranges, actions, rules, rewards, terminated, truncated):
    """One step of every account.

    :param accounts: (N,) `ACCOUNT`, changed in place; (T,) `candles`; (N,) float64 `actions`; (1,) `rules`.
    :param ranges: (T,) `RANGE`, read only if the rules have exits of their own; else of any length.
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
        if rule.exits:
            price = step_with_exits(account, candles, ranges, actions[i], final, rule)
        else:
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
            account.equity, account.depth, account.stop = account.cash, 0.0, 0.0
        account.age = account.age + 1 if account.quantity != 0.0 else 0
        terminated[i], truncated[i] = stopped, final and not stopped
        gain = account.equity / before - 1.0
        fallen = 1.0 - account.equity / account.peak - drawdown
        rewards[i] = rule.reward_scale * worth(account, gain, fallen, rule)
    return -1


@njit(cache=True)
def replay(accounts, candles, ranges, actions, rules, equity, fills):
    """Follow one account to the end of its episode, and note its fills.

    :param accounts: (1,) `ACCOUNT`, just reset; (1,) `rules`, whose `exits` is true.
    :param actions: (T,) the action decided at each row's close.
    :param equity: (T,) filled from the first row to the last, in stake currency.
    :param fills: (FILLS_PER_CANDLE T,) `FILL`, filled from the start.
    :return: number of fills, and the row of the first action that is none, or -1.
    """
    rule, account = rules[0], accounts[0]
    rewards, terminated = np.empty(1), np.zeros(1, np.bool_)
    truncated = np.zeros(1, np.bool_)
    equity[account.row] = account.equity
    count = 0
    while account.row < account.last and not terminated[0]:
        row = account.row
        held = account.quantity
        cause = ASKED
        if is_action(actions[row], rule):
            cause = exit_cause(account, wanted(account, actions[row], rule), ranges[row].take, rule)
        asked = actions[row : row + 1]
        if advance(accounts, candles, ranges, asked, rules, rewards, terminated, truncated) >= 0:
            return count, row
        equity[account.row] = account.equity
        candle, opened, now = candles[row + 1], account.opened, account.quantity
        if held * opened < 0.0:
            note(fills, count, row + 1, -held, candle.open, cause, rule)
            note(fills, count + 1, row + 1, opened, candle.open, ASKED, rule)
            count += 2
        elif held != opened:
            note(fills, count, row + 1, opened - held, candle.open, cause, rule)
            count += 1
        if opened != now:
            price, cause = candle.close, DRAWDOWN
            if account.stopped > 0.0:
                price, cause = account.stopped, STOPPED
            elif account.row == account.last:
                price, cause = candle.open, ENDED
            note(fills, count, row + 1, now - opened, price, cause, rule)
            count += 1
    return count, -1


@njit(cache=True)
def note(fills, at, row, amount, price, cause, rule):
    """Write one fill."""
    fills[at].row, fills[at].amount = row, amount
    fills[at].price, fills[at].cause = fill_price(price, amount, rule), cause


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
def exit_cause(account, depth, take, rule):
    """Which exit overrules an asked `depth` at the next open: `TAKE`, `HELD_MOST` or none (`ASKED`)."""
    if rule.use_take and take:
        return TAKE
    if rule.hold_most > 0 and account.age >= rule.hold_most and depth * account.quantity > 0.0:
        return HELD_MOST
    return ASKED


@njit(cache=True)
def step_with_exits(account, candles, ranges, action, final, rule):
    """The fill at the open, the stop, and the funding of one step; the price at which what is held counts.

    `take` and `hold_most` close at the open.  `take` also keeps an entry from being made; after `hold_most`
    the same side may be entered again a candle later, the other one at once.
    """
    row = account.row
    candle, atr = candles[row + 1], ranges[row].atr
    held = account.quantity
    depth = wanted(account, action, rule)
    if exit_cause(account, depth, ranges[row].take, rule) != ASKED:
        depth = 0.0
    if final:
        # Nothing is entered or resized any more; what is not left by a signal meets its stop first.
        depth = account.depth if held != 0.0 and depth * held > 0.0 else 0.0
    fill(account, candle, depth, rule)
    account.row += 1
    account.opened, account.stopped = account.quantity, 0.0
    if rule.stop != NO_STOP:
        set_stop(account, held, candle.open, atr, rule)
        if account.quantity != 0.0:
            account.stopped = stop_fill(account, candle.open, ranges[row + 1], atr, rule)
    if account.stopped > 0.0:
        trade(account, -account.quantity, account.stopped, rule)
        account.depth, account.stop = 0.0, 0.0
    elif final and account.quantity != 0.0:
        trade(account, -account.quantity, candle.open, rule)
        account.depth, account.stop = 0.0, 0.0
    if final:
        return candle.open
    account.cash -= account.quantity * candle.funding_inside
    return candle.close


@njit(cache=True)
def set_stop(account, held, price, atr, rule):
    """Set the stop after the fills at the open (`price`), which changed what was `held` before them."""
    now = account.quantity
    if now == 0.0:
        account.stop, account.stop_width = 0.0, 0.0
        return
    if now == held:
        return
    side = math.copysign(1.0, now)
    paid = fill_price(price, now - held, rule)
    average = nearest_step(account.entry, rule.price_step)
    if held * now <= 0.0:
        account.stop_width = rule.stop_width
        if rule.stop == ATR_STOP:
            account.stop_width = atr_width(paid, atr, side, rule)
        account.stop = stop_price(paid, account.stop_width, side, rule)
        return
    if abs(now) > abs(held):
        tighten(account, average, account.stop_width, side, rule)
    if rule.stop == ATR_STOP and side * (paid - account.stop) > 0.0:
        account.stop_width = atr_width(paid, atr, side, rule)
        account.stop = stop_price(paid, account.stop_width, side, rule)
    tighten(account, average, account.stop_width, side, rule)


@njit(cache=True)
def stop_fill(account, opened, bounds, atr, rule):
    """The price at which the stop closes the position within a candle, before slippage; 0 if it does not."""
    side = math.copysign(1.0, account.quantity)
    best, worst = bounds.high, bounds.low
    if side < 0.0:
        best, worst = worst, best
    tightened = False
    if rule.stop == ATR_STOP and side * (worst - account.stop) > 0.0:
        tightened = tighten(account, best, atr_width(best, atr, side, rule), side, rule)
    if side * (worst - account.stop) > 0.0:
        return 0.0
    if side * (account.stop - best) > 0.0:
        return opened
    if tightened and account.age == 0:
        price = opened * (1.0 - side * account.stop_width)
        return nearest_step(max(worst, price) if side > 0.0 else min(worst, price), rule.price_step)
    return account.stop


@njit(cache=True)
def tighten(account, price, width, side, rule):
    """Move the stop to `width` from `price` if that is nearer; whether it was."""
    level = stop_price(price, width, side, rule)
    if side * (level - account.stop) <= 0.0:
        return False
    account.stop, account.stop_width = level, width
    return True


@njit(cache=True)
def atr_width(price, atr, side, rule):
    """`risk.stops.stop_distance`, by way of a level and a share of the stake as freqtrade takes it."""
    distance = rule.stop_ceiling
    if math.isfinite(atr) and atr > 0.0:
        distance = min(max(rule.atr_multiple * atr / price, rule.stop_floor), rule.stop_ceiling)
    level = price * (1.0 - side * distance)
    return side * (1.0 - level / price) * rule.leverage / rule.leverage


@njit(cache=True)
def stop_price(price, width, side, rule):
    """`width` from `price`, rounded towards it to a whole price step."""
    level = price * (1.0 - side * width)
    step = rule.price_step
    if step <= 0.0:
        return level
    count = round(level / step)
    nearest = steps_price(count, step)
    if side * (level - nearest) <= 0.0:
        return nearest
    return steps_price(count + side, step)


@njit(cache=True)
def nearest_step(price, step):
    """`price` rounded to a whole price step."""
    return price if step <= 0.0 else steps_price(round(price / step), step)


@njit(cache=True)
def steps_price(count, step):
    """`count` price steps as the double nearest to that decimal number, for steps such as 0.01 or 5."""
    inverse = round(1.0 / step)
    return count / inverse if step < 1.0 and abs(inverse * step - 1.0) < 1e-9 else count * step


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
