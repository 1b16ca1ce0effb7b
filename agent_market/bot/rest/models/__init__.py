"""What the routes answer and take, one file a subject."""

from agent_market.bot.rest.models.asking import (
    AlertAnswer,
    AlertsAnswer,
    ModeOrder,
    PauseOrder,
    ProposalAnswer,
    ProposalsAnswer,
    YesOrNo,
)
from agent_market.bot.rest.models.base import Answer
from agent_market.bot.rest.models.deciding import (
    DebateAnswer,
    DebatePage,
    DebateSummary,
    DecisionPage,
    DecisionSummary,
    DecisionWhole,
)
from agent_market.bot.rest.models.knowing import MemoryAnswer, MemoryHit, WeighingAnswer, WeightsAnswer
from agent_market.bot.rest.models.limiting import (
    Budget,
    CostAnswer,
    CostShare,
    HoldingAnswer,
    RiskAnswer,
    Sum,
)
from agent_market.bot.rest.models.running import AlarmAnswer, Breaker, Run, Status, Switch

__all__ = [
    "AlarmAnswer",
    "AlertAnswer",
    "AlertsAnswer",
    "Answer",
    "Breaker",
    "Budget",
    "CostAnswer",
    "CostShare",
    "DebateAnswer",
    "DebatePage",
    "DebateSummary",
    "DecisionPage",
    "DecisionSummary",
    "DecisionWhole",
    "HoldingAnswer",
    "MemoryAnswer",
    "MemoryHit",
    "ModeOrder",
    "PauseOrder",
    "ProposalAnswer",
    "ProposalsAnswer",
    "RiskAnswer",
    "Run",
    "Status",
    "Sum",
    "Switch",
    "WeighingAnswer",
    "WeightsAnswer",
    "YesOrNo",
]
