"""A whole resort in virtual time around the real lane machines; docs/simulator.md tells the model."""
