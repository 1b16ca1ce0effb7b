"""Learning to decide from logged decisions, behind one interface.

    base.py           the problem, the policy and the trainer as protocols; cutting it into blocks
    pathwise.py       the default: the gradient of the money itself, after costs, through the positions
    policies.py       the two nets as policies that the pathwise trainer can train
    reinforcement.py  PPO, DDPG, TD3 and SAC of Stable-Baselines3 on the same problem
    gate.py           what was learned decides only where it proved itself on a later span

Imports torch: import it where it is used.
"""
