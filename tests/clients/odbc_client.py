"""ODBC: psqlodbc through pyodbc, in the modes that Excel, Power BI and Access switch on."""

import datetime
import decimal
import os
import sys

import pyodbc

from checks import check, equal, raises, version

BASE = (f"DRIVER={{PostgreSQL Unicode}};SERVER={os.environ['PGHOST']};PORT={os.environ['PGPORT']};"
        f"UID={os.environ['PGUSER']};DATABASE={os.environ['PGDATABASE']};")
if "PostgreSQL Unicode" not in pyodbc.drivers():
    sys.exit("the driver psqlodbc is not installed")
version("ODBC", f"pyodbc {pyodbc.version}")
first = pyodbc.connect(BASE, autocommit=True)
version("ODBC", f"psqlodbc {first.getinfo(pyodbc.SQL_DRIVER_VER)}, pyodbc {pyodbc.version}")

for mode, options in [
    ("as it comes", ""),
    ("UseDeclareFetch=1", "UseDeclareFetch=1;Fetch=100;"),
    ("UseServerSidePrepare=0", "UseServerSidePrepare=0;"),
    ("UseServerSidePrepare=1", "UseServerSidePrepare=1;"),
]:
    connection = pyodbc.connect(BASE + options, autocommit=True)
    cursor = connection.cursor()

    @check(f"{mode}: types")
    def _():
        row = cursor.execute(
            "select 7::smallint, 7, 7::bigint, 1.5::real, 2.5::float8, 12.50::numeric(10,2), 'ä'::text, date '2024-02-29',"
            " timestamp '2024-01-02 03:04:05.5', '\\x00ff'::bytea, null::int").fetchone()
        equal(tuple(row), (7, 7, 7, 1.5, 2.5, decimal.Decimal("12.50"), "ä", datetime.date(2024, 2, 29),
                           datetime.datetime(2024, 1, 2, 3, 4, 5, 500000), b"\x00\xff", None))

    @check(f"{mode}: parameters")
    def _():
        equal(cursor.execute("select ?::int + 1, ?::text, ?::date, ?::float8, ?::numeric", 1, "ß", datetime.date(2024, 2, 29), 2.5, None).fetchone()[:4],
              (2, "ß", datetime.date(2024, 2, 29), 2.5))
        assert cursor.execute("select count(*) from gold.eye_features where eye = ? and exam_date > ?", "OD", datetime.date(1990, 1, 1)).fetchone()[0] > 0

    @check(f"{mode}: many rows")
    def _():
        cursor.execute("select value from generate_series(1, 20000) as value order by 1")
        equal(sum(value for (value,) in cursor), 200010000)

    @check(f"{mode}: tables and columns")
    def _():
        names = [row.table_name for row in cursor.tables(schema="gold")]
        equal(sorted(names), ["eye_features", "eye_measurements"])
        assert "ms39" in [row.table_name for row in cursor.tables(schema="raw", tableType="TABLE")]
        types = {row.column_name: row.type_name for row in cursor.columns(schema="gold", table="eye_features")}
        equal((types["exam_date"], types["s_ant_axial_z80_mean"], types["eye"]), ("date", "float8", "text"))

    @check(f"{mode}: keys, statistics, row identifiers")
    def _():
        list(cursor.primaryKeys(table="eye_features", schema="gold"))
        list(cursor.foreignKeys(table="eye_features", schema="gold"))
        list(cursor.statistics(table="eye_features", schema="gold"))
        list(cursor.rowIdColumns(table="eye_features", schema="gold"))

    @check(f"{mode}: procedures and types")
    def _():
        # Where no schema is given, the driver asks for the procedures of the current one alone.
        assert "zernike_fit" in [row.procedure_name for row in cursor.procedures(procedure="zernike_fit", schema="public")]
        list(cursor.procedureColumns(procedure="zernike_fit"))
        assert "float8" in [row.type_name for row in cursor.getTypeInfo()]

    @check(f"{mode}: errors")
    def _():
        error = raises(pyodbc.Error, lambda: cursor.execute("select * from gold.eye_featurs").fetchall())
        equal(error.args[0], "42P01" if error.args[0] == "42P01" else "42S02")
        raises(pyodbc.Error, lambda: cursor.execute("select 1 / 0").fetchall())

    @check(f"{mode}: transactions")
    def _():
        connection.autocommit = False
        cursor.execute("select 1").fetchall()
        raises(pyodbc.Error, lambda: cursor.execute("select 1 / 0").fetchall())
        connection.rollback()
        equal(cursor.execute("select 2").fetchone()[0], 2)
        connection.commit()
        connection.autocommit = True

    @check(f"{mode}: predict")
    def _():
        rows = cursor.execute("select eye, predict('kc_dx') from gold.eye_features where eye = ? limit 3", "OD").fetchall()
        equal(len(rows), 3)

    connection.close()
