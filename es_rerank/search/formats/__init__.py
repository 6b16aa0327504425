"""Request formats of the engines, one module each."""
