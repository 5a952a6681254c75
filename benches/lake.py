"""A lake of many files, served: how long opening, opening again, one exam by id and a scan take, beside DuckDB on the same files.

    python benches/lake.py PLACIDO FOLDER [--files 10000]

PLACIDO is the released program. FOLDER gets about 0.9 MB a file (10,000 files: 9 GB) and is kept, so that a second run is quick; delete it
afterwards. The exams are those of a simulated hospital, each copied under other patients' numbers. Needs psycopg and duckdb.
"""

import argparse
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import time

import duckdb
import psycopg

NUMBER = re.compile(rb"(?m)^(Patient_ID[;,])[^\r\n]*")


def make(placido, folder, files):
    """Copies of the MS-39 exams of a hospital, a patient's number for each eight files, until there are enough."""
    lake = folder / "lake"
    base = folder / "base"
    subprocess.run([placido, "generate", base, "--patients", "60"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    exams = [path.read_bytes() for path in sorted(base.glob("lake/ms39/**/*.csv"))]
    exams = [exam for exam in exams if NUMBER.search(exam)]
    shutil.rmtree(base)
    for number in range(files):
        path = lake / f"{number // 500:03}" / f"{number:06}.csv"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(NUMBER.sub(rb"\g<1>N%07d" % (number // 8), exams[number % len(exams)]))
    return lake


class Server:
    """placido over the lake, until the block ends."""

    def __init__(self, placido, folder, *options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        sql = folder / "sql"  # gold is not what is measured
        for layer in ("bronze", "silver"):
            (sql / layer).mkdir(parents=True, exist_ok=True)
        command = [placido, "--data", folder / "data", "--lake", folder / "lake", "--sql", sql, *options]
        self.command = [*command, "serve", "--listen", f"127.0.0.1:{self.port}"]

    def __enter__(self):
        start = time.perf_counter()
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        while True:
            try:
                self.client = psycopg.connect(f"host=127.0.0.1 port={self.port} user=placido dbname=placido", autocommit=True)
                break
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    raise SystemExit("the server ended")
                time.sleep(0.005)
        self.seconds = time.perf_counter() - start
        return self

    def __exit__(self, *_):
        self.client.close()
        self.process.terminate()
        self.process.wait()

    def milliseconds(self, statement, parameters=(), repeat=1):
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            rows = self.client.execute(statement, parameters).fetchall()
            times.append((time.perf_counter() - start) * 1e3)
        return statistics.median(times), rows

    def resident_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return {key: int(re.search(rf"{key}:\s+(\d+)", status)[1]) // 1024 for key in ("VmRSS", "VmHWM")}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("placido", type=pathlib.Path)
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--files", type=int, default=10_000)
    options = arguments.parse_args()
    folder = options.folder.resolve()
    placido = options.placido.resolve()
    lake = make(placido, folder, options.files)
    shutil.rmtree(folder / "data", ignore_errors=True)

    with Server(placido, folder) as server:
        print(f"first opening, every file read once: {server.seconds:.2f} s")
    with Server(placido, folder) as server:
        print(f"opening again, nothing changed: {server.seconds:.2f} s")
        took, rows = server.milliseconds("select count(*) from system.files where status = 'recognised'")
        print(f"files listed: {rows[0][0]} in {took:.1f} ms")
        # Changes cost one look at what changed, and the making of a new snapshot of all files.
        extra, changes = lake / "new.csv", []
        try:
            for _ in range(7):
                shutil.copyfile(lake / "000" / "000000.csv", extra)
                changes.append(server.milliseconds("select count(*) from system.files")[0])
                extra.unlink()
                changes.append(server.milliseconds("select count(*) from system.files")[0])
        finally:
            extra.unlink(missing_ok=True)
        print(f"files listed after one came or went: median {statistics.median(changes):.1f} ms")
        exams = [row[0] for row in server.milliseconds("select exam_id from raw.ms39 group by 1 order by 1 limit 50")[1]]
        one = "select exam_id, _file_id, corneal_thickness_um from raw.ms39 where exam_id = %s"
        times = [server.milliseconds(one, (exam,))[0] for exam in exams]
        print(f"one exam by id, one map: median {statistics.median(times):.2f} ms, worst of 50 {max(times):.2f} ms")
        plan = "\n".join(row[0] for row in server.milliseconds(f"explain {one.replace('%s', repr(exams[0]))}")[1])
        print("  " + (re.search(r"files[^\n]{0,60}", plan) or [plan])[0])
        took, _ = server.milliseconds("select exam_id from raw.ms39 limit 1")
        print(f"limit 1: {took:.1f} ms; memory {server.resident_mb()}")

    scan = "select count(corneal_thickness_um), sum(array_length(corneal_thickness_um)) from raw.ms39"
    times = {}
    for cores in (1, os.cpu_count()):
        with Server(placido, folder, "--cores", str(cores)) as server:
            server.milliseconds(scan)
            times[cores], _ = server.milliseconds(scan, repeat=3)
            print(f"one map of every file, {cores} cores: {times[cores] / 1e3:.2f} s; memory {server.resident_mb()}")
    print(f"  {os.cpu_count()} cores are {times[1] / times[os.cpu_count()]:.2f} times as fast as one")

    text = f"select count(*), sum(octet_length(content)) from read_blob('{lake}/**/*.csv')"
    for threads in (1, os.cpu_count()):
        db = duckdb.connect(config={"threads": threads})
        start = time.perf_counter()
        db.execute(f"select count(*) from glob('{lake}/**/*.csv')").fetchall()
        listed = time.perf_counter() - start
        start = time.perf_counter()
        db.execute(text).fetchall()
        print(f"DuckDB, {threads} threads: names {listed * 1e3:.0f} ms, the same files as bytes, nothing parsed {time.perf_counter() - start:.2f} s")


if __name__ == "__main__":
    main()
