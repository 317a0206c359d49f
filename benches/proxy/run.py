#!/usr/bin/env python3
"""Measures the CPU that elbws-proxy, nginx and HAProxy spend on an operation, from /proc, in interleaved rounds.

    cargo build --release --no-default-features --features proxy --bin elbws-proxy
    python3 benches/proxy/run.py [--rounds 5] [--proxy target/release/elbws-proxy]

Needs nginx and haproxy in the PATH; all traffic stays on loopback. One worker each, PROXY protocol v1, the same
two routes, no access log. Prints a Markdown table of medians, and of medians of each round's ratios.
"""

import argparse
import asyncio
import contextlib
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

HEADER = b"PROXY TCP4 192.0.2.1 198.51.100.2 50000 443\r\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HANDSHAKE = (
    b"GET /ws/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024
CROWD = 8
TICKS = os.sysconf("SC_CLK_TCK")


async def answer(reader, writer):
    """The backend: 1 KiB for a request, an echo after a handshake."""
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"upgrade: websocket" not in head.lower():
                writer.write(ANSWER)
                continue
            writer.write(ACCEPTED)
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            break
    writer.close()


class Client:
    """One connection to the proxy under test."""

    @classmethod
    async def to(cls, port, first):
        self = cls()
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(HEADER + first)
        head = await self.reader.readuntil(b"\r\n\r\n")
        expected = b" 101 " if first is HANDSHAKE else b" 200 "
        assert expected in head.split(b"\r\n")[0], head
        if first is GET:
            await self.reader.readexactly(1024)
        return self

    async def echo(self, message):
        self.writer.write(message)
        await self.reader.readexactly(len(message))

    async def get(self):
        self.writer.write(GET)
        await self.reader.readuntil(b"\r\n\r\n")
        await self.reader.readexactly(1024)

    def close(self):
        self.writer.transport.abort()


async def crowd(count, work):
    """Does `work` `count` times on each of `CROWD` connections at a time."""

    async def one(index):
        for _ in range(count):
            await work(index)

    await asyncio.gather(*(one(index) for index in range(CROWD)))
    return count * CROWD


class Proxy:
    """A running proxy."""

    def __init__(self, name, command, port, folder):
        self.name, self.port = name, port
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.02)
        raise SystemExit(f"{name} does not listen")

    def cpu(self):
        """Seconds of user and system time of the process; nanoseconds where the scheduler tells them."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        try:
            return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9
        except OSError:
            fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICKS

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024
        raise SystemExit("no RssAnon")

    async def per_operation(self, count, work):
        before = self.cpu()
        done = await crowd(count, work)
        return (self.cpu() - before) / done * 1e6

    async def round(self):
        figures = {}
        clients = [await Client.to(self.port, HANDSHAKE) for _ in range(CROWD)]
        for size, name, count in [(64, "64 B", 400), (1024, "1 KiB", 400), (16384, "16 KiB", 200), (262144, "256 KiB", 30)]:
            message = b"x" * size
            figures[f"echo, {name}"] = await self.per_operation(count, lambda i: clients[i].echo(message))
        for client in clients:
            client.close()
        clients = [await Client.to(self.port, GET) for _ in range(CROWD)]
        figures["keep-alive request"] = await self.per_operation(300, lambda i: clients[i].get())
        for client in clients:
            client.close()

        async def connect(first):
            (await Client.to(self.port, first)).close()

        figures["connection with a GET"] = await self.per_operation(60, lambda _: connect(GET))
        figures["connection with an upgrade"] = await self.per_operation(60, lambda _: connect(HANDSHAKE))
        return figures

    async def memory(self, count=500):
        """Anonymous memory per idle tunnel, fresh and five seconds after a burst of 64 KiB each way."""
        await asyncio.sleep(0.5)
        before = self.resident()
        clients = [await Client.to(self.port, HANDSHAKE) for _ in range(count)]
        await asyncio.sleep(0.5)
        fresh = (self.resident() - before) / count
        message = b"x" * 65536
        for at in range(0, count, CROWD):
            await asyncio.gather(*(client.echo(message) for client in clients[at : at + CROWD]))
        await asyncio.sleep(5)
        burst = (self.resident() - before) / count
        for client in clients:
            client.close()
        return {"bytes per idle tunnel, fresh": fresh, "bytes per idle tunnel, after a burst": burst}


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx(folder, name, backend, extra):
    port = free()
    forward = "proxy_set_header X-Forwarded-For $proxy_protocol_addr; proxy_set_header X-Forwarded-Proto https;"
    (folder / f"{name}.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {name}.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; tcp_nodelay on; {extra}
  client_body_temp_path {name}-a; proxy_temp_path {name}-b; fastcgi_temp_path {name}-c;
  uwsgi_temp_path {name}-d; scgi_temp_path {name}-e;
  upstream web {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} proxy_protocol backlog=4096;
    proxy_http_version 1.1; {forward}
    location /ws/ {{ proxy_pass http://127.0.0.1:{backend}; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade; {forward} proxy_read_timeout 1h; }}
    location / {{ proxy_pass http://web; proxy_set_header Connection ""; {forward} }}
  }}
}}""")
    return Proxy(name, [shutil.which("nginx") or "/usr/sbin/nginx", "-p", ".", "-c", f"{name}.conf", "-e", "stderr"], port, folder)


def haproxy(folder, name, backend, extra):
    port = free()
    (folder / f"{name}.cfg").write_text(f"""
global
  nbthread 1
  maxconn 4096
  {extra}
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option forwardfor
  http-reuse always
frontend f
  bind 127.0.0.1:{port} accept-proxy
  http-request set-header X-Forwarded-Proto https
  use_backend ws if {{ path_beg /ws/ }}
  default_backend web
backend ws
  server s 127.0.0.1:{backend}
backend web
  server s 127.0.0.1:{backend}
""")
    return Proxy(name, [shutil.which("haproxy") or "/usr/sbin/haproxy", "-f", f"{name}.cfg", "-db", "-q"], port, folder)


def elbws(folder, binary, backend):
    port = free()
    (folder / "proxy.yaml").write_text(f"""
listen: "127.0.0.1:{port}"
accept: v1
workers: 1
routes:
  - {{ path: /ws/, upstream: "127.0.0.1:{backend}" }}
  - {{ path: /, upstream: "127.0.0.1:{backend}" }}
""")
    return Proxy("elbws-proxy", [binary, "--config", "proxy.yaml"], port, folder)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--proxy", default="target/release/elbws-proxy", help="the release build")
    arguments = parser.parse_args()
    backend = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    at = backend.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        proxies = []
        try:
            proxies.append(elbws(folder, os.path.abspath(arguments.proxy), at))
            proxies.append(nginx(folder, "nginx", at, ""))
            proxies.append(nginx(folder, "nginx-64k", at, "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"))
            proxies.append(haproxy(folder, "haproxy", at, ""))
            rounds = []
            for index in range(arguments.rounds):
                # Each round begins with another one, so that none always runs first.
                order = proxies[index % len(proxies) :] + proxies[: index % len(proxies)]
                rounds.append({proxy.name: await proxy.round() for proxy in order})
            for proxy in proxies:
                memory = await proxy.memory()
                for one in rounds:
                    one[proxy.name].update(memory)
            report(rounds, [proxy.name for proxy in proxies])
        finally:
            for proxy in proxies:
                proxy.process.kill()
                proxy.process.wait()


def report(rounds, names):
    ours, *peers = names
    print("| | " + " | ".join(names) + " | " + " | ".join(f"ratio to {peer}" for peer in peers) + " |")
    print("|---" * (1 + len(names) + len(peers)) + "|")
    for figure in rounds[0][ours]:
        medians = [statistics.median(one[name][figure] for one in rounds) for name in names]
        ratios = [statistics.median(one[ours][figure] / max(one[peer][figure], 1e-9) for one in rounds) for peer in peers]
        cells = [f"{value:.0f}" if value >= 100 else f"{value:.1f}" for value in medians]
        print(f"| {figure} | " + " | ".join(cells) + " | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")


asyncio.run(main())
