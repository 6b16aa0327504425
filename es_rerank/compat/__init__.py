"""What clients see of the engine behind: its media types, its version, its nodes, its points in time. Pure."""
