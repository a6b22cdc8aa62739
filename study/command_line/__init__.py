"""What the commands of run_study.py share: options, printed lines, and how they end."""
