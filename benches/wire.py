"""Latency, bulk rate and memory of the wire beside PostgreSQL on this machine, with ratios.

    cargo build --release
    python benches/wire.py [--placido target/release/placido] [--seconds 5] [--patients 60] [--only latency,bulk,memory]

Needs Debian's `postgresql` (a private cluster is made and thrown away) and its `pgbench` and `psql`; nothing else beyond Python's own
library. Both servers listen on loopback and have the same rows. Latencies are those that pgbench logs for each transaction.
"""

import argparse
import glob
import os
import pathlib
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

KEYS = 8


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def binary(name):
    """A program of PostgreSQL's server package, which Debian keeps off the path."""
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name) or sys.exit(f"{name} is missing: apt-get install postgresql")


class Server:
    """A server under test: its process and how clients reach it."""

    def __init__(self, name, user, database, port, process):
        self.name, self.user, self.database, self.port, self.process = name, user, database, port, process

    def env(self):
        return dict(os.environ, PGHOST="127.0.0.1", PGPORT=str(self.port), PGUSER=self.user, PGDATABASE=self.database, PGSSLMODE="disable")

    def psql(self, sql, **options):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-At", "-c", sql]
        return subprocess.run(command, env=self.env(), check=True, text=True, stdout=subprocess.PIPE, **options).stdout

    def wait(self, seconds=300):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                return self.psql("select 1", stderr=subprocess.DEVNULL)
            except subprocess.CalledProcessError:
                if self.process and self.process.poll() is not None:
                    sys.exit(f"{self.name} ended with code {self.process.returncode}")
                time.sleep(0.2)
        sys.exit(f"{self.name} does not answer")

    def memory_mb(self):
        """Resident memory of the process, and of its children where it has some."""
        total = 0
        for pid in [self.process.pid, *children(self.process.pid)]:
            try:
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                total += int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))
            except (OSError, StopIteration):
                pass
        return total / 1024


def children(pid):
    try:
        direct = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [each for child in map(int, direct) for each in (child, *children(child))]


def start_postgres(folder):
    """A cluster of its own; PostgreSQL refuses to run as root, so that there it runs as the user that its package makes."""
    port, data = free_port(), folder / "postgres"
    data.mkdir()
    as_user = []
    if os.geteuid() == 0:
        shutil.chown(data, "postgres", "postgres")
        os.chmod(folder, 0o755)
        as_user = ["runuser", "-u", "postgres", "--"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run([*as_user, binary("initdb"), "-D", data, "-U", "bench", "-A", "trust", "--no-sync"], check=True, **quiet)
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}", "-c", "max_connections=600"]
    process = subprocess.Popen([*as_user, binary("postgres"), "-D", data, "-p", str(port), *settings], **quiet)
    server = Server("PostgreSQL", "bench", "postgres", port, process)
    server.wait()
    server.name = "PostgreSQL " + server.psql("show server_version").split()[0]
    return server


def start_placido(program, folder, patients):
    port = free_port()
    command = [program, "--data", folder / "hospital", "demo", "--patients", str(patients), "--listen", f"127.0.0.1:{port}"]
    log = open(folder / "placido.log", "w")
    environment = dict(os.environ, PLACIDO_MAX_CONNECTIONS="600")
    server = Server("placido", "placido", "placido", port, subprocess.Popen(command, stdout=log, stderr=log, env=environment))
    server.wait(900)
    return server


def load(placido, postgres):
    """The rows of gold.eye_features in PostgreSQL, with an index on the key."""
    described = placido.psql(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute where attrelid = 'gold.eye_features'::regclass "
        "and attnum > 0 order by attnum"
    )
    columns = ", ".join(f'"{name}" {kind}' for name, kind in (line.split("|") for line in described.splitlines()))
    postgres.psql(f"create schema gold; create table gold.eye_features ({columns})")
    reader = subprocess.Popen(
        ["psql", "-X", "-q", "-c", "copy (select * from gold.eye_features) to stdout"], env=placido.env(), stdout=subprocess.PIPE
    )
    subprocess.run(
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "copy gold.eye_features from stdin"],
        env=postgres.env(), stdin=reader.stdout, check=True,
    )
    if reader.wait() != 0:
        sys.exit("the rows could not be copied")
    postgres.psql("create index on gold.eye_features (exam_id)")
    # Outside of a block, as VACUUM wants it.
    postgres.psql("vacuum analyze gold.eye_features")


def pgbench(server, folder, statement, keys, mode, clients, seconds):
    """Median and 99th percentile in ms, and transactions a second. `:key` in a statement goes round `keys`."""
    for old in folder.glob("latency.*"):
        old.unlink()
    scripts, names = [], keys if ":key" in statement else [("", "")]
    for index, (exam, eye) in enumerate(names):
        path = folder / f"script{index}.sql"
        text = statement.replace(":key", f":key{index}").replace(":eye", f":eye{index}")
        if mode == "simple":
            text = text.replace(f":key{index}", f"'{exam}'").replace(f":eye{index}", f"'{eye}'")
        path.write_text(text + ";\n")
        scripts += ["-f", path]
        if exam:
            scripts += ["-D", f"key{index}={exam}", "-D", f"eye{index}={eye}"]
    command = [
        "pgbench", "-n", "-M", mode, "-c", str(clients), "-j", str(min(clients, 2)), "-T", str(seconds), "-l",
        f"--log-prefix={folder}/latency", *scripts,
    ]
    ran = subprocess.run(command, env=server.env(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if ran.returncode != 0:
        sys.exit(f"{server.name}: pgbench failed on {statement}\n{ran.stderr[-2000:]}")
    micros = [int(line.split()[2]) for log in folder.glob("latency.*") for line in log.read_text().splitlines()]
    # The first ones plan and connect.
    micros = sorted(micros[min(len(micros) // 10, 200):])
    return statistics.median(micros) / 1000, micros[int(len(micros) * 0.99)] / 1000, len(micros) / seconds


LATENCY = [
    ("`select 1`", "select 1", True),
    ("one row of `gold.eye_features` by key, 5 columns",
     "select exam_id, eye, diagnosis, sex, scan_id from gold.eye_features where exam_id = :key and eye = :eye", True),
    ("the same, all columns", "select * from gold.eye_features where exam_id = :key and eye = :eye", True),
    ("`predict('kc_dx')` of one row", "select predict('kc_dx') from gold.eye_features where exam_id = :key and eye = :eye", False),
]


def latency(placido, postgres, folder, seconds):
    keys = placido.psql(f"select exam_id, eye from gold.eye_features order by exam_id, eye limit {KEYS}").split()
    keys = [tuple(line.split("|")) for line in keys]
    known = {line.split("|")[0] for line in placido.psql(
        "select attname from pg_attribute where attrelid = 'gold.eye_features'::regclass and attnum > 0").splitlines()}
    print("\n| statement | protocol | clients | placido p50, p99 ms | a second | PostgreSQL p50, p99 ms | a second | p50 ratio | rate ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for about, statement, both in LATENCY:
        # Five columns, whatever the view has.
        if "scan_id" in statement and not {"diagnosis", "sex", "scan_id"} <= known:
            statement = statement.replace("diagnosis, sex, scan_id", ", ".join(sorted(known - {"exam_id", "eye"})[:3]))
        for mode in ("prepared", "extended", "simple"):
            for clients in (1, 8):
                ours = pgbench(placido, folder, statement, keys, mode, clients, seconds)
                cells = [about, mode, str(clients), f"{ours[0]:.3f}, {ours[1]:.3f}", f"{ours[2]:,.0f}"]
                if both:
                    theirs = pgbench(postgres, folder, statement, keys, mode, clients, seconds)
                    # With several clients a thread pgbench reads its clock once for answers that came together: 0 is no time.
                    ratio = f"{ours[0] / theirs[0]:.1f}" if min(ours[0], theirs[0]) > 0.01 else ""
                    cells += [f"{theirs[0]:.3f}, {theirs[1]:.3f}", f"{theirs[2]:,.0f}", ratio, f"{ours[2] / theirs[2]:.2f}"]
                else:
                    cells += [""] * 4
                print("| " + " | ".join(cells) + " |", flush=True)


def bulk(placido, postgres, rows):
    """Rows of five columns to a binary COPY, thrown away by psql. PostgreSQL reads a table that is in memory."""
    made = f"select g as id, g % 100 as visit, g * 0.001::float8 as k_max, g * 0.002::float8 as cct, 'E' || (g % 1000) as exam from generate_series(1, {rows}) as t(g)"
    ours = f"select g as id, g % 100 as visit, g * cast(0.001 as double) as k_max, g * cast(0.002 as double) as cct, concat('E', g % 1000) as exam from generate_series(1, {rows}) as t(g)"
    postgres.psql(f"create unlogged table bulk as {made}")
    postgres.psql("vacuum analyze bulk")

    def seconds(server, sql):
        best = float("inf")
        for _ in range(3):
            start = time.perf_counter()
            copy = ["psql", "-X", "-q", "-c", f"copy ({sql}) to stdout (format binary)"]
            subprocess.run(copy, env=server.env(), check=True, stdout=subprocess.DEVNULL)
            best = min(best, time.perf_counter() - start)
        return best

    mine, table, computed = seconds(placido, ours), seconds(postgres, "select * from bulk"), seconds(postgres, made)
    print(f"\n| {rows:,} rows × 5 columns to a binary COPY | seconds | rows a second |\n| --- | --- | --- |")
    for name, took in (("placido, computed", mine), (f"{postgres.name}, from a table", table), (f"{postgres.name}, computed", computed)):
        print(f"| {name} | {took:.2f} | {rows / took / 1e6:.2f} million |")
    print(f"\nratio of rates, placido to the faster of the two: {min(table, computed) / mine:.2f}")


def open_session(server):
    """A session by hand, so that the client's memory does not matter."""
    client = socket.create_connection(("127.0.0.1", server.port))
    body = struct.pack("!I", 196608) + f"user\0{server.user}\0database\0{server.database}\0\0".encode()
    client.sendall(struct.pack("!I", len(body) + 4) + body)
    said = b""
    while True:
        said += client.recv(65536) or b"E"
        if said.startswith(b"E") or said.endswith(b"E") and len(said) == 1:
            client.close()
            return None
        if said[-6:-1] == b"Z\0\0\0\5":
            return client


def idle(server, wanted=500):
    before, sessions = server.memory_mb(), []
    while len(sessions) < wanted and (session := open_session(server)):
        sessions.append(session)
    time.sleep(1)
    after = server.memory_mb()
    for session in sessions:
        session.close()
    time.sleep(1)
    return before, after, len(sessions)


def stream(server, sql):
    """Peak memory while all rows of a statement are read and thrown away."""
    client, peak, done = open_session(server), [0.0], threading.Event()
    before = server.memory_mb()

    def sample():
        while not done.is_set():
            peak[0] = max(peak[0], server.memory_mb())
            time.sleep(0.05)

    watcher = threading.Thread(target=sample)
    watcher.start()
    text = sql.encode() + b"\0"
    client.sendall(b"Q" + struct.pack("!I", len(text) + 4) + text)
    start, tail, first = time.perf_counter(), b"", None
    while True:
        read = client.recv(1 << 20)
        if first is None:
            first = time.perf_counter() - start
            if not read.startswith(b"T"):
                sys.exit(f"{server.name} does not stream: {read[:200]}")
        tail = (tail + read)[-6:]
        if not read or tail[:5] == b"Z\0\0\0\5":
            break
    done.set()
    watcher.join()
    client.close()
    return before, peak[0], first, time.perf_counter() - start


def memory(placido, postgres, rows):
    print("\n| memory, private, MB | before | with them | a session |\n| --- | --- | --- | --- |")
    for server in (placido, postgres):
        before, after, opened = idle(server)
        print(f"| {server.name}, {opened} idle sessions | {before:.0f} | {after:.0f} | {(after - before) / max(opened, 1):.2f} |")
    many = f"select g, g * 2, 'row ' || g from generate_series(1, {rows}) as t(g)"
    print(f"\n| {rows:,} rows streamed | memory before, MB | peak, MB | first row, s | all, s |\n| --- | --- | --- | --- | --- |")
    for server in (placido, postgres):
        before, peak, first, took = stream(server, many)
        print(f"| {server.name} | {before:.0f} | {peak:.0f} | {first:.2f} | {took:.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--placido", default="target/release/placido")
    parser.add_argument("--seconds", type=int, default=5, help="of each pgbench run")
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of the bulk copy; twice as many are streamed")
    parser.add_argument("--only", default="latency,bulk,memory")
    options = parser.parse_args()
    program = pathlib.Path(options.placido).resolve()
    if not program.is_file():
        sys.exit(f"{program} is missing: cargo build --release")
    wanted = options.only.split(",")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wire-bench-"))
    servers = []
    try:
        servers.append(start_placido(program, folder, options.patients))
        servers.append(start_postgres(folder))
        placido, postgres = servers
        print(f"placido beside {postgres.name}, {os.cpu_count()} cores, pgbench {options.seconds} s a run")
        if "latency" in wanted:
            load(placido, postgres)
            latency(placido, postgres, folder, options.seconds)
        if "bulk" in wanted:
            bulk(placido, postgres, options.rows)
        if "memory" in wanted:
            memory(placido, postgres, 2 * options.rows)
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


main()
