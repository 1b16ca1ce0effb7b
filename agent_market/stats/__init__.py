"""Statistics of results: tests of paired differences, deflation for many trials, power, promotion.

Pure functions of arrays without store, model or clock, shared by every search (prompts, nets, factors,
strategies) that has to tell a finding from luck.
"""
