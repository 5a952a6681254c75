"""psycopg 2: what a notebook does."""

import datetime
import decimal
import io
import threading
import time

import psycopg2
import psycopg2.extras

from checks import check, equal, raises, version

version("psycopg2", psycopg2.__version__.split()[0])
connection = psycopg2.connect("")
connection.autocommit = True
cursor = connection.cursor()


def one(sql, *values):
    cursor.execute(sql, values)
    return cursor.fetchone()


@check("types in text")
def _():
    row = one(
        "select true, 7::smallint, 7, 7::bigint, 1.5::real, 2.5::float8, 12.50::numeric(10,2), 'ä', date '2024-02-29',"
        " timestamp '2024-01-02 03:04:05.5', '\\x00ff'::bytea, array[1.5, null, 2.5]::float8[], array['a', 'b c'], null"
    )
    equal(row[:10], (True, 7, 7, 7, 1.5, 2.5, decimal.Decimal("12.50"), "ä", datetime.date(2024, 2, 29),
                     datetime.datetime(2024, 1, 2, 3, 4, 5, 500000)))
    equal(bytes(row[10]), b"\x00\xff")
    equal(row[11:], ([1.5, None, 2.5], ["a", "b c"], None))


@check("timestamps with a zone")
def _():
    cursor.execute("set timezone = 'Europe/Rome'")
    row = one("select timestamptz '2024-07-01 12:00:00+00'")
    equal(row[0].utcoffset(), datetime.timedelta(hours=2))
    cursor.execute("reset timezone")


@check("parameters")
def _():
    cursor.execute("select distinct eye from gold.eye_features where eye = any(%s) and exam_date > %s order by 1",
                   (["OD", "OS"], datetime.date(1990, 1, 1)))
    equal(cursor.fetchall(), [("OD",), ("OS",)])
    equal(one("select %s + %s, %s", decimal.Decimal("1.25"), 1, None), (decimal.Decimal("2.25"), None))
    equal(one("select 1 where 'OD' in %s", ("OD", "OS")), (1,))


@check("a named cursor reads in parts")
def _():
    connection.autocommit = False
    with connection.cursor("parts") as parts:
        parts.itersize = 100
        parts.execute("select value from generate_series(1, 1000) as value order by 1")
        equal(sum(value for (value,) in parts), 500500)
    connection.rollback()
    connection.autocommit = True


@check("execute_values in a query")
def _():
    rows = psycopg2.extras.execute_values(
        cursor, "select sum(a) from (values %s) as v(a, b)", [(1, "x"), (2, "y")], fetch=True)
    equal(rows, [(3,)])


@check("rows as dictionaries")
def _():
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as named:
        named.execute("select 1 as one, 'x' as two")
        equal(dict(named.fetchone()), {"one": 1, "two": "x"})


@check("COPY out as csv")
def _():
    out = io.StringIO()
    cursor.copy_expert("copy (select eye, count(*) as eyes from gold.eye_features group by 1 order by 1) to stdout csv header", out)
    lines = out.getvalue().splitlines()
    equal((lines[0], len(lines)), ("eye,eyes", 3))


@check("an error has its SQLSTATE and hint")
def _():
    error = raises(psycopg2.errors.UndefinedTable, lambda: cursor.execute("select * from gold.eye_featurs"))
    equal(error.pgcode, "42P01")
    assert "eye_features" in error.diag.message_hint, error.diag.message_hint
    raises(psycopg2.errors.UndefinedColumn, lambda: cursor.execute("select nothing from gold.eye_features"))
    raises(psycopg2.errors.DivisionByZero, lambda: cursor.execute("select 1 / 0"))
    raises(psycopg2.errors.SyntaxError, lambda: cursor.execute("selec 1"))


@check("a failed transaction is told so")
def _():
    connection.autocommit = False
    raises(psycopg2.errors.UndefinedColumn, lambda: cursor.execute("select nothing from gold.eye_features"))
    raises(psycopg2.errors.InFailedSqlTransaction, lambda: cursor.execute("select 1"))
    connection.rollback()
    equal(one("select 1"), (1,))
    connection.commit()
    connection.autocommit = True


@check("cancel")
def _():
    threading.Timer(0.5, connection.cancel).start()
    raises(psycopg2.errors.QueryCanceled,
           lambda: cursor.execute("select max(value) from generate_series(1, 100000000000) as value"))


@check("statement_timeout")
def _():
    cursor.execute("set statement_timeout = '300ms'")
    raises(psycopg2.errors.QueryCanceled,
           lambda: cursor.execute("select max(value) from generate_series(1, 100000000000) as value"))
    cursor.execute("reset statement_timeout")


@check("predict")
def _():
    cursor.execute("select exam_id, eye, predict('kc_dx') as said from gold.eye_features order by 1, 2 limit 5")
    rows = cursor.fetchall()
    equal(len(rows), 5)
    assert all(isinstance(said, str) for _, _, said in rows), rows


@check("a map is a list of numbers")
def _():
    (map_,) = one("select ant_elev_um from silver.zernike where ant_elev_um is not null limit 1") or ([],)
    assert isinstance(map_, list) and map_, map_


@check("a composite is json")
def _():
    (value,) = one("select power_vector(-2, -1, 90)")
    equal(round(value["m"], 6), -2.5)


@check("a temporary table and COPY into it")
def _():
    cursor.execute("create temp table acuities (eye text, logmar float8)")
    cursor.copy_expert("copy acuities from stdin with (format csv)", io.StringIO("OD,0.1\nOS,\n"))
    cursor.execute("select eye, logmar from acuities order by 1")
    equal(cursor.fetchall(), [("OD", 0.1), ("OS", None)])
    cursor.execute("drop table acuities")


@check("notices and parameters of the connection")
def _():
    assert connection.server_version >= 160000, connection.server_version
    equal(connection.get_parameter_status("standard_conforming_strings"), "on")
    equal(connection.encoding, "UTF8")
