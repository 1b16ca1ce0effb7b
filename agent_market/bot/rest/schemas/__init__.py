"""What the routes answer and take, one file a subject."""

from agent_market.bot.rest.schemas.base import Answer
from agent_market.bot.rest.schemas.control import (
    AlertAnswer,
    AlertsAnswer,
    ModeOrder,
    PauseOrder,
    ProposalAnswer,
    ProposalsAnswer,
    YesOrNo,
)
from agent_market.bot.rest.schemas.decisions import (
    DebateAnswer,
    DebatePage,
    DebateSummary,
    DecisionPage,
    DecisionSummary,
    DecisionWhole,
)
from agent_market.bot.rest.schemas.memory import MemoryAnswer, MemoryHit, WeighingAnswer, WeightsAnswer
from agent_market.bot.rest.schemas.risk import (
    BudgetAnswer,
    CostAnswer,
    CostShare,
    HoldingAnswer,
    RiskAnswer,
    Sum,
)
from agent_market.bot.rest.schemas.status import AlarmAnswer, Breaker, Run, Status, Switch

__all__ = [
    "AlarmAnswer",
    "AlertAnswer",
    "AlertsAnswer",
    "Answer",
    "Breaker",
    "BudgetAnswer",
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
