"""How tall a child is, as far as tickets ask: bands, and what staff see. Pure.

Many resorts let children below a height in free or cheaper. A sensor only helps to look: nobody is refused by it, and no height
in centimetres leaves the lane.
"""

from typing import Annotated, Literal

import msgspec

from resort.errors import InvalidConfig
from resort.texts import Text

HeightBand = Literal["below_free", "child", "adult"]
Centimetres = Annotated[int, msgspec.Meta(ge=50, le=200)]
MARGIN_CM = 3.0  # boots and helmets; nearer to a limit than this nothing is said


class HeightLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the site's tariff. Raises InvalidConfig when they are not in order."""

    free_below_cm: Centimetres = 120
    child_below_cm: Centimetres = 150

    def __post_init__(self) -> None:
        if self.free_below_cm >= self.child_below_cm:
            raise InvalidConfig("height limits", "free_below_cm has to be less than child_below_cm")


def height_band(height_cm: float, limits: HeightLimits) -> HeightBand | None:
    """The band; None when it is too near to a limit to tell, or no height of a person."""
    edges = (limits.free_below_cm, limits.child_below_cm)
    if not 50 <= height_cm <= 230 or any(abs(height_cm - edge) < MARGIN_CM for edge in edges):
        return None
    return "below_free" if height_cm < edges[0] else "child" if height_cm < edges[1] else "adult"


def staff_note(band: HeightBand | None, limits: HeightLimits) -> Text:
    """What staff read beside a ticket whose holder they are to look at for height."""
    free, child = limits.free_below_cm, limits.child_below_cm
    match band:
        case "below_free":
            return Text(f"身高低于 {free} 厘米", f"Below {free} cm")
        case "child":
            return Text(f"身高 {free} 至 {child} 厘米", f"{free} to {child} cm")
        case "adult":
            return Text(f"身高超过 {child} 厘米, 请核对儿童票", f"Over {child} cm: check the child's ticket")
        case None:
            return Text("身高无法测定, 请目测", "Height not told: look for yourself")
