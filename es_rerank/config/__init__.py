"""Settings and rules: reading, validation and types of the operator's configuration."""
