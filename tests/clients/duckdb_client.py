"""DuckDB's postgres extension, which reads in binary COPY and asks pg_catalog for sizes."""

import os
import pathlib

import duckdb
import duckdb_extension_postgres_scanner

from checks import check, equal, raises, version

version("DuckDB", duckdb.__version__)
connection = duckdb.connect()
(extension,) = pathlib.Path(duckdb_extension_postgres_scanner.__file__).parent.glob("extensions/*/*.duckdb_extension")
connection.execute(f"load '{extension}'")
text = f"host={os.environ['PGHOST']} port={os.environ['PGPORT']} dbname={os.environ['PGDATABASE']} user={os.environ['PGUSER']}"


def rows(sql):
    return connection.execute(sql).fetchall()


@check("ATTACH")
def _():
    connection.execute(f"attach '{text}' as placido (type postgres, read_only)")


@check("tables and views are listed")
def _():
    found = rows("select schema_name, view_name from duckdb_views() where database_name = 'placido' union select schema_name, table_name from duckdb_tables() where database_name = 'placido'")
    assert ("gold", "eye_features") in found, found[:5]


@check("columns and types")
def _():
    found = dict(row[:2] for row in rows("describe placido.gold.eye_features"))
    equal((found["exam_date"], found["s_ant_axial_z80_mean"], found["age_years"]), ("DATE", "DOUBLE", "INTEGER"))
    equal(dict(row[:2] for row in rows("describe placido.silver.zernike"))["ant_elev_um"], "DOUBLE[]")


@check("a scan")
def _():
    assert rows("select count(*) from placido.silver.keratometry")[0][0] > 10
    assert len(rows("select eye, exam_date, age_years, s_ant_axial_z80_mean from placido.gold.eye_features")) > 10


@check("filters are pushed down")
def _():
    connection.execute("set pg_experimental_filter_pushdown = true")
    assert rows("select count(*) from placido.gold.eye_features where eye = 'OD' and age_years > 10 and exam_date > date '1990-01-01'")[0][0] > 0


@check("arrays")
def _():
    (value,) = rows("select ant_elev_um from placido.silver.zernike where ant_elev_um is not null limit 1")[0]
    assert isinstance(value, list) and value


@check("postgres_query with predict")
def _():
    equal(len(rows("select * from postgres_query('placido', $$select eye, predict('kc_dx') as said from gold.eye_features limit 3$$)")), 3)


@check("postgres_scan")
def _():
    assert rows(f"select count(*) from postgres_scan('{text}', 'silver', 'keratometry')")[0][0] > 10


@check("a join with a local table")
def _():
    connection.execute("create table chosen as select distinct exam_id from placido.gold.eye_features order by 1 limit 2")
    assert rows("select count(*) from chosen join placido.gold.eye_features using (exam_id)")[0][0] >= 2


@check("a copy into a local table")
def _():
    connection.execute("create table keratometry as from placido.silver.keratometry")
    equal(rows("select count(*) from keratometry"), rows("select count(*) from placido.silver.keratometry"))


@check("errors")
def _():
    raises(duckdb.Error, lambda: rows("from placido.gold.nothing_here"))
    raises(duckdb.Error, lambda: rows("select * from postgres_query('placido', 'select 1 / 0')"))
