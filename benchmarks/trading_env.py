"""How fast the trading environment steps and trains, against FreqAI's own, on one core.

The same candles, features, fee and window for both: FreqAI's `Base5ActionRLEnv` with the reward of its stock
`ReinforcementLearner`, and ours with the same five actions.  Then PPO with nets of the same size on both:
FreqAI's as its learner starts it (Stable-Baselines3's defaults, one environment), ours with the batched
environment and the defaults of `AgentReinforcementLearner`.  The last line printed is JSON: `value` is the
batched environment's steps a second, `ratio` is that over FreqAI's; the other ratios are beside it.

    python benchmarks/trading_env.py [--candles 20000] [--accounts 4096] [--window 1]

Real candles are used where they are found (AGENT_MARKET_TEST_DATA or ../shared/data), else synthetic ones.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# One core, also for what torch and numba would do beside it; read when they are imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"

import gymnasium  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from freqtrade.freqai.prediction_models.ReinforcementLearner import ReinforcementLearner  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402

from agent_market.features.features import FEATURES, market_features  # noqa: E402
from agent_market.freqai.reinforcement import PPO_DEFAULTS  # noqa: E402
from agent_market.rl.env.market import MarketArrays, market_arrays  # noqa: E402
from agent_market.rl.env.settings import EnvSettings  # noqa: E402
from agent_market.rl.env.single import TradingEnv  # noqa: E402
from agent_market.rl.env.vector import TradingVecEnv  # noqa: E402
from agent_market.sandbox.market import SyntheticSource  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
FEE = 0.001
NET = [128, 128]  # FreqAI's default
FEATURE_COUNT = 20


def candles(count: int) -> tuple[pd.DataFrame, str]:
    """The newest `count` hourly candles of BTC/USDT, and where they are from."""
    folder = Path(os.environ.get("AGENT_MARKET_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    file = folder / "candles" / "binance" / "BTC_USDT-1h.feather"
    if file.is_file():
        return pd.read_feather(file).tail(count).reset_index(drop=True), "real candles"
    start = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000)
    made = SyntheticSource(seed=7).candles("BTC/USDT", "1h", start, start + count * 3_600_000)
    return made.to_frame(), "synthetic candles"


def prepare(count: int) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Candles and 20 features of them, without the warm-up."""
    frame, origin = candles(count)
    features = market_features(frame)[[spec.name for spec in FEATURES][:FEATURE_COUNT]]
    known = features.notna().all(axis=1)
    return frame[known].reset_index(drop=True), features[known].reset_index(drop=True), origin


def freqai_env(frame: pd.DataFrame, features: pd.DataFrame, window: int) -> gymnasium.Env:
    """FreqAI's environment as its learner makes it."""
    parameters = {"rr": 1, "profit_aim": 0.025, "win_reward_factor": 2}
    rl_config = {"model_reward_parameters": parameters, "max_training_drawdown_pct": 0.8}
    return ReinforcementLearner.MyRLEnv(
        df=features.astype(np.float32),
        prices=frame[["open", "high", "low", "close"]],
        reward_kwargs=parameters,
        window_size=window,
        config={"freqai": {"rl_config": rl_config}, "stake_amount": "unlimited"},
        fee=FEE,
        can_short=True,
        df_raw=features,
    )


def best_rate(run: Callable[[], int], repeat: int) -> float:
    """Steps a second: the median of `repeat` runs, each of which answers how many steps it made."""
    rates = []
    for _ in range(repeat):
        began = time.perf_counter()
        steps = run()
        rates.append(steps / (time.perf_counter() - began))
    return statistics.median(rates)


def step_single(env: gymnasium.Env, steps: int) -> Callable[[], int]:
    """A random policy on one environment."""
    actions = np.random.default_rng(0).integers(5, size=steps).tolist()

    def run() -> int:
        env.reset()
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()
        return steps

    return run


def step_batched(env: TradingVecEnv, rounds: int) -> Callable[[], int]:
    """A random policy on the batch, through the interface that Stable-Baselines3 uses."""
    actions = np.random.default_rng(0).integers(5, size=(64, env.num_envs))

    def run() -> int:
        env.reset()
        for turn in range(rounds):
            env.step(actions[turn % len(actions)])
        return rounds * env.num_envs

    return run


def ppo_rate(env: gymnasium.Env | TradingVecEnv, steps: int, **parameters: object) -> float:
    """Candles a second of PPO, rollouts and updates together, after a first round."""
    policy = {"activation_fn": torch.nn.ReLU, "net_arch": NET}
    model = PPO("MlpPolicy", env, policy_kwargs=policy, seed=7, device="cpu", **parameters)
    model.learn(1)
    done = model.num_timesteps
    began = time.perf_counter()
    model.learn(steps, reset_num_timesteps=False)
    return float((model.num_timesteps - done) / (time.perf_counter() - began))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candles", type=int, default=20_000)
    parser.add_argument("--accounts", type=int, default=4096)
    parser.add_argument("--window", type=int, default=1, help="FreqAI's conv_width; its default is 1")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
    torch.set_num_threads(1)

    frame, features, origin = prepare(options.candles)
    arrays: MarketArrays = market_arrays(frame, features)
    settings = EnvSettings(
        actions="orders", window=options.window, fee=FEE, slippage=0.0, can_short=True, max_drawdown=0.8
    )
    windows = settings.model_copy(update={"episode_candles": 500})
    theirs = freqai_env(frame, features, options.window)
    ours = TradingEnv(arrays, settings)
    batched = TradingVecEnv(arrays, windows, options.accounts, seed=7)
    step_batched(batched, 2)()  # compiles

    print(f"{origin}, {len(frame)} candles, {features.shape[1]} features, window {options.window}, one core")
    base = best_rate(step_single(theirs, 4_000), options.repeat)
    print(f"FreqAI Base5ActionRLEnv  {base:12,.0f} steps/s")
    single = best_rate(step_single(ours, 100_000), options.repeat)
    print(f"TradingEnv               {single:12,.0f} steps/s   {single / base:6.1f} x")
    many = best_rate(step_batched(batched, 200), options.repeat)
    print(f"TradingVecEnv ({options.accounts:5})    {many:12,.0f} steps/s   {many / base:6.1f} x")
    freqai_ppo = ppo_rate(theirs, 6_144)
    print(f"PPO on FreqAI's          {freqai_ppo:12,.0f} steps/s   net {NET}")
    learner = TradingVecEnv(arrays, windows, PPO_DEFAULTS["n_envs"], seed=7)
    parameters = {name: value for name, value in PPO_DEFAULTS.items() if name != "n_envs"}
    our_ppo = ppo_rate(learner, 500_000, **parameters)
    print(
        f"PPO on TradingVecEnv     {our_ppo:12,.0f} steps/s   {our_ppo / freqai_ppo:6.1f} x   {PPO_DEFAULTS}"
    )
    print(
        json.dumps(
            {
                "name": "trading_env",
                "value": round(many),
                "unit": "steps/s, one core",
                "against": f"FreqAI Base5ActionRLEnv, {base:,.0f} steps/s",
                "ratio": round(many / base, 1),
                "single_ratio": round(single / base, 1),
                "ppo_value": round(our_ppo),
                "ppo_against": f"PPO on FreqAI's environment, {freqai_ppo:,.0f} steps/s",
                "ppo_ratio": round(our_ppo / freqai_ppo, 1),
                "window": options.window,
            }
        )
    )


if __name__ == "__main__":
    main()
