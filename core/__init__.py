"""What every folder shares: records, errors, registry, configuration. Imports nothing of ours."""
