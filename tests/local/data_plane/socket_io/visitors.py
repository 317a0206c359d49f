"""Visitors of the chat, by each of socket.io's transports: python visitors.py URL. Prints in JSON who served them."""

import asyncio
import json
import sys

import aiohttp
import socketio

VISITORS = 2
WORDS = 3
WAYS = {
    "polling": ["polling"],
    # The client's own default: polling, and a WebSocket as soon as one can be had.
    "upgraded": ["polling", "websocket"],
    "websocket": ["websocket"],
}


async def visit(url, transports):
    """The name of the instance that served a visitor from beginning to end; None where the session was lost."""
    # Hosts are addresses here, of which no cookies are kept otherwise.
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        heard = []
        client.on("said", heard.append)
        await client.connect(url, transports=transports, wait=False)
        while not client.namespaces:
            # An instance that does not know the session ends it before it has begun.
            if client.eio.state != "connected":
                return None
            await asyncio.sleep(0.01)
        assert client.transport() == transports[-1], client.transport()
        names = {await client.call("say", word, timeout=10) for word in range(WORDS)}
        while len(heard) < WORDS:
            await asyncio.sleep(0.01)
        # Without waiting for the answer to a poll, which may take as long as the next ping.
        await client.eio.disconnect(abort=True)
    [name] = names
    assert heard == [f"{name}: {word}" for word in range(WORDS)], heard
    return name


async def main(url):
    served = {way: [await visit(url, transports) for _ in range(VISITORS)] for way, transports in WAYS.items()}
    print(json.dumps(served))


asyncio.run(main(sys.argv[1]))
