"""asyncpg: everything in binary, types looked up by itself."""

import asyncio
import datetime
import decimal

import asyncpg

from checks import equal, version

version("asyncpg", asyncpg.__version__)


async def check(name, test):
    try:
        await asyncio.wait_for(test(), 20)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"fails\t{name}\t{reason[:300]}", flush=True)
    else:
        print(f"works\t{name}", flush=True)


async def raises(kind, awaitable):
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


async def main():
    connection = await asyncpg.connect()

    async def types():
        row = await connection.fetchrow(
            "select true, 7::smallint, 7, 7::bigint, 1.5::real, 2.5::float8, 12.50::numeric(10,2), 'ä'::text, date '2024-02-29',"
            " timestamp '2024-01-02 03:04:05.5', timestamptz '2024-01-02 03:04:05+00', time '03:04:05', '\\x00ff'::bytea, null::int")
        equal(tuple(row), (
            True, 7, 7, 7, 1.5, 2.5, decimal.Decimal("12.50"), "ä", datetime.date(2024, 2, 29),
            datetime.datetime(2024, 1, 2, 3, 4, 5, 500000),
            datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), datetime.time(3, 4, 5), b"\x00\xff", None))

    async def arrays():
        row = await connection.fetchrow("select array[1.5, null]::float8[], array['a', 'b c'], array[date '2024-02-29']")
        equal(tuple(row), ([1.5, None], ["a", "b c"], [datetime.date(2024, 2, 29)]))
        coefficients = await connection.fetchval("select ant_elev_um from silver.zernike where ant_elev_um is not null limit 1")
        assert isinstance(coefficients, list) and coefficients

    async def parameters():
        rows = await connection.fetch("select eye, count(*) from gold.eye_features where eye = any($1::text[]) group by 1 order by 1", ["OD", "OS"])
        equal([row["eye"] for row in rows], ["OD", "OS"])
        equal(await connection.fetchval("select count(*) > 0 from gold.eye_features where eye = any($1)", ["OD"]), True)
        equal(await connection.fetchval("select count(*) > 0 from gold.eye_features where age_years = any($1::bigint[])", list(range(100))), True)
        equal(await connection.fetchval("select $1::numeric * 2", decimal.Decimal("1.05")), decimal.Decimal("2.10"))
        equal(await connection.fetchval("select $1::date", datetime.date(2024, 2, 29)), datetime.date(2024, 2, 29))
        equal(await connection.fetchval("select $1::text", None), None)
        equal(await connection.fetchval("select $1::timestamptz", datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)),
              datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc))

    async def prepared():
        statement = await connection.prepare("select count(*) from gold.eye_features where eye = $1 and age_years > $2")
        equal([kind.name for kind in statement.get_parameters()][0], "text")
        assert await statement.fetchval("OD", 10) > 0
        assert await statement.fetchval("OS", 10) > 0

    async def cursors():
        async with connection.transaction():
            total = 0
            async for row in connection.cursor("select value from generate_series(1, 1000) as value", prefetch=64):
                total += row[0]
            equal(total, 500500)
            cursor = await connection.cursor("select value from generate_series(1, 10) as value order by 1")
            await cursor.forward(5)
            equal([row[0] for row in await cursor.fetch(2)], [6, 7])

    async def many():
        await connection.executemany("select $1::int", [(1,), (2,), (3,)])

    async def timeout():
        await raises(asyncio.TimeoutError,
                     connection.fetchval("select max(value) from generate_series(1, 100000000000) as value", timeout=0.5))
        equal(await connection.fetchval("select 1"), 1)

    async def copy():
        import io
        out = io.BytesIO()
        await connection.copy_from_query("select eye from gold.eye_features where eye = $1 limit 2", "OD", output=out, format="csv")
        equal(out.getvalue(), b"OD\nOD\n")
        out = io.BytesIO()
        await connection.copy_from_table("keratometry", schema_name="silver", columns=["eye"], output=out)
        assert out.getvalue()

    async def copy_in():
        await connection.execute("create temp table seen (eye text, k float8)")
        equal(await connection.copy_records_to_table("seen", records=[("OD", 43.5), ("OS", None)], columns=["eye", "k"]), "COPY 2")
        equal([tuple(row) for row in await connection.fetch("select * from seen order by 1")], [("OD", 43.5), ("OS", None)])

    async def transactions():
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            equal(await connection.fetchval("select 1"), 1)
            error = None
            try:
                async with connection.transaction():
                    await connection.fetchval("select 1 / 0")
            except asyncpg.DivisionByZeroError as raised:
                error = raised
            equal(error.sqlstate, "22012")
            equal(await connection.fetchval("select 2"), 2)

    async def errors():
        error = await raises(asyncpg.UndefinedTableError, connection.fetch("select * from gold.eye_featurs"))
        assert "eye_features" in error.hint
        await raises(asyncpg.UndefinedColumnError, connection.fetch("select nothing from gold.eye_features"))
        await raises(asyncpg.PostgresSyntaxError, connection.fetch("selec 1"))

    async def pool():
        async with asyncpg.create_pool(min_size=1, max_size=3) as pool:
            async def use(n):
                async with pool.acquire() as one:
                    return await one.fetchval("select $1::int * 2", n)
            equal(await asyncio.gather(*(use(n) for n in range(12))), [n * 2 for n in range(12)])

    async def composite():
        value = await connection.fetchval("select power_vector(-2, -1, 90)")
        assert '"m":-2.5' in value, value

    async def catalog():
        await connection.set_type_codec("json", encoder=str, decoder=lambda text: ("decoded", text), schema="pg_catalog")
        equal((await connection.fetchval("select power_vector(-2, -1, 90)"))[0], "decoded")
        await connection.reset_type_codec("json", schema="pg_catalog")

    async def predict():
        rows = await connection.fetch("select predict('kc_dx') as said from gold.eye_features where exam_id = any($1::text[])",
                                      [await connection.fetchval("select min(exam_id) from gold.eye_features")])
        assert rows and isinstance(rows[0]["said"], str)

    for name, test in [
        ("types in binary", types), ("arrays", arrays), ("parameters", parameters), ("prepared statements", prepared),
        ("cursors", cursors), ("executemany", many), ("timeout cancels", timeout), ("COPY out", copy),
        ("COPY into a temporary table", copy_in), ("transactions and savepoints", transactions), ("errors", errors),
        ("a pool resets its connections", pool), ("a composite is json", composite), ("a codec for a type", catalog),
        ("predict", predict),
    ]:
        await check(name, test)
    await connection.close()


asyncio.run(main())
