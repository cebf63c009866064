"""What is asked, and what a good answer holds, whatever protocol carries it. Pure but for the environment's values.

`source` makes the requests of a section (`content`), with the operator's and the data's values in them, and some of
them with a trace (`tracing`, `sampling`). `checks` looks at answers, `unpacking` at compressed bodies, `redirects` at
where one leads. Called by the protocols' rooms and by `worker.dial`.

The package imports nothing, so that a worker starts with just the modules that its section needs.
"""
