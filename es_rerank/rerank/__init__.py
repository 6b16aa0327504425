"""The model side of reranking: dialects of rerank servers, model families, prompts. Independent of the engine."""
