"""The parts of the LiDAR simulator; `trainables.datasets.simulated` is its face."""
