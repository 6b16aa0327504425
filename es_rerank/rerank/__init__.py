"""Model-specific logic, independent of the engine: rerank server APIs, model profiles, passages and prompts. Pure."""
