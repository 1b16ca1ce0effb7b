"""A market to practise in: one account, or thousands of them over the same arrays.

    settings.py    what an environment may be told
    market.py      candles, features and funding as arrays
    account.py     the arithmetic of one account, compiled: fills, fees, funding, stops, reward
    batch.py       many accounts, plain numpy in and out
    replay.py      given actions through a whole market, and the fills they made
    single.py      `TradingEnv`, for gymnasium
    vector.py      `TradingVecEnv`, for Stable-Baselines3

The last two need the extra `rl`; the others need numba, which freqtrade brings.
"""
