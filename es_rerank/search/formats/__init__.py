"""The engines' request formats, one module each."""
