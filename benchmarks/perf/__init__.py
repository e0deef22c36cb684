"""Timings and accuracies of truing's parts, as scripts: figures in the docs come from here."""
