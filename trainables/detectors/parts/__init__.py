"""What several detector families share."""
