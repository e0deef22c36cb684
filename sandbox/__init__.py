"""Programs run contained: limits, backends, outcomes."""
