"""Reinforcement learning with verifiable rewards, from problem to score."""

__version__ = "0.1.0"
