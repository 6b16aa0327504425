"""The first page: one self-contained HTML file, served at `/_rerank/`."""
