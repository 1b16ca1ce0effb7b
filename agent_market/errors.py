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
    |   +-- BudgetExhausted  it was not asked: a cap on calls, tokens or money is reached
    +-- AnswerInvalid        the LLM's answer does not fit the schema (becomes an abstention)
    +-- PromptLeak           a prompt names market or moment; not sent (becomes an abstention)
    +-- TrainingFailed       a FreqAI training failed; a backtest must not go on without its model
    +-- SandboxError         the sandbox could not be started or was asked for something it has not
    +-- FlowError            a step of the closed loop failed
    +-- GateMissing          the risk gate cannot be installed; the bot must not start
    +-- ControlUnreadable    the kill switch's or breaker's file is damaged; counts as paused
    +-- ExpressionError      a factor expression is not allowed, or makes no sense
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


class BudgetExhausted(ModelUnavailable):
    """The call was not made: it might have gone beyond a cap. The message names cap, spend and setting."""


class AnswerInvalid(AgentMarketError):
    """The endpoint answered, and the answer does not satisfy the schema."""


class PromptLeak(AgentMarketError):
    """A masked prompt holds a symbol, an absolute date or an absolute price. It is not sent."""


class TrainingFailed(AgentMarketError):
    """A FreqAI training failed. In a backtest the run must stop; live, the last model is kept."""


class SandboxError(AgentMarketError):
    """The sandbox could not be started, or was asked for a pair or range that it does not have."""


class FlowError(AgentMarketError):
    """A step of the closed loop failed. The message names the step and holds the tool's own words."""


class GateMissing(AgentMarketError):
    """The risk gate cannot be installed in this freqtrade. Trading without it is refused."""


class ControlUnreadable(AgentMarketError):
    """A control file cannot be read or written. Callers must act as if the bot were paused."""


class ExpressionError(AgentMarketError):
    """A factor expression is refused: the problem, the fix and, where it came from text, the position.

    `position` counts characters from 0; `argument` is the number of the operator's input that is at fault.
    """

    def __init__(
        self,
        problem: str,
        fix: str,
        *,
        position: int | None = None,
        argument: int | None = None,
        text: str | None = None,
    ) -> None:
        where = "" if position is None else f" at character {position + 1}"
        if position is not None and text is not None:
            where += f" (`{text[position : position + 24].strip() or 'the end'}`)"
        super().__init__(f"{problem}{where}; {fix}")
        self.problem = problem
        self.fix = fix
        self.position = position
        self.argument = argument
        self.text = text

    def at(self, position: int) -> ExpressionError:
        """The same refusal with a position, unless it has one."""
        return (
            self if self.position is not None else ExpressionError(self.problem, self.fix, position=position)
        )

    def within(self, text: str) -> ExpressionError:
        """The same refusal, showing the place in `text`."""
        return ExpressionError(
            self.problem, self.fix, position=self.position, argument=self.argument, text=text
        )
