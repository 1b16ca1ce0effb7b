"""What a model is asked and what it said: requests, answers, and the store that replays them."""
