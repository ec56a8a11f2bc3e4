#!/usr/bin/env python3
"""Prints the coefficients in scalar.rs: polynomials P of the least relative error in

    e^r - 1 = r + r^2 P(r) for |r| <= ln(2)/2    and    ln(1 + x) = x + x^2 P(x) for 0 <= x <= 1,

with that error, before and after they are rounded, in units of 2^-24 (f32) or 2^-53 (f64). Of two
ways to round them, all at once or one after the other, the better one is taken.

Needs mpmath (1.3 was used): python3 coefficients.py. It takes a minute.
"""

import struct

from mpmath import lu_solve, matrix, mp, mpf

mp.prec = 200


def grid(low, high, points=400):
    """Chebyshev's points of the interval; their even number leaves out its middle."""
    nodes = [mp.cos(mp.pi * (i + 0.5) / points) for i in range(points)]
    return [(low + high - (high - low) * node) / 2 for node in nodes]


def errors(function, weight, coefficients, points):
    return [weight(x) * (function(x) - mp.polyval(coefficients[::-1], x)) for x in points]


def peaks(error):
    """Where the error is largest, between one change of its sign and the next."""
    found = [0]
    for i, e in enumerate(error):
        if e * error[found[-1]] < 0:
            found.append(i)
        elif abs(e) > abs(error[found[-1]]):
            found[-1] = i
    return found


def minimax(function, weight, terms, points):
    """The coefficients that minimise the largest weight * |function - polynomial|, by Remez.

    Of all polynomials, the one whose errors at some terms + 1 points are equal but for alternating
    signs is the best at these points. They are moved to the peaks of its error until those are
    equal, too; where that goes round in circles, as it may once low terms are fixed, the best of
    the polynomials on the way is taken.
    """
    chosen = [len(points) * i // terms for i in range(terms)] + [len(points) - 1]
    least, best = mp.inf, None
    for _ in range(20):
        rows = [
            [weight(points[i]) * points[i] ** k for k in range(terms)] + [(-1) ** row]
            for row, i in enumerate(chosen)
        ]
        right = [weight(points[i]) * function(points[i]) for i in chosen]
        *coefficients, level = lu_solve(matrix(rows), matrix(right))
        error = errors(function, weight, coefficients, points)
        largest = max(map(abs, error))
        if largest < least:
            least, best = largest, coefficients
        if largest < abs(level) * mpf("1.001"):
            break
        chosen = peaks(error)
        if len(chosen) < terms + 1:
            break
        while len(chosen) > terms + 1:
            chosen.pop(0 if abs(error[chosen[0]]) < abs(error[chosen[-1]]) else -1)
    return best


def rounded_minimax(function, weight, terms, points, to):
    """Coefficients that `to` rounds one after the other, each time fitting all later ones again."""
    coefficients = []
    for left in range(terms, 0, -1):
        first = mpf(to(minimax(function, weight, left, points)[0]))
        coefficients.append(first)
        # What is left is c + x Q(x) - first = x ((c - first)/x + Q(x)).
        function = lambda x, f=function, c=first: (f(x) - c) / x
        weight = lambda x, w=weight: w(x) * abs(x)
    return coefficients


def f32(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


HALF_LN_2 = mp.log(2) / 2
EXP = (
    lambda r: (mp.expm1(r) - r) / r**2,
    lambda r: r**2 / abs(mp.expm1(r)),
    grid(-HALF_LN_2, HALF_LN_2),
)
LN_1P = (
    lambda x: (mp.log1p(x) - x) / x**2,
    lambda x: x**2 / mp.log1p(x),
    grid(mpf(0), mpf(1)),
)

for name, (function, weight, points), precisions in [
    ("exp_terms", EXP, [(f32, 24, 5), (float, 53, 10)]),
    ("ln_1p_terms", LN_1P, [(f32, 24, 9), (float, 53, 20)]),
]:
    for to, bits, terms in precisions:

        def error(coefficients):
            largest = max(map(abs, errors(function, weight, coefficients, points)))
            return float(largest * 2**bits)

        exact = minimax(function, weight, terms, points)
        at_once = [mpf(to(c)) for c in exact]
        in_turn = rounded_minimax(function, weight, terms, points, to)
        rounded = min(at_once, in_turn, key=error)
        print(f"{name}, {to.__name__}: error {error(exact):.3f}, rounded {error(rounded):.3f}")
        print("".join(f"    {float(c)!r},\n" for c in rounded))
