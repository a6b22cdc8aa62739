"""What runs are made of: data sets, detectors, methods, their training, what they cost."""
