"""The drills, one beside the other: what is broken, which bars hold, and what the control has off."""

from functools import partial

from benchmarks.drills.device_faults import fill_disk, jump_clock, silence_turnstile
from benchmarks.drills.ledger_faults import cut_everybody, cut_gate, freeze_store, kill_store, slow_lines, wipe_store
from benchmarks.drills.plan import NEVER, DrillPlan
from benchmarks.drills.process_faults import kill_any, kill_gate, kill_head, kill_journal, kill_lane, kill_sql
from benchmarks.drills.runner import run_drill
from orchestrator.drills import Drill
from orchestrator.stages import LoadMix
from resort.guards import Guards

SERVES_AGAIN_S = 5.0
RESUMES_S = 0.5
REBUILT_S = 30.0  # per 100,000 tickets, of which no drill sells so many
TWINS = LoadMix(honest=40.0, twin=40.0)  # many codes at two lanes at the very same moment
# Tickets that are shown at another gate soon after, as somebody does who tries what a gate that is cut off may not know.
WANDERERS = LoadMix(honest=35.0, again_elsewhere=40.0, twin=20.0)
SLOWLY = (10.0, 150.0)  # so that many stand before an open arm when something strikes

PLANS = {
    plan.name: plan
    for plan in (
        DrillPlan(
            "lane", (kill_lane,),
            {"recovery_max_s": SERVES_AGAIN_S},
            Guards(recovery=False), NEVER, turn_ms=SLOWLY,
        ),
        DrillPlan(
            "gate", (kill_gate,),
            {"recovery_max_s": SERVES_AGAIN_S, "grants_pause_max_s": RESUMES_S},
            Guards(compare_and_set=False), NEVER, mix=TWINS,
        ),
        DrillPlan(
            "redis", (kill_store, freeze_store, wipe_store),
            {"recovery_max_s": SERVES_AGAIN_S, "grants_resume_max_s": RESUMES_S, "rebuilt_max_s": REBUILT_S},
            Guards(spool=False, fence=False), NEVER, rate_per_s=60.0, scans_per_kill=250,
        ),
        DrillPlan(
            "sql", (kill_sql,),
            {"recovery_max_s": 10.0, "grants_pause_max_s": RESUMES_S},
            Guards(resume=False, spool=False), NEVER, sql="postgres", scans_per_kill=200,
        ),
        DrillPlan(
            "journal", (kill_journal,),
            {"recovery_max_s": SERVES_AGAIN_S, "grants_pause_max_s": RESUMES_S},
            Guards(resume=False, spool=False), NEVER,
        ),
        DrillPlan(
            "head", (kill_head, kill_any, kill_any),
            {"recovery_max_s": SERVES_AGAIN_S},
            Guards(recovery=False), NEVER, scans_per_kill=200, turn_ms=SLOWLY,
        ),
        DrillPlan(
            "partition", (cut_gate, cut_gate, cut_everybody, slow_lines),
            {"recovery_max_s": SERVES_AGAIN_S, "rebuilt_max_s": REBUILT_S},
            Guards(fence=False, handover=False), NEVER, ledger="lines", scans_per_kill=300, mix=WANDERERS,
        ),
        DrillPlan(
            "disk", (fill_disk,),
            {"recovery_max_s": SERVES_AGAIN_S},
            Guards(spool=False, resume=False), NEVER, scans_per_kill=250,
        ),
        DrillPlan(
            "clock", (jump_clock,),
            {"recovery_max_s": SERVES_AGAIN_S},
            Guards(steady_clock=False), (*NEVER, "dead_lanes", "recovery_max_s"), clock=True, scans_per_kill=200,
            hesitate=0.1,
        ),
        DrillPlan(
            "turnstile", (silence_turnstile,),
            {"noticed_max_s": 0.5, "healed_max_s": 2.0, "recovery_max_s": SERVES_AGAIN_S},
            Guards(pulse_once=False), NEVER, scans_per_kill=200,
        ),
    )
}  # fmt: skip


def _drill(name: str) -> Drill:
    return partial(run_drill, PLANS[name])


lane, gate, redis, sql, journal = (_drill(name) for name in ("lane", "gate", "redis", "sql", "journal"))
head, partition, disk, clock, turnstile = (_drill(name) for name in ("head", "partition", "disk", "clock", "turnstile"))
