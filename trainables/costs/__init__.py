"""What a detector costs: GFLOPs, parameters, latency, and the way the paper counted."""
