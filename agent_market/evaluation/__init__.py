"""The honest comparison: every way of deciding on the same logged decisions, with costs, intervals and doubt.

baseline_agents.py      the agents: rules in process, no model is asked
panel_builder.py       candles to a panel of decisions
placebo.py     worlds in which there is nothing to find
strategies.py  every way of deciding, baselines and nets
run.py         contenders through worlds and folds to returns
statistics.py  returns to rows of a table
holdout.py     the span that is read once
page.py        the table and the picture
"""
