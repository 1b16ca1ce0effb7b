"""Learning from results without fooling oneself: tests of paired differences, deflation, power, promotion.

Everything here is arithmetic on arrays: it knows no store, no model and no clock, and is shared by whatever
searches (prompts, nets, factors, strategies) and then asks whether what it found is more than luck.
"""
