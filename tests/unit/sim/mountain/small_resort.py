"""A resort small enough for tests: one entrance, one lift with a gate, and no surprises unless a test adds them."""

import msgspec

from sim.mountain.scenario import Scenario
from sim.mountain.scenario_file import check_scenario

ARRIVALS: dict[str, object] = {
    "guests": 300,
    "profile": [[0, 1], [90, 1]],
    "sources": [
        {"id": "park", "name": {"zh": "停车场", "en": "Car park"}, "at": [0, -100], "share": 0.7},
        {"id": "bus", "name": {"zh": "大巴", "en": "Buses"}, "at": [300, -100], "share": 0.3, "coaches": True},
    ],
}

TREE: dict[str, object] = {
    "name": {"zh": "小雪场", "en": "Small resort"},
    "day": {"date": "2026-12-12", "minutes": 240},
    "arrivals": ARRIVALS,
    "tickets": [
        {"code": "day", "share": 0.8, "media": {"phone": 0.5, "printed": 0.3, "card": 0.2}},
        {"code": "group", "share": 0.1, "media": {"printed": 1.0}, "group": True},
        {"code": "season", "share": 0.1, "media": {"face": 0.5, "card": 0.5}, "lane_classes": ["standard", "fast"]},
    ],
    "gates": [
        {"id": "main", "name": {"zh": "主入口", "en": "Main"}, "at": [0, 0], "area": "base", "lanes": 3, "fast_lanes": 1},
        {"id": "side", "name": {"zh": "侧入口", "en": "Side"}, "at": [300, 0], "area": "base", "lanes": 2, "faces": True},
        {
            "id": "g-chair",
            "name": {"zh": "闸口", "en": "Chair gate"},
            "at": [50, 50],
            "area": "base",
            "lanes": 2,
            "lift": "chair",
        },
    ],
    "lifts": [
        {
            "id": "chair",
            "name": {"zh": "索道", "en": "Chair"},
            "at": [50, 60],
            "area": "base",
            "seats": 4,
            "interval_s": 6,
            "ride_min": 6,
            "runs": [{"to": "base", "minutes": 8}],
        }
    ],
    "restaurants": [{"id": "hut", "name": {"zh": "餐厅", "en": "Hut"}, "area": "base", "seats": 60}],
    "hall": {"desks": 3},
    "guests": {"lunch_min": [60, 150], "stay_min": [150, 40]},
    "faults": {"lane_every_h": 0, "lift_every_h": 0},
    "steering": {"policy": "predictive", "tick_s": 60},
    "min_interval_s": 30,
}


def small(**changes: object) -> Scenario:
    """The small resort with some keys of its tree replaced."""
    return check_scenario(msgspec.convert({**TREE, **changes}, Scenario))
