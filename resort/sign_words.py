"""What a display at a sign says to guests, Chinese and English, short enough for two lines. Pure."""

from resort.texts import Text


def sign_words(gate: Text, wait_s: float | None, walk_s: float) -> Text:
    """Take this gate: its name, the walk, and the wait where it is known; whole minutes, rounded up."""
    walk = max(1, -(-int(walk_s) // 60))
    if wait_s is None:
        return Text(f"请走 {gate.zh}, 步行 {walk} 分钟", f"Take {gate.en}, {walk} min walk")
    wait = -(-int(wait_s) // 60)
    if wait == 0:
        return Text(f"请走 {gate.zh}, 步行 {walk} 分钟, 无需排队", f"Take {gate.en}, {walk} min walk, no queue")
    return Text(
        f"请走 {gate.zh}, 步行 {walk} 分钟, 等候约 {wait} 分钟", f"Take {gate.en}, {walk} min walk, about {wait} min wait"
    )
