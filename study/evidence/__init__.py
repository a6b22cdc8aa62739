"""What the runs of a study show of its claims: pure functions of values; no files, no Ray, no torch."""
