"""What `agent-market factors mine`, `list` and `show` do."""

from agent_market.commands.mining.scripts import as_script
from agent_market.commands.mining.search import Wanted, run_search, settings_of
from agent_market.commands.mining.tables import show_factor, show_list, show_result

__all__ = ["Wanted", "as_script", "run_search", "settings_of", "show_factor", "show_list", "show_result"]
