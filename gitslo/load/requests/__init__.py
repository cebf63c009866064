"""What is asked, and what a good answer holds, whatever protocol carries it. Speaks to no network.

`source` makes the requests of a section (`content`), with the operator's and the data's values in them, and some of
them with a trace (`tracing`, `sampling`). `checks` looks at answers, `unpacking` at compressed bodies, `redirects` at
where one leads. Called by the protocols' rooms, by `worker.dial`,
and by engines before they start anything, for what cannot be sent.

The package imports nothing, so that a worker starts with just the modules that its section needs.
"""
