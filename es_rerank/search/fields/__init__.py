"""Chooses the fields that the model reads: by the mapping, by what the query names, and by the documents found."""
