"""Judging a completion: `verify`, the verifiers themselves, and the processes they run in."""

from ..core.records import Problem, Verdict
from .base import VERIFIERS, FunctionVerifier, Verifier, verifier
from .loading import load_verifier

__all__ = [
    "VERIFIERS",
    "FunctionVerifier",
    "Problem",
    "Verdict",
    "Verifier",
    "load_verifier",
    "verifier",
]
