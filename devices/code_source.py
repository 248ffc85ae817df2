"""A lane's reader from its site entry: which `CodeSource` the URL asks for. Decides nothing else."""

from devices.camera_source import CameraCodeSource
from devices.code_reader import CodeReader
from devices.mjpeg import MjpegCamera
from devices.scanner_source import ScannerCodeSource
from resort.clock import Clock
from resort.ports import CodeSource
from resort.site import CameraSite, LaneLimits


def code_source(camera: CameraSite, limits: LaneLimits, clock: Clock) -> CodeSource:
    """`tcp://`: a hardware scanner that sends lines; anything else: an MJPEG camera. Nothing is connected yet.

    Raises InvalidConfig for a scanner without host or port.
    """
    if camera.url.lower().startswith("tcp:"):
        return ScannerCodeSource(camera, clock, limits.repeat_code_ms)
    return CameraCodeSource(
        MjpegCamera(camera.url, clock), CodeReader(), clock, limits.unreadable_after_ms, limits.repeat_code_ms
    )
