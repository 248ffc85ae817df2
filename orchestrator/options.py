"""Options that commands of the `snowgate` program share."""

from pathlib import Path
from typing import Annotated

import typer

DEMO_SITE = Path("config/demo.yaml")
DATA = Path("data")

SiteOption = Annotated[Path, typer.Option("--site", help="The site file.")]
DataOption = Annotated[Path, typer.Option("--data", help="The folder that keeps tickets, passages and keys.")]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the outcome to this file.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the guests' behaviour.")]
