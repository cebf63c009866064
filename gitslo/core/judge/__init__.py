"""From everything that is known of a subject to findings and a verdict. Pure.

| module | question |
|---|---|
| `frame` | which findings decide, what a look means, what was decided at a look stays |
| `counts` | requests, events, samples and seconds, good or bad one by one |
| `means` | the mean of a gauge |
| `baselines` | limits relative to an earlier run or another target |
| `burns` | how fast an error budget is spent |
| `scores` | Keptn's weighted score |
| `thresholds` | estimates beside limits, without error control |
| `measured` | what is shown as measured |
| `undecided` | why the counts decide nothing |
| `explain` | a finding as one sentence |
"""

from gitslo.core.judge.explain import explain
from gitslo.core.judge.frame import READINESS, Judge, Judgement, judge, verdict_of
from gitslo.core.judge.scores import score_of

__all__ = ["READINESS", "Judge", "Judgement", "explain", "judge", "score_of", "verdict_of"]
