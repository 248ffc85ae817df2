"""A lane's reader from its site entry: which `CodeSource` the address asks for. Decides nothing else.

The families are named here and loaded when an address asks for them. A lane with a hardware scanner has no use for numpy,
Pillow and the decoders of a camera, nor for the time that its process takes to load them at every start; so they must not be
imported at the top of this file, and not within a function, where nobody would look for an import. Hence a table.
"""

from collections.abc import Callable
from importlib import import_module

from resort.clock import Clock
from resort.errors import InvalidConfig
from resort.ports import CodeSource
from resort.site import CameraSite, LaneLimits

_CAMERA, _SCANNER = ("devices.camera_source", "open_camera"), ("devices.scanner_source", "open_scanner")
_FAMILIES = {
    "http": _CAMERA,
    "https": _CAMERA,
    "folder": _CAMERA,
    "v4l2": _CAMERA,
    "tcp": _SCANNER,
    "serial": _SCANNER,
}


def code_source(camera: CameraSite, limits: LaneLimits, clock: Clock) -> CodeSource:
    """The reader; nothing is connected yet. Raises InvalidConfig for an address of no family, or that its family refuses."""
    scheme = camera.url.partition(":")[0].lower()
    if scheme not in _FAMILIES:
        raise InvalidConfig("camera.url", f"{camera.url} is no reader; an address begins with {', '.join(_FAMILIES)}")
    module, opens = _FAMILIES[scheme]
    open_family: Callable[[CameraSite, LaneLimits, Clock], CodeSource] = getattr(import_module(module), opens)
    return open_family(camera, limits, clock)
