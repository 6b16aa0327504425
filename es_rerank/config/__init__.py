"""Settings and rules: what the operator writes, checked and typed."""
