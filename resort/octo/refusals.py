"""Refusals as OCTO words them: an error code, a sentence, and mostly the id that was wrong. All are HTTP 400 there."""

from resort.errors import Refused

SHOWN = 100  # characters of what a partner sent that come back to him


class OctoRefusal(Refused):
    """`error` is OCTO's code; `field` and `value` name the id that was wrong, or are empty."""

    code = "octo_refusal"

    def __init__(self, error: str, sentence: str, field: str = "", value: str = "") -> None:
        super().__init__(error, sentence, field, value)
        self.error = error
        self.sentence = sentence
        self.field = field
        self.value = value

    def __str__(self) -> str:
        return self.sentence

    def body(self) -> dict[str, str]:
        """What goes over the wire."""
        told = {"error": self.error, "errorMessage": self.sentence}
        if self.field:
            told[self.field] = self.value
        return told


def bad_request(sentence: str) -> OctoRefusal:
    """The request does not fit the standard."""
    return OctoRefusal("BAD_REQUEST", sentence)


def unprocessable(sentence: str) -> OctoRefusal:
    """It fits, and cannot be done."""
    return OctoRefusal("UNPROCESSABLE_ENTITY", sentence)


def invalid_product(product_id: str | None) -> OctoRefusal:
    """No such product for this partner."""
    return _invalid("INVALID_PRODUCT_ID", "productId", product_id)


def invalid_option(option_id: str | None) -> OctoRefusal:
    """No such option of the product."""
    return _invalid("INVALID_OPTION_ID", "optionId", option_id)


def invalid_unit(unit_id: str | None) -> OctoRefusal:
    """No such unit of the option."""
    return _invalid("INVALID_UNIT_ID", "unitId", unit_id)


def invalid_availability(availability_id: str | None) -> OctoRefusal:
    """No such day or start time of the product."""
    return _invalid("INVALID_AVAILABILITY_ID", "availabilityId", availability_id)


def invalid_uuid(uuid: str | None, sentence: str = "The uuid was missing or invalid") -> OctoRefusal:
    """No such booking of this partner, or the uuid stands for another request of his."""
    return OctoRefusal("INVALID_BOOKING_UUID", sentence, "uuid", (uuid or "")[:SHOWN])


def _invalid(error: str, field: str, value: str | None) -> OctoRefusal:
    return OctoRefusal(error, f"The {field} was missing or invalid", field, (value or "")[:SHOWN])
