"""The least that aiohttp can do with a request for a price: read the body, answer as many bytes. Prints its address.

The limit beside which `snowgate bench pricing` stands: the same library, the same kind of answer, nothing decided or kept.
"""

import asyncio
import sys

from aiohttp import web

from devices.loopback_port import HOST


def bare_app(answer: bytes) -> web.Application:
    """Answers every POST with these bytes of JSON and 201."""

    async def answered(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=201, body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post("/api/quotes", answered)
    return app


async def serve(length: int) -> None:
    """Until standard input ends."""
    runner = web.AppRunner(bare_app(b'"' + b"x" * max(0, length - 2) + b'"'), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    print(f"http://{HOST}:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
