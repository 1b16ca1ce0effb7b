"""The closed loop from the command line: `python scripts/agent_flow.py --config config/flow_demo.yaml`."""

from agent_market.flow.command import main

if __name__ == "__main__":
    main()
