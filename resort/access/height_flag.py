"""The height of who is admitted, beside the flag that asks staff to look at it. Pure: nobody is admitted or refused by it."""

import msgspec

from resort.heights import HeightBand, HeightLimits, staff_note
from resort.messages import GrantIssued
from resort.texts import Text


def asks_height(grant: GrantIssued) -> bool:
    """Whether staff are to look at the height of its holder."""
    return "height" in grant.attention


def with_height(grant: GrantIssued, band: HeightBand | None) -> GrantIssued:
    """The grant with what the lane's sensor says of its holder: a band, never centimetres."""
    return msgspec.structs.replace(grant, height=band) if asks_height(grant) else grant


def height_note(grant: GrantIssued, limits: HeightLimits, *, measured: bool) -> Text | None:
    """What staff read beside the flag; None where nobody asks for it, or the lane has no sensor."""
    return staff_note(grant.height, limits) if measured and asks_height(grant) else None
