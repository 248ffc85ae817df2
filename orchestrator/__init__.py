"""The crowd brain, the composition root and the `snowgate` command."""
