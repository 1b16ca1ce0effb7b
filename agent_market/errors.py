"""Every error that Agent Market raises on purpose, as one tree on one page.

A message says what was wrong, with the offending value, and what to do about it.  Nothing below is
raised for something the loop survives: a model that answers nonsense is an abstention, not an error.

    AgentMarketError
    +-- ConfigError          a setting is unknown, missing or out of range
    +-- DataError            candles or context series are absent, empty or malformed
    +-- StoreError           the database cannot be opened, read or written
    |   +-- StoreFull        the disk (or the database's page limit) is full; what was committed is kept
    +-- ReplayMiss           replay mode was asked for an answer that was never recorded
    +-- ModelUnavailable     the LLM endpoint did not give an answer (becomes an abstention)
    +-- AnswerInvalid        the LLM's answer does not fit the schema (becomes an abstention)
    +-- TrainingFailed       a FreqAI training failed; a backtest must not go on without its model
    +-- SandboxError         the sandbox could not be started or was asked for something it has not
    +-- FlowError            a step of the closed loop failed
"""

from __future__ import annotations


class AgentMarketError(Exception):
    """Base of all errors raised on purpose; catching it catches nothing else."""


class ConfigError(AgentMarketError):
    """A setting is unknown, missing or out of range. The message names the key and its value."""


class DataError(AgentMarketError):
    """Candles or context series are absent, empty or malformed. The message names file and row."""


class StoreError(AgentMarketError):
    """The database cannot be opened, migrated, read or written."""


class StoreFull(StoreError):
    """No room left to write. What was committed before stays; the failed batch can be retried."""


class ReplayMiss(AgentMarketError):
    """`llm.mode = "replay"` and the answer for this exact prompt is not in the store."""


class ModelUnavailable(AgentMarketError):
    """The endpoint did not answer in time, refused, or dropped the connection."""


class AnswerInvalid(AgentMarketError):
    """The endpoint answered, and the answer does not satisfy the schema."""


class TrainingFailed(AgentMarketError):
    """A FreqAI training failed. In a backtest the run must stop; live, the last model is kept."""


class SandboxError(AgentMarketError):
    """The sandbox could not be started, or was asked for a pair or range that it does not have."""


class FlowError(AgentMarketError):
    """A step of the closed loop failed. The message names the step and holds the tool's own words."""
