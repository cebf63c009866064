"""What became of every request of one worker. Called by the protocols' connections, per request, and by the worker.

`recorder` counts by intended second for the verdict and keeps samples; `histogram` holds them, exact to three digits,
and `ranks` says how well a quantile of them is known. Foreign engines are counted by the same recorder.
"""
