"""What a study consists of, what is missing, what is tried next. No Ray."""
