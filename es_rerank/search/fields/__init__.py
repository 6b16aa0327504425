"""Chooses the fields that the model reads: by the mapping, the fields in the query, and the documents found."""
