"""The same e-values by other means and with 60 digits: a series of positive terms in decimal arithmetic."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import comb

DIGITS = 60
HALF = Decimal("0.5")
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803482534211707")


def log_e_fail(bad: int, total: int, limit: float | str) -> Decimal:
    """The definition, term by term."""
    with localcontext() as context:
        context.prec = DIGITS
        p = Decimal(limit)
        return _log_e_above(bad, total - bad, p)


def log_e_pass(bad: int, total: int, limit: float | str) -> Decimal:
    """The mirror image."""
    with localcontext() as context:
        context.prec = DIGITS
        p = Decimal(limit)
        return _log_e_above(total - bad, bad, 1 - p)


def _log_e_above(hits: int, misses: int, p: Decimal) -> Decimal:
    q = 1 - p
    x, y = hits + HALF, misses + HALF
    return _log_upper(p, x, y) - _log_upper(p, HALF, HALF) - hits * p.ln() - misses * q.ln()


def _log_upper(p: Decimal, x: Decimal, y: Decimal) -> Decimal:
    """The logarithm of the integral of t^(x-1) (1-t)^(y-1) over [p, 1]."""
    if p >= x / (x + y):
        return _log_lower_series(1 - p, y, x)
    whole = _log_beta(x, y)
    below = _log_lower_series(p, x, y) - whole
    return whole + (1 - below.exp()).ln()


def _log_lower_series(z: Decimal, x: Decimal, y: Decimal) -> Decimal:
    """z^x (1-z)^y / x times the sum over n of (x+y)_n / (x+1)_n z^n (DLMF 8.17.8): every term is positive."""
    term = total = Decimal(1)
    floor = Decimal(10) ** -(DIGITS // 2)
    n = 0
    while True:
        term *= z * (x + y + n) / (x + 1 + n)
        total += term
        n += 1
        if term < total * floor * (1 - z):
            return x * z.ln() + y * (1 - z).ln() - x.ln() + total.ln()


def _log_beta(x: Decimal, y: Decimal) -> Decimal:
    return _log_gamma(x) + _log_gamma(y) - _log_gamma(x + y)


def _log_gamma(x: Decimal) -> Decimal:
    shift = Decimal(1)
    while x < 60:
        shift *= x
        x += 1
    total = (x - HALF) * x.ln() - x + (2 * PI).ln() / 2
    for k in range(1, 25):
        number = BERNOULLI[2 * k]
        total += Decimal(number.numerator) / number.denominator / (2 * k * (2 * k - 1)) / x ** (2 * k - 1)
    return total - shift.ln()


def _bernoulli(count: int) -> list[Fraction]:
    numbers: list[Fraction] = []
    for m in range(count + 1):
        known = sum((comb(m + 1, k) * numbers[k] for k in range(m)), Fraction(0))
        numbers.append(Fraction(1) if m == 0 else -known / (m + 1))
    return numbers


BERNOULLI = _bernoulli(50)
