"""Train decision policies on logged decisions, behind one interface.

    base.py      the data set, the `Policy` and `Trainer` protocols, and blocks for minibatches
    pathwise.py  the default trainer: the gradient of money after costs through the positions
    policies.py  the two nets as policies that the pathwise trainer can train
    gate.py      the promotion test: use a policy only if it beats the incumbent out of sample

`rl.reinforcement` trains PPO, DDPG, TD3 and SAC of Stable-Baselines3 on the same data set.  Imports torch:
import this package inside the functions that use it.
"""
