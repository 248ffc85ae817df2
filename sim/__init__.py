"""Rehearsal: simulated guests, steel and days."""
