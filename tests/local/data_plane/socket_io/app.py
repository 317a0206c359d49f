"""A chat of socket.io's, whose sessions only this process knows: python app.py NAME HOST PORT."""

import sys

import socketio
from aiohttp import web

name, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
# The cookie `io` is what stickiness of the application follows. Clients find out with a ping that what they send comes
# to nobody.
server = socketio.AsyncServer(async_mode="aiohttp", cookie="io", ping_interval=1)


@server.event
async def say(sid, text):
    await server.emit("said", f"{name}: {text}", to=sid)
    return name


app = web.Application()
server.attach(app)
web.run_app(app, host=host, port=port, print=None)
