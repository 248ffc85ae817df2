"""Simulated controllers behind a serial server (RTU frames over TCP), or on a serial line (a real one or a pseudo terminal).

Either has one line with units on it; what they answer is `sim/rtu_units.py`.
"""

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable

from devices.loopback_port import LoopbackPort
from devices.modbus_address import SerialLine
from devices.modbus_serial import SerialPort
from devices.profile import TurnstileProfile
from sim.rtu_units import RtuUnits
from sim.turnstile import SimTurnstile


class _Timers:
    """Calls that are due later, all of them forgotten by `stop`."""

    def __init__(self) -> None:
        self._due: set[asyncio.TimerHandle] = set()

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Call after so many seconds."""
        loop = asyncio.get_running_loop()
        self._due = {handle for handle in self._due if not handle.cancelled() and handle.when() > loop.time()}
        self._due.add(loop.call_later(delay_s, call))

    def stop(self) -> None:
        """Nothing is called any more."""
        for handle in self._due:
            handle.cancel()


class RtuTcpServer:
    """A serial server on the loopback address, until `stop`; `port` is known after `start`. Whatever comes off its line goes to
    everybody who is connected then, as with real ones."""

    def __init__(self, turnstiles: dict[int, SimTurnstile], profile: TurnstileProfile, port: int = 0) -> None:
        self._timers = _Timers()
        self.units = RtuUnits(turnstiles, profile, self._timers.later)
        self.connections = 0  # so far
        self._clients: set[asyncio.StreamWriter] = set()
        self._listener = LoopbackPort(self._serve, port)

    @property
    def port(self) -> int:
        """Where it listens, once it was started."""
        return self._listener.port

    @property
    def address(self) -> str:
        """For the site file."""
        return f"rtu+tcp://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await self._listener.start()

    async def stop(self) -> None:
        """Hang up on everybody."""
        self._timers.stop()
        await self._listener.stop()

    def send(self, data: bytes) -> None:
        """Bytes off the line."""
        for client in self._clients:
            client.write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self.connections += 1
        try:
            while data := await reader.read(4096):
                self.units.feed(data, self.send)
        finally:
            self._clients.discard(writer)
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


class RtuLine:
    """Units on a serial line of this machine that is there already, such as an adapter's, until `stop`."""

    def __init__(self, turnstiles: dict[int, SimTurnstile], profile: TurnstileProfile, line: SerialLine) -> None:
        self._timers = _Timers()
        self.units = RtuUnits(turnstiles, profile, self._timers.later)
        self._line = line
        self._port: SerialPort | None = None

    @property
    def address(self) -> str:
        """Where our end of it is."""
        return f"serial://{self._line.device}?baud={self._line.baud}&parity={self._line.parity}&stop={self._line.stop}"

    def start(self) -> None:
        """Open it. Raises OSError."""
        self._port = SerialPort(self._line, self._read, self.stop)

    def stop(self) -> None:
        """Give it back; idempotent."""
        self._timers.stop()
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def send(self, data: bytes) -> None:
        """Bytes on the line; lost when it does not take them."""
        if self._port is not None:
            with contextlib.suppress(OSError):
                self._port.write(data)

    def _read(self, data: bytes) -> None:
        self.units.feed(data, self.send)


class RtuPty:
    """A serial line of this machine, until `stop`; `device` is its name after `start`."""

    def __init__(self, turnstiles: dict[int, SimTurnstile], profile: TurnstileProfile) -> None:
        self._timers = _Timers()
        self.units = RtuUnits(turnstiles, profile, self._timers.later)
        self.device = ""
        self._files: tuple[int, int] | None = None

    @property
    def address(self) -> str:
        """For the site file."""
        return f"serial://{self.device}?baud=115200"

    def start(self) -> None:
        """Make the line. Our own hold on its far end keeps it alive while nobody has it open."""
        near, far = os.openpty()
        tty.setraw(far)
        os.set_blocking(near, False)
        self._files, self.device = (near, far), os.ttyname(far)
        asyncio.get_running_loop().add_reader(near, self._read, near)

    def stop(self) -> None:
        """Pull the line out; idempotent."""
        self._timers.stop()
        files, self._files = self._files, None
        if files is not None:
            asyncio.get_running_loop().remove_reader(files[0])
            for file in files:
                os.close(file)

    def send(self, data: bytes) -> None:
        """Bytes off the line; lost when nobody takes them."""
        if self._files is not None:
            with contextlib.suppress(BlockingIOError):
                os.write(self._files[0], data)

    def _read(self, near: int) -> None:
        with contextlib.suppress(BlockingIOError):
            self.units.feed(os.read(near, 4096), self.send)
