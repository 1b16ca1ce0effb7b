"""A learned policy's orders, as they come: for `--freqaimodel AgentReinforcementLearner`."""

from typing import Any

from pandas import DataFrame

from agent_market.strategy.strategy import AgentMarketStrategyBase

ACTION = "&-action"
ENTER_LONG, ENTER_SHORT = 1, 3


class AgentMarketReinforcement(AgentMarketStrategyBase):
    """The same features as the other strategies; only a disaster stop, for the policy knows of none.

    Entries are the policy's orders.  A trade is left as soon as the policy is not on its side: also where a
    new window's policy starts flat, and live where the bot's trade and the policy disagree.
    """

    stoploss = -0.30
    minimal_roi = {"0": 100.0}  # noqa: RUF012 - freqtrade reads a plain dict

    def set_freqai_targets(self, dataframe: DataFrame, metadata: dict[str, Any], **kwargs: Any) -> DataFrame:
        dataframe[ACTION] = 0
        return dataframe

    def populate_entry_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        action, usable = dataframe[ACTION], dataframe["do_predict"] == 1
        dataframe.loc[usable & (action == ENTER_LONG), ["enter_long", "enter_tag"]] = (1, "policy")
        if self.can_short:
            dataframe.loc[usable & (action == ENTER_SHORT), ["enter_short", "enter_tag"]] = (1, "policy")
        return dataframe

    def populate_exit_trend(self, dataframe: DataFrame, metadata: dict[str, Any]) -> DataFrame:
        position = dataframe.get("policy_position", dataframe["volume"] * 0.0)
        dataframe.loc[position <= 0.0, ["exit_long", "exit_tag"]] = (1, "policy")
        if self.can_short:
            dataframe.loc[position >= 0.0, ["exit_short", "exit_tag"]] = (1, "policy")
        return dataframe
