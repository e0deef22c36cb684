"""Every training path, sharing one policy, one loop, one checkpoint."""
