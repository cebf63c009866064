"""All workers' words as one result, and the forms that it takes for people and for other tools.

`merger` adds up what workers report and makes the `detail`, with its `timeline` and with what `health` says against
judging it; called by the engines. `hlog` and `openmetrics` write it for other tools; called by the command line.
"""
