"""What people agree to before their face is enrolled: the wording with its version, and for whom a guardian has to agree. Pure.

Plain words, no more than what the program does (docs/faces.md). A site that changes a word gives the text a version of its own
(`faces.consent` in the site file). What was agreed to is kept by version and digest; keep every text that was ever shown.
"""

import hashlib
from typing import Literal

import msgspec

from resort.errors import Invalid, WrongState
from resort.faces import ConsentGiver
from resort.texts import Text

AgeBand = Literal["under_14", "14_or_over"]


class ConsentWording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text shown before a face is enrolled; `guardian` is added for who is under 14."""

    version: str
    text: Text
    guardian: Text

    @property
    def digest(self) -> str:
        """SHA-256 of both texts in both languages: tells which words were behind the version."""
        return hashlib.sha256(msgspec.json.encode([self.text, self.guardian])).hexdigest()


WORDING = ConsentWording(
    version="2026-11",
    text=Text(
        "刷脸入闸完全自愿。不同意也没有关系: 您的票码始终有效, 票价和通道不变。"
        "如果您同意, 我们会从这张照片中算出一组人脸特征数字, 并裁下一张小头像, 加密后与您的票一起保存。"
        "特征数字用于在闸口确认是您本人; 小头像仅在系统拿不准时给工作人员看几秒钟。原照片不保存, 不用于其他用途, 不提供给他人。"
        "票过期、退票、作废或转让后, 两者会在一分钟内删除。"
        "您可以随时在购票处、售票窗口或向任何工作人员提出撤回, 同样在一分钟内删除。"
        "我们只保留您何时同意、何时撤回的记录, 其中不含人脸信息。",
        "Entering by face is entirely voluntary. If you say no, nothing is lost: your ticket's code always works, at "
        "the same price and the same lanes. If you agree, we make a set of numbers from your face in this photo and cut "
        "out a small portrait; both are kept encrypted with your ticket. The numbers are used to check at the gate that "
        "it is you; the portrait is shown to staff for seconds, only when the system is not sure. The photo itself is "
        "not kept, nothing is used for anything else or given to anyone. Both are deleted within a minute after your "
        "ticket expires, is refunded, revoked or transferred. You may withdraw at any time where you bought the ticket, "
        "at a ticket window or with any member of staff; both are then deleted within a minute, too. We keep only a "
        "record of when you agreed and when you withdrew, with nothing of your face.",
    ),
    guardian=Text(
        "不满十四周岁的, 须由父母或其他监护人阅读并同意。",
        "For anybody under 14, a parent or other guardian has to read this and agree.",
    ),
)


def check_consent(
    current: ConsentWording, shown: str, given_by: ConsentGiver, age: AgeBand, unit: str, guarded_units: tuple[str, ...]
) -> None:
    """Raises WrongState when other words were shown than the current ones, Invalid where a guardian has to agree: the request
    says so by age, or the ticket by its unit."""
    if shown != current.version:
        raise WrongState("consent wording", f"now {current.version}", "be agreed to in another version; show it anew")
    if given_by == "guardian":
        return
    if age == "under_14":
        raise Invalid("given_by", "a guardian has to agree for somebody under 14")
    if unit in guarded_units:
        raise Invalid("given_by", f"a guardian has to agree for a ticket of the unit {unit}")
