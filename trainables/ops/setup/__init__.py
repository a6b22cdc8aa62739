"""How the CPU operators take their places."""
