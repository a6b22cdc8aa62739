"""What is asked, how it is spread over nodes, and what is kept of it."""
