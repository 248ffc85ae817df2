"""A serial line of this machine as an open file: RTU's bytes in and out. Knows no frames.

Plain termios and the event loop's readers, which asyncio and uvloop both have; pyserial would bring a thread or a second loop.
The line is locked (flock), so that no other program, and no other gate's process, speaks in between.
"""

import asyncio
import contextlib
import fcntl
import os
import termios
import tty
from collections.abc import Callable

from devices.modbus_address import BAUDS, SerialLine

_CHUNK = 4096


class SerialPort:
    """An open line until `close`. `received` is called with what comes, `lost` once when it is gone by itself.

    Raises OSError when the line is not there, is none, or is in use.
    """

    def __init__(self, line: SerialLine, received: Callable[[bytes], None], lost: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._received, self._lost = received, lost
        self._file = os.open(line.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _set_up(self._file, line)
        except BaseException:
            os.close(self._file)
            raise
        self._open = True
        self._loop.add_reader(self._file, self._read)

    def write(self, data: bytes) -> None:
        """Send a frame at once. Raises OSError when the line does not take all of it; a part may have been sent."""
        if os.write(self._file, data) != len(data):
            raise OSError("the line does not take what is sent")

    def close(self) -> None:
        """Give the line back; what was not carried yet is forgotten. Idempotent."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._file)
        with contextlib.suppress(termios.error):  # it was pulled out
            termios.tcflush(self._file, termios.TCIOFLUSH)
        os.close(self._file)

    def _read(self) -> None:
        try:
            data = os.read(self._file, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._received(data)
        else:
            self.close()
            self._lost()


def _set_up(file: int, line: SerialLine) -> None:
    try:
        tty.setraw(file)
        settings = termios.tcgetattr(file)
        control = settings[2] & ~(termios.PARENB | termios.PARODD | termios.CSTOPB | termios.CSIZE | termios.CRTSCTS)
        control |= termios.CS8 | termios.CLOCAL | termios.CREAD
        if line.parity != "N":
            control |= termios.PARENB | (termios.PARODD if line.parity == "O" else 0)
        if line.stop == 2:
            control |= termios.CSTOPB
        settings[2] = control
        # A character of wrong parity comes as a zero byte, which the CRC finds.
        settings[0] = settings[0] & ~termios.IGNPAR | (termios.INPCK if line.parity != "N" else 0)
        settings[4] = settings[5] = BAUDS[str(line.baud)]
        termios.tcsetattr(file, termios.TCSANOW, settings)
        termios.tcflush(file, termios.TCIOFLUSH)
    except termios.error as error:
        raise OSError(f"{line.device} is no serial line ({error.args[-1]})") from None
