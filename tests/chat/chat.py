"""Two visitors chat at the WebSocket URL given, on this machine, trusting the CA file given, if any.

Further arguments are the address that they come from, which the application must see, and headers to spoof:
NAME=VALUE.
"""

import asyncio
import json
import ssl
import sys

import websockets

url = sys.argv[1]
ca = sys.argv[2] if len(sys.argv) > 2 else None
expected = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
spoofed = [tuple(header.split("=", 1)) for header in sys.argv[4:]]
options = {"ssl": ssl.create_default_context(cafile=ca)} if ca else {}
# Whatever the name in the URL is, it is this machine that is talked to.
options["host"] = "127.0.0.1"


async def hear(visitor, kind):
    line = json.loads(await asyncio.wait_for(visitor.recv(), 10))
    assert line["type"] == kind, line
    return line


def enter(name):
    return websockets.connect(
        f"{url}?room=python&name={name}",
        additional_headers=spoofed,
        local_addr=(expected, 0),
        proxy=None,
        **options,
    )


async def main():
    async with enter("ann") as ann:
        welcome = await hear(ann, "welcome")
        assert welcome["address"] == expected, welcome
        assert welcome["history"] == [], welcome
        async with enter("bob") as bob:
            await hear(bob, "welcome")
            assert (await hear(ann, "join"))["name"] == "bob"
            await ann.send("hello from ann")
            for visitor in (ann, bob):
                line = await hear(visitor, "message")
                assert line["name"] == "ann" and line["text"] == "hello from ann", line
                assert line["address"] == expected, line
            await bob.send("x" * 65537)
            try:
                await hear(bob, "message")
            except websockets.ConnectionClosedError as closed:
                assert closed.rcvd.code == 1009, closed
            else:
                raise AssertionError("a message of 64 KiB and a byte was taken")
        assert (await hear(ann, "leave"))["name"] == "bob"
    print("chatted")


asyncio.run(main())
