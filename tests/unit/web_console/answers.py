"""What every error answer looks like, as an assertion."""

import aiohttp


async def assert_problem(answer: aiohttp.ClientResponse, status: int, code: str | None = None) -> dict[str, object]:
    """The answer is a problem document of this status: one sentence, no traceback."""
    text = await answer.text()
    assert answer.status == status, text
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    problem: dict[str, object] = await answer.json(content_type=None)
    assert_problem_body(problem, status, code)
    return problem


def assert_problem_body(problem: dict[str, object], status: int, code: str | None = None) -> None:
    """The document is one of ours."""
    assert problem["status"] == status
    assert problem["type"] == f"urn:snowgate:problem:{problem['code']}"
    assert code is None or problem["code"] == code
    detail = str(problem["detail"])
    assert detail.endswith((".", "…"))
    assert 0 < len(detail) <= 300
    assert "Traceback" not in str(problem)
    assert set(problem) <= {"type", "title", "status", "detail", "code", "field", "incident"}
