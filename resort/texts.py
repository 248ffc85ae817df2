"""Text in the two languages that guests and operators read."""

import msgspec


class Text(msgspec.Struct, frozen=True):
    """One sentence in Chinese and in English."""

    zh: str
    en: str
