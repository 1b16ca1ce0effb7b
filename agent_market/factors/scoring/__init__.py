"""How good a factor is: alone, through time and regimes, after costs, and beside the others of its pool."""
