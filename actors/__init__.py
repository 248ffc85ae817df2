"""Thin Ray shells around the machines of `resort`."""
