"""Alarms over HTTP: what is open, and that somebody has seen one."""

from resort.ports import AlarmControl
from web_console.bodies import AcknowledgeAsk, AcknowledgedView, AlarmList
from web_console.callers import CONTROL, STAFF
from web_console.feed_hub import FeedHub
from web_console.routes import Call, Route


class AlarmApi:
    """Handlers of the alarm routes. The feed tells when an acknowledgement shows."""

    def __init__(self, hub: FeedHub, alarms: AlarmControl) -> None:
        self._hub = hub
        self._alarms = alarms

    def routes(self) -> list[Route]:
        """This part of the table."""
        return [
            Route("GET", "/api/alarms", self.alarm_list, STAFF, "Every open alarm, live", "see the alarms", answer=AlarmList),
            Route(
                "POST", "/api/alarms/{alarm_key}/acknowledge", self.acknowledge, CONTROL,
                "Say that somebody has seen an open alarm, and what is done about it", "acknowledge alarms",
                body=AcknowledgeAsk, answer=AcknowledgedView,
            ),
        ]  # fmt: skip

    async def alarm_list(self, call: Call) -> AlarmList:
        """The board as it is now."""
        board = self._hub.board()
        return AlarmList(board.version, board.alarms)

    async def acknowledge(self, call: Call) -> AcknowledgedView:
        """In the name of who said it; durable once answered."""
        ask: AcknowledgeAsk = call.body
        alarm_key = call.ids["alarm_key"]
        by = call.caller.user.name if call.caller.user is not None else ""
        note = ask.note.strip()
        await self._alarms.acknowledge(alarm_key, by, note)
        return AcknowledgedView(alarm_key, by, note)
