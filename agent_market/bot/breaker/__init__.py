"""What freezes entries: ticks, where they come from, and the state that is kept."""
