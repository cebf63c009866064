from __future__ import annotations

from decimal import Decimal

import pytest

from gitslo.core.imports.promql import parse, seconds
from gitslo.core.imports.shapes import Average, Quantile, Ratio, bucket_share, counter, opposite, shape_of

BAD, ALL = 'sum(rate(r_total{app="a",code=~"5.."}[5m]))', 'sum(rate(r_total{app="a"}[5m]))'
GOOD = 'sum(rate(r_total{app="a",code!~"5.."}[5m]))'


def shown(text: str) -> str:
    """A shape in one line; empty where there is none."""
    match shape_of(parse(text)):
        case Ratio(part, whole, factor, rest):
            return f"{'1 - ' if rest else ''}{part} / {whole} x {factor.normalize():f}"
        case Quantile(quantile, buckets, factor):
            return f"p{quantile} of {buckets} x {factor.normalize():f}"
        case Average(total, count, factor):
            return f"{total} / {count} x {factor.normalize():f}"
        case _:
            return ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{BAD} / {ALL}", 'r_total{app="a",code=~"5.."} / r_total{app="a"} x 1'),
        (f"({BAD}) / ({ALL}) * 100", 'r_total{app="a",code=~"5.."} / r_total{app="a"} x 100'),
        (f"100 * {BAD} / {ALL}", 'r_total{app="a",code=~"5.."} / r_total{app="a"} x 100'),
        (f"1 - {GOOD} / {ALL}", '1 - r_total{app="a",code!~"5.."} / r_total{app="a"} x 1'),
        (f"100 - {GOOD} / {ALL} * 100", '1 - r_total{app="a",code!~"5.."} / r_total{app="a"} x 100'),
        (f"({ALL} - {GOOD}) / {ALL}", '1 - r_total{app="a",code!~"5.."} / r_total{app="a"} x 1'),
        (f"({BAD} or vector(0)) / {ALL}", 'r_total{app="a",code=~"5.."} / r_total{app="a"} x 1'),
        (f"{BAD} / {ALL} or on() vector(0)", 'r_total{app="a",code=~"5.."} / r_total{app="a"} x 1'),
        ("sum(increase(a[1h])) / sum(increase(b[1h]))", "a / b x 1"),
        ("histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))", "p0.95 of x_bucket x 1"),
        ("histogram_quantile(.9, sum(rate(x_bucket{a='b'}[5m])) by (le)) * 1000", "p0.9 of x_bucket{a='b'} x 1000"),
        ("histogram_quantile(0.5, rate(x_bucket[5m])) / 1e3", "p0.5 of x_bucket x 0.001"),
        ("histogram_quantile(0.5, sum(rate(x[5m])))", "p0.5 of x x 1"),
        ("sum(rate(s_sum[1m])) / sum(rate(s_count[1m])) * 1000", "s_sum / s_count x 1000"),
        # Nothing whose windows could be chosen anew, or which would then measure something else:
        ("sum by (pod) (rate(a[5m])) / sum by (pod) (rate(b[5m]))", ""),
        ("sum(rate(a[5m] offset 1h)) / sum(rate(b[5m]))", ""),
        (f"50 - {GOOD} / {ALL} * 100", ""),
        ("histogram_quantile(1, rate(x_bucket[5m]))", ""),
        ('histogram_quantile(0.9, sum by (le) (rate(x_bucket{le="1"}[5m])))', ""),
        ("histogram_quantile(0.9, sum by (le, job) (rate(x_bucket[5m])))", ""),
        ("max_over_time(rate(a[5m])[10m:1m])", ""),
        ("avg(a) / avg(b)", ""),
        ("a > bool 1", ""),
        ("quantile_over_time(0.9, a[5m] @ end())", ""),
        ('{__name__=~"a.+"}', ""),
        ("-a ^ 2 + b{} % 3", ""),
        ('count_values("v", a) # how many', ""),
        ("a * on(pod) group_left(node) b", ""),
        ("sum(rate(", ""),
        ("a{b}", ""),
        ("a[5m][5m]", ""),
        ("nan", ""),
        ("a b", ""),
        ("((" * 200 + "a" + "))" * 200, ""),
        ("{{args.query}}", ""),
    ],
)
def test_what_a_query_measures(text: str, expected: str) -> None:
    """A ratio of counters, a quantile, a mean of events; nothing where it is not plain to see."""
    assert expected == shown(text)


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        (GOOD, ALL, 'r_total{app="a",code=~"5.."}'),
        ('rate(a{x="1"}[5m])', "rate(a[5m])", 'a{x!="1"}'),
        ('rate(a{x!="1"}[5m])', "rate(a[5m])", 'a{x="1"}'),
        ('rate(a{x=~"1"}[5m])', "rate(a[5m])", 'a{x!~"1"}'),
        ('rate(a{x="1",y="2"}[5m])', "rate(a[5m])", None),
        ('rate(a{x="1"}[5m])', 'rate(a{y="2"}[5m])', None),
        ("rate(a[5m])", "rate(b[5m])", None),
        ('rate(a_bucket{le="1"}[5m])', "rate(a_bucket[5m])", None),
    ],
)
def test_the_opposite_of_a_part(part: str, whole: str, expected: str | None) -> None:
    """Where one label tells the good from the bad ones; never buckets, which hold each other."""
    some, everything = counter(parse(part)), counter(parse(whole))
    assert some is not None
    assert everything is not None
    found = opposite(some, everything)

    assert expected == (None if found is None else str(found))


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [
        ('x_bucket{le="0.4",a="b"}', 'x_count{a="b"}', ('x_bucket{a="b"}', Decimal("0.4"))),
        ('x_bucket{le="0.4"}', 'x_bucket{le="+Inf"}', ("x_bucket", Decimal("0.4"))),
        ('x_bucket{le="0.4"}', 'x_count{a="b"}', None),
        ('x_bucket{le="+Inf"}', "x_count", None),
        ('x_bucket{le="often"}', "x_count", None),
        ('x_bucket{le="0.4"}', "y_count", None),
        ("x_bucket", "x_count", None),
    ],
)
def test_a_bucket_of_all_is_a_quantile(part: str, whole: str, expected: tuple[str, Decimal] | None) -> None:
    """The share of events up to an edge, where the labels are the same."""
    some, everything = (counter(parse(text), plain=True) for text in (part, whole))
    assert some is not None
    assert everything is not None
    found = bucket_share(some, everything)

    assert expected == (None if found is None else (str(found[0]), found[1]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5m", 300.0), ("1h30m", 5400.0), ("250ms", 0.25), ("1w", 604800.0), ("", None), ("${window}s", None)],
)
def test_ranges_in_seconds(text: str, expected: float | None) -> None:
    """As PromQL has them; a placeholder is not known."""
    assert expected == seconds(text)
