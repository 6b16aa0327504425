"""Rewrites requests and responses so that clients see another engine version or other node addresses. Pure."""
