"""Every error survives pickling with its facts and speaks one sentence."""

import inspect
import pickle

import pytest

from resort import errors
from resort.errors import InvalidTransition, SnowgateError

CLASSES = sorted(
    (cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, SnowgateError)),
    key=lambda cls: cls.__name__,
)


def _sample(cls: type[SnowgateError]) -> SnowgateError:
    parameters = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "args", "kwargs")]
    values: dict[str, object] = {"left": 2, "retry_after_s": 1.5, "story": ("a", "b")}
    return cls(*(values.get(name, f"the {name}") for name in parameters)) if parameters else cls("what happened")


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_round_trip(cls: type[SnowgateError]) -> None:
    error = _sample(cls)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is cls
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert str(error).strip()


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(codes) == len(set(codes))


def test_an_invalid_transition_tells_its_story() -> None:
    assert "a, b" in str(InvalidTransition("lane", "idle", "pulse", ("a", "b")))
