"""Decisions and formats: no I/O, no clock, no randomness, no logging below this package."""
