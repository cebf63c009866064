"""The load engine: a schedule, workers in their own processes, and honest histograms."""
