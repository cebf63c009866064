"""The outside world behind `gitslo.ports`: one foreign library per file."""
