"""Judging a completion: `verify`, the verifiers themselves, and the processes they run in."""

from ..core.records import Outcome, Problem, Verdict
from .base import VERIFIERS, FunctionVerifier, Verifier, verifier
from .direct import verify
from .loading import load_verifier
from .math_answers import MathVerifier, math_equal
from .workers import Item, VerifierPool

__all__ = [
    "VERIFIERS",
    "FunctionVerifier",
    "Item",
    "MathVerifier",
    "Outcome",
    "Problem",
    "Verdict",
    "Verifier",
    "VerifierPool",
    "load_verifier",
    "math_equal",
    "verifier",
    "verify",
]
