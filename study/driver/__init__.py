"""Running what a study misses, on Ray."""
