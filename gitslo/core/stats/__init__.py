"""The statistics of a verdict: e-processes in log space."""
