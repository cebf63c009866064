"""Sequential tests: how strongly counts and samples speak against a limit, at any moment and after any looks.

Called by `gitslo.core.judge` and `gitslo judge`. The only place that imports scipy, and only when a number is asked
for.

| module | question |
|---|---|
| `bernoulli`, `mixture` | k bad of n requests against a limit on the share of bad ones |
| `clustering` | the same where requests fail in bursts |
| `interval` | what the counts leave possible, and how much is missing |
| `betting`, `blocks` | samples of a bounded gauge against a limit on their mean |
| `increases` | a counter as increases over disjoint windows |
| `comparison` | a candidate beside a baseline: errors, and a quantile of latency |
| `burn_rate` | how fast an error budget is spent; thresholds, without error control |
"""

from gitslo.core.stats.bernoulli import PRIOR, log_e_fail, log_e_pass
from gitslo.core.stats.betting import log_e_mean_above, log_e_mean_below
from gitslo.core.stats.blocks import LEAST_BLOCKS, BlockMeans, judge_mean, judge_means
from gitslo.core.stats.burn_rate import (
    BurnAlert,
    BurnWindows,
    Severity,
    burn_alerts,
    burn_rate,
    workbook_windows,
)
from gitslo.core.stats.clustering import SPARED_SECONDS, Burst, ClusteredCounts, Clustering, CountedSecond, clustering
from gitslo.core.stats.comparison import (
    Histogram,
    QuantileBounds,
    QuantileComparison,
    compare_quantiles,
    log_e_not_worse,
    log_e_worse,
    quantile_bounds,
)
from gitslo.core.stats.increases import Increase, increases
from gitslo.core.stats.interval import clean_requests_to_pass, interval
from gitslo.core.stats.mixture import JEFFREYS, UNIFORM, log_e_above, log_e_below

__all__ = [
    "JEFFREYS",
    "LEAST_BLOCKS",
    "PRIOR",
    "SPARED_SECONDS",
    "UNIFORM",
    "BlockMeans",
    "BurnAlert",
    "BurnWindows",
    "Burst",
    "ClusteredCounts",
    "Clustering",
    "CountedSecond",
    "Histogram",
    "Increase",
    "QuantileBounds",
    "QuantileComparison",
    "Severity",
    "burn_alerts",
    "burn_rate",
    "clean_requests_to_pass",
    "clustering",
    "compare_quantiles",
    "increases",
    "interval",
    "judge_mean",
    "judge_means",
    "log_e_above",
    "log_e_below",
    "log_e_fail",
    "log_e_mean_above",
    "log_e_mean_below",
    "log_e_not_worse",
    "log_e_pass",
    "log_e_worse",
    "quantile_bounds",
    "workbook_windows",
]
