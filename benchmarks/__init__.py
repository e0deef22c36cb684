"""Measuring a model: samples graded by a verifier, and how sure the figures are."""
