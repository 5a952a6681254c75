"""The files of the reader bench in pandas, polars and DuckDB, one thread, with the ratio to what `cargo bench` measured last on this machine.

    cargo bench --workspace --bench readers
    POLARS_MAX_THREADS=1 OMP_NUM_THREADS=1 python benches/reader_peers.py [target folder]

Needs pandas, polars and duckdb. The peers are told what placido has to find out: where the maps begin and how many lines they have. They turn the 16
maps of an MS-39 file into numbers, nothing more: no preamble, no missing cells, no checks. Medians, alternating.
"""

import io
import json
import pathlib
import statistics
import sys
import tempfile
import time

import duckdb
import numpy as np
import pandas as pd
import polars as pl

MERIDIANS = 256
DB = duckdb.connect(config={"threads": 1})


def table(path):
    """The lines of 256 cells, as a table that all three can read at once: the peers need not skip headers."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.count(b";") >= MERIDIANS - 1]
    lines = [line.strip().rstrip(b";") for line in lines]
    clean = path.with_suffix(".cells.csv")
    clean.write_bytes(b"\n".join(lines) + b"\n")
    return clean, len(lines)


def block(path, first, rows):
    """One map of the sixteen."""
    lines = path.read_bytes().split(b"\n")[first : first + rows]
    return b"\n".join(lines) + b"\n"


def readers(path):
    columns = {f"c{i}": "DOUBLE" for i in range(MERIDIANS)}
    sql = f"select * from read_csv('{path}', delim = ';', header = false, auto_detect = false, columns = {columns})"
    return {
        "pandas (C engine)": lambda: pd.read_csv(path, sep=";", header=None, dtype=np.float64).to_numpy(),
        "polars": lambda: pl.read_csv(path, separator=";", has_header=False, schema={name: pl.Float64 for name in columns}).to_numpy(),
        "DuckDB": lambda: DB.execute(sql).fetchnumpy(),
        "numpy loadtxt": lambda: np.loadtxt(path, delimiter=";"),
    }


def medians(tasks, repeat=31):
    """Milliseconds of each task; the tasks take turns, so that a change of the machine's pace meets all."""
    times = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(repeat):
        for name, task in tasks.items():
            start = time.perf_counter()
            task()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) * 1e3 for name, each in times.items()}


def measured(target, bench):
    """Median of placido's time in ms, if the bench has run."""
    estimates = target / "criterion" / bench / "new/estimates.json"
    return json.loads(estimates.read_text())["median"]["point_estimate"] / 1e6 if estimates.exists() else None


def show(title, ours, peers):
    print(f"{title}: placido {'not measured' if ours is None else f'{ours:.3f} ms'}")
    for peer, time_ms in peers.items():
        print(f"  {peer}: {time_ms:.2f} ms" + ("" if ours is None else f", {time_ms / ours:.1f} times placido's"))


def main():
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
    exam, grids = (target / "placido-bench" / name for name in ("ms39.csv", "pentacam.csv"))
    if not exam.exists():
        sys.exit(f"{exam} is not there; run cargo bench --workspace --bench readers first")
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "ms39.csv"
        copy.write_bytes(exam.read_bytes())
        cells, lines = table(copy)
        expected = np.loadtxt(cells, delimiter=";")
        for name, read in readers(cells).items():
            found = read()
            found = np.column_stack(list(found.values())) if isinstance(found, dict) else found
            assert np.array_equal(found, expected), f"{name} read other numbers"
        show(f"MS-39, {exam.stat().st_size} bytes, {lines // 16} lines a map", measured(target, "ms39/all_maps"), medians(readers(cells)))

        one = pathlib.Path(folder) / "one.csv"
        one.write_bytes(block(cells, 0, lines // 16))
        show("one map of sixteen, in a file of its own", measured(target, "ms39/one_map"), medians(readers(one)))

        rows = [line for line in grids.read_text().split("\n") if line.count(";") >= 141]
        # Without the coordinate at the beginning and the delimiter at the end: 141 cells, missing ones empty.
        data = "\n".join(line.rstrip("\r").split(";", 1)[1].removesuffix(";") for line in rows if line[:1].isdigit() or line[:1] == "-")
        cells = pd.read_csv(io.StringIO(data), sep=";", header=None, skip_blank_lines=False).to_numpy()
        assert cells.shape == (282, 141) and not np.isnan(cells).all(), f"pandas read {cells.shape} cells"
        show(
            f"Pentacam, {grids.stat().st_size} bytes",
            measured(target, "pentacam/all_columns"),
            medians({"pandas (C engine)": lambda: pd.read_csv(io.StringIO(data), sep=";", header=None, skip_blank_lines=False).to_numpy()}),
        )


if __name__ == "__main__":
    main()
