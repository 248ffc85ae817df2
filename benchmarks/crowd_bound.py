"""What nobody can beat: a fluid linear programme that knows every guest, outage and mean walk of a morning beforehand.

Guests are a fluid and gates serve at their mean rate with the lanes that are up. It commands every guest who follows signs; at
compliance 1, every guest. Who arrives within a slot may be served in it, and walks are rounded down: both make the bound lower.
"""

from dataclasses import dataclass

import highspy
import numpy as np

from resort.errors import Unavailable
from sim.crowd_world import Floats, Morning
from sim.lane_queue import LaneQueue

SLOT_S = 15.0
DRAIN_S = 3_600.0  # after the last arrival; more than any load of the bench leaves to serve


@dataclass(frozen=True, slots=True)
class Programme:
    """minimise cost · x with rows · x = right, 0 <= x <= upper, the matrix by columns."""

    cost: Floats
    upper: Floats
    right: Floats
    starts: list[int]
    index: list[int]
    value: list[float]


def delay_bound_s(day: Morning, compliance: float, slot_s: float = SLOT_S) -> float:
    """Mean delay of a guest (queue wait plus walk beyond the nearest gate) that no policy can go below. Raises Unavailable."""
    return _solve(_programme(day, compliance, slot_s)) / float(day.size.sum())


def _programme(day: Morning, compliance: float, slot_s: float) -> Programme:
    """Columns: guests of sign and slot sent to a gate, then guests left at a gate at a slot's end, then guests served in it."""
    walk = day.resort.walk_s
    signs, gates = (int(number) for number in walk.shape)
    lag = np.floor(walk / slot_s).astype(int)
    from_slots = int(day.passes_s.max() // slot_s) + 1
    slots = from_slots + int(lag.max()) + int(DRAIN_S / slot_s)
    commanded = day.follows < compliance
    slot_of = (day.passes_s // slot_s).astype(int)
    passing, alone = np.zeros((signs, from_slots)), np.zeros((gates, slots))
    np.add.at(passing, (day.sign[commanded], slot_of[commanded]), day.size[commanded])
    near = day.resort.nearest[day.sign]
    np.add.at(alone, (near[~commanded], (slot_of + lag[day.sign, near])[~commanded]), day.size[~commanded])
    extra = walk - walk.min(axis=1, keepdims=True)
    cost: list[float] = []
    upper: list[float] = []
    starts, index, value = [0], [], []

    def column(price: float, most: float, entries: tuple[tuple[int, float], ...]) -> None:
        cost.append(price)
        upper.append(most)
        for row, factor in entries:
            index.append(row)
            value.append(factor)
        starts.append(len(index))

    before = signs * from_slots  # rows of signs, which come first

    def gate_row(gate: int, slot: int) -> int:
        return before + gate * slots + slot

    for sign in range(signs):
        for slot in np.flatnonzero(passing[sign]).tolist():
            for gate in range(gates):
                arrives = gate_row(gate, slot + int(lag[sign, gate]))
                column(float(extra[sign, gate]), highspy.kHighsInf, ((sign * from_slots + slot, 1.0), (arrives, 1.0)))
    for gate in range(gates):
        serves = _capacity(day, gate, slots, slot_s)
        for slot in range(slots):
            onward = ((gate_row(gate, slot + 1), 1.0),) if slot + 1 < slots else ()
            column(slot_s, highspy.kHighsInf if onward else 0.0, ((gate_row(gate, slot), -1.0), *onward))
            column(0.0, float(serves[slot]), ((gate_row(gate, slot), -1.0),))
    right = np.concatenate([passing.ravel(), -alone.ravel()])
    return Programme(np.array(cost), np.array(upper), right, starts, index, value)


def _capacity(day: Morning, gate: int, slots: int, slot_s: float) -> Floats:
    """(slots,) guests that the gate can serve in each slot, by the mean of this morning's service times."""
    lanes = day.resort.lanes[gate]
    queue = LaneQueue(lanes, tuple(o for o in day.outages if o.gate == gate))
    parts = 6
    up = [np.mean([queue.lanes_up((slot + (part + 0.5) / parts) * slot_s) for part in range(parts)]) for slot in range(slots)]
    return np.array(up) * slot_s / float(day.service_s.mean())


def _solve(programme: Programme) -> float:
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = len(programme.cost), len(programme.right)
    model.col_cost_, model.col_lower_, model.col_upper_ = programme.cost, np.zeros(len(programme.cost)), programme.upper
    model.row_lower_ = model.row_upper_ = programme.right
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = programme.starts, programme.index, programme.value
    solver.passModel(model)
    solver.run()
    status = solver.getModelStatus()
    if status != highspy.HighsModelStatus.kOptimal:
        raise Unavailable("The clairvoyant bound", f"HiGHS says {solver.modelStatusToString(status)}")
    return float(solver.getObjectiveValue())
