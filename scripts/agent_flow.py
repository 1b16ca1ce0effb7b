"""The closed loop from the command line: `python scripts/agent_flow.py --config config/flow_demo.yaml`.

The same as `agent-market flow run`.
"""

import sys

from agent_market.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["flow", "run"]
    main()
