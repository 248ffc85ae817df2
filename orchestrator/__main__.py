"""`python -m orchestrator` is the `snowgate` command."""

from orchestrator.cli import main

main()
