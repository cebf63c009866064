"""What the loop tells the outside: logs and metrics."""
