"""A real PostgreSQL that reads placido's views through postgres_fdw and dblink."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile

from checks import check, equal, raises, version

found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.split("/")[4]))
if not found:
    sys.exit("no PostgreSQL server is installed")
import psycopg2

BIN = os.path.dirname(found[-1])
version("postgres_fdw", subprocess.run([found[-1], "--version"], capture_output=True, text=True).stdout.split()[2])
folder = tempfile.mkdtemp(prefix="placido-fdw-")
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]


def as_postgres(*command):
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return subprocess.run(command, check=True, capture_output=True)
    owner = pwd.getpwnam("postgres")

    def become():
        os.setgid(owner.pw_gid)
        os.setuid(owner.pw_uid)
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    return subprocess.run(command, check=True, capture_output=True, preexec_fn=become, cwd=folder)


def main():
    as_postgres(f"{BIN}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "postgres", "--no-sync")
    as_postgres(f"{BIN}/pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o",
                f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off", "start")
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")
    connection.autocommit = True
    cursor = connection.cursor()

    def rows(sql):
        cursor.execute(sql)
        return cursor.fetchall()

    remote = f"host '{os.environ['PGHOST']}', port '{os.environ['PGPORT']}', dbname '{os.environ['PGDATABASE']}'"

    @check("CREATE SERVER and IMPORT FOREIGN SCHEMA")
    def _():
        cursor.execute("create extension postgres_fdw")
        cursor.execute(f"create server placido foreign data wrapper postgres_fdw options ({remote}, fetch_size '50')")
        cursor.execute(f"create user mapping for postgres server placido options (user '{os.environ['PGUSER']}', password_required 'false')")
        for schema in ("gold", "silver"):
            cursor.execute(f"create schema {schema}")
            cursor.execute(f"import foreign schema {schema} from server placido into {schema}")
        equal(rows("select count(*) from information_schema.foreign_tables where foreign_table_schema = 'gold'"), [(2,)])

    @check("types of imported columns")
    def _():
        equal(rows("select column_name, data_type from information_schema.columns where table_schema = 'gold' and table_name = 'eye_features'"
                   " and column_name in ('exam_date', 'age_years', 's_ant_axial_z80_mean') order by 1"),
              [("age_years", "integer"), ("exam_date", "date"), ("s_ant_axial_z80_mean", "double precision")])

    @check("a scan")
    def _():
        assert len(rows("select * from silver.keratometry")) > 10

    @check("conditions, aggregates, order and limit are pushed down")
    def _():
        equal(len(rows("select eye, count(*), avg(age_years) from gold.eye_features where exam_date > '1990-01-01' group by eye order by eye")), 2)
        plan = " ".join(line for (line,) in rows("explain (verbose, costs off) select eye, count(*) from gold.eye_features where age_years > 20 group by eye"))
        assert "GROUP BY" in plan and "Remote SQL" in plan, plan
        equal(len(rows("select exam_id from gold.eye_features order by exam_id limit 3")), 3)

    @check("arrays")
    def _():
        (column,) = rows("select attname from pg_attribute where attrelid = 'silver.zernike'::regclass and atttypid = 'float8[]'::regtype limit 1")[0]
        (value,) = rows(f"select {column} from silver.zernike where {column} is not null limit 1")[0]
        assert isinstance(value, list) and value, value

    @check("a join of two views on the other side")
    def _():
        # Without statistics of the views it would rather join here.
        for method in ("hashjoin", "mergejoin", "nestloop"):
            cursor.execute(f"set enable_{method} = off")
        plan = " ".join(line for (line,) in rows(
            "explain (verbose, costs off) select f.exam_id from gold.eye_features f join silver.keratometry k using (exam_id, eye)"))
        assert "INNER JOIN" in plan, plan
        assert rows("select count(*) from gold.eye_features f join silver.keratometry k using (exam_id, eye)")[0][0] > 0
        for method in ("hashjoin", "mergejoin", "nestloop"):
            cursor.execute(f"reset enable_{method}")

    @check("a join with a local table")
    def _():
        cursor.execute("create table chosen as select distinct exam_id from gold.eye_features order by 1 limit 2")
        assert rows("select count(*) from chosen c join gold.eye_features f using (exam_id)")[0][0] >= 2

    @check("parameters of a prepared statement")
    def _():
        cursor.execute("prepare of_eye(text) as select count(*) from gold.eye_features where eye = $1")
        for _turn in range(7):
            cursor.execute("execute of_eye('OD')")
            assert cursor.fetchone()[0] > 0

    @check("ANALYZE of a foreign table")
    def _():
        cursor.execute("analyze silver.keratometry")

    @check("use_remote_estimate")
    def _():
        cursor.execute("alter server placido options (add use_remote_estimate 'true')")
        try:
            assert rows("select count(*) from gold.eye_features where eye = 'OD'")[0][0] > 0
        finally:
            cursor.execute("alter server placido options (drop use_remote_estimate)")

    @check("transactions")
    def _():
        connection.autocommit = False
        cursor.execute("set transaction isolation level repeatable read")
        assert rows("select count(*) from gold.eye_features")[0][0] > 0
        cursor.execute("savepoint s")
        raises(psycopg2.Error, lambda: rows("select 1 / 0"))
        cursor.execute("rollback to s")
        assert rows("select count(*) from gold.eye_features")[0][0] > 0
        connection.commit()
        connection.autocommit = True

    @check("a write is refused and leaves the connection usable")
    def _():
        raises(psycopg2.Error, lambda: cursor.execute("delete from gold.eye_features"))
        assert rows("select count(*) from gold.eye_features")[0][0] > 0

    @check("dblink")
    def _():
        cursor.execute("create extension dblink")
        text = f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname={os.environ['PGDATABASE']} user={os.environ['PGUSER']}"
        found = rows(f"select * from dblink('{text}', 'select eye, predict(''kc_dx'') from gold.eye_features limit 3') as t(eye text, said text)")
        equal(len(found), 3)
        cursor.execute(f"select dblink_connect('c', '{text}')")
        cursor.execute("select dblink_open('c', 'cur', 'select value from generate_series(1, 10) as value order by 1')")
        equal(len(rows("select * from dblink_fetch('c', 'cur', 4) as t(n bigint)")), 4)
        cursor.execute("select dblink_close('c', 'cur')")

    connection.close()


try:
    main()
finally:
    try:
        as_postgres(f"{BIN}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    except subprocess.CalledProcessError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
