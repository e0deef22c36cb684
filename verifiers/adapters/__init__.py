"""Other libraries' calls, answered by truing's verifiers."""
