"""psycopg 3: binary values, pipelines, server-side statements."""

import datetime
import decimal
import threading
import uuid

import psycopg
from psycopg.types.json import Json

from checks import check, equal, raises, version

version("psycopg", psycopg.__version__)
connection = psycopg.connect("", autocommit=True)

TYPES = (
    "select true, 7::smallint, 7, 7::bigint, 1.5::real, 2.5::float8, 12.50::numeric(10,2), 'ä'::text, date '2024-02-29',"
    " timestamp '2024-01-02 03:04:05.5', time '03:04:05', interval '1 day 2 hours', '\\x00ff'::bytea, array[1.5, null]::float8[],"
    " array['a', 'b c'], null::int"
)
EXPECTED = (
    True, 7, 7, 7, 1.5, 2.5, decimal.Decimal("12.50"), "ä", datetime.date(2024, 2, 29),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 500000), datetime.time(3, 4, 5), datetime.timedelta(days=1, hours=2), b"\x00\xff",
    [1.5, None], ["a", "b c"], None,
)


@check("types in text")
def _():
    equal(connection.execute(TYPES).fetchone(), EXPECTED)


@check("types in binary")
def _():
    equal(connection.cursor(binary=True).execute(TYPES).fetchone(), EXPECTED)


@check("parameters in text and binary")
def _():
    for binary in ("t", "b"):
        row = connection.execute(
            f"select %{binary}::float8 * 2, %{binary}::text, %{binary}::date + 1, %{binary}::numeric, %{binary}::int", 
            (1.25, "ß", datetime.date(2024, 2, 28), decimal.Decimal("0.10"), None)).fetchone()
        equal(row[:2], (2.5, "ß"))
        equal((str(row[2])[:10], row[3], row[4]), ("2024-02-29", decimal.Decimal("0.10"), None))


@check("arrays as parameters")
def _():
    rows = connection.execute("select eye, count(*) from gold.eye_features where eye = any(%s) group by 1 order by 1", (["OD", "OS"],))
    equal([eye for eye, _ in rows], ["OD", "OS"])
    equal(connection.execute("select 3 = any(%b)", ([1, 2, 3],)).fetchone(), (True,))


@check("prepared on the server")
def _():
    for eye in ("OD", "OS", "OD"):
        (count,) = connection.execute("select count(*) from gold.eye_features where eye = %s", (eye,), prepare=True).fetchone()
        assert count > 0
    (names,) = connection.execute("select count(*) from pg_prepared_statements where name like '_pg3%%'").fetchone()
    equal(names, 1)


@check("a pipeline")
def _():
    with connection.pipeline():
        cursors = [connection.execute("select %s::int * 2", (n,)) for n in range(50)]
    equal([cursor.fetchone()[0] for cursor in cursors], [n * 2 for n in range(50)])


@check("an error inside a pipeline ends it alone")
def _():
    def fail():
        with connection.pipeline():
            connection.execute("select 1 / 0")
            connection.execute("select 1")
    raises(psycopg.errors.DivisionByZero, fail)
    equal(connection.execute("select 1").fetchone(), (1,))


@check("executemany returns rows")
def _():
    cursor = connection.cursor()
    cursor.executemany("select %s::int + 1", [(1,), (2,)], returning=True)
    found = []
    while True:
        found.append(cursor.fetchone()[0])
        if not cursor.nextset():
            break
    equal(found, [2, 3])


@check("rows as a stream")
def _():
    equal(sum(value for (value,) in connection.cursor().stream("select value from generate_series(1, 5000) as value")), 12502500)


@check("a named cursor to its end")
def _():
    with connection.transaction(), connection.cursor(name="parts") as cursor:
        cursor.itersize = 300
        cursor.execute("select value from generate_series(1, 1000) as value order by 1")
        equal(len(cursor.fetchmany(10)), 10)
        equal(len(cursor.fetchall()), 990)


@check("COPY out in text and binary")
def _():
    with connection.cursor().copy("copy (select eye, 1.5::float8, null::int from gold.eye_features order by 1 limit 3) to stdout (format binary)") as copy:
        copy.set_types(["text", "float8", "int4"])
        equal(list(copy.rows()), [("OD", 1.5, None)] * 3)
    with connection.cursor().copy("copy (select 'a b', 2) to stdout") as copy:
        equal(list(copy.rows()), [("a b", "2")])


@check("COPY into a temporary table in binary")
def _():
    connection.execute("create temp table measured (eye text, k float8, seen date)")
    rows = [("OD", 43.25, datetime.date(2024, 2, 29)), ("OS", None, None)]
    with connection.cursor().copy("copy measured from stdin (format binary)") as copy:
        copy.set_types(["text", "float8", "date"])
        for row in rows:
            copy.write_row(row)
    equal(connection.execute("select * from measured order by eye").fetchall(), rows)


@check("transactions and savepoints")
def _():
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute("select 1 / 0")
        except psycopg.errors.DivisionByZero:
            pass
        equal(connection.execute("select 2").fetchone(), (2,))
    equal(connection.info.transaction_status, psycopg.pq.TransactionStatus.IDLE)


@check("cancel")
def _():
    threading.Timer(0.5, lambda: connection.cancel_safe(timeout=5)).start()
    raises(psycopg.errors.QueryCanceled,
           lambda: connection.execute("select max(value) from generate_series(1, 100000000000) as value"))


@check("statement_timeout")
def _():
    connection.execute("set statement_timeout = 300")
    raises(psycopg.errors.QueryCanceled,
           lambda: connection.execute("select max(value) from generate_series(1, 100000000000) as value"))
    connection.execute("reset statement_timeout")


@check("uuid and json")
def _():
    value = uuid.UUID("12345678-1234-5678-1234-567812345678")
    equal(str(connection.execute("select %s::uuid", (value,)).fetchone()[0]), str(value))
    equal(connection.execute("select %s::json", (Json({"a": [1, None]}),)).fetchone()[0], {"a": [1, None]})


@check("an error has its SQLSTATE, hint and position")
def _():
    error = raises(psycopg.errors.UndefinedTable, lambda: connection.execute("select * from gold.eye_featurs"))
    equal(error.sqlstate, "42P01")
    assert "eye_features" in (error.diag.message_hint or "")
    error = raises(psycopg.errors.SyntaxError, lambda: connection.execute("select 1 1"))
    equal(error.diag.statement_position, "10")


@check("types are looked up in the catalog")
def _():
    info = psycopg.types.TypeInfo.fetch(connection, "float8")
    equal((info.oid, info.array_oid), (701, 1022))
    equal(psycopg.types.composite.CompositeInfo.fetch(connection, "no_such_type"), None)
    equal(psycopg.types.enum.EnumInfo.fetch(connection, "no_such_type"), None)
    equal(psycopg.types.range.RangeInfo.fetch(connection, "no_such_type"), None)


@check("predict with a bound model")
def _():
    rows = connection.execute("select predict('kc_dx') from gold.eye_features where eye = %s limit 3", ("OD",)).fetchall()
    equal(len(rows), 3)
