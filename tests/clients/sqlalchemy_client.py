"""SQLAlchemy and pandas: reflection, then frames."""

import datetime
import os

import pandas
import sqlalchemy
from sqlalchemy import MetaData, Table, bindparam, create_engine, func, inspect, select, text

from checks import check, equal, raises, version

version("SQLAlchemy", f"{sqlalchemy.__version__} with pandas {pandas.__version__}")

for driver in ("psycopg2", "psycopg", "pg8000"):
    url = sqlalchemy.URL.create(f"postgresql+{driver}", username=os.environ["PGUSER"], host=os.environ["PGHOST"],
                                port=int(os.environ["PGPORT"]), database=os.environ["PGDATABASE"])
    engine = create_engine(url)
    inspector = None

    @check(f"{driver}: connects and asks the version")
    def _():
        global inspector
        with engine.connect() as connection:
            equal(connection.execute(text("select 1")).scalar(), 1)
            assert connection.dialect.server_version_info >= (16,), connection.dialect.server_version_info
        inspector = inspect(engine)

    @check(f"{driver}: schemas, tables and views")
    def _():
        schemas = inspector.get_schema_names()
        assert {"raw", "bronze", "silver", "gold"} <= set(schemas), schemas
        assert "eye_features" in inspector.get_view_names(schema="gold")
        assert "ms39" in inspector.get_table_names(schema="raw"), inspector.get_table_names(schema="raw")
        assert inspector.has_table("eye_features", schema="gold") and not inspector.has_table("nothing", schema="gold")
        equal(inspector.default_schema_name, "gold")

    @check(f"{driver}: columns with types and comments")
    def _():
        columns = {column["name"]: column for column in inspector.get_columns("eye_features", schema="gold")}
        equal(str(columns["exam_date"]["type"]), "DATE")
        equal(str(columns["age_years"]["type"]), "INTEGER")
        equal(str(columns["s_ant_axial_z80_mean"]["type"]), "DOUBLE PRECISION")
        assert "8 mm" in columns["s_ant_axial_z80_mean"]["comment"]
        maps = {column["name"]: column["type"] for column in inspector.get_columns("zernike", schema="silver")}
        equal(str(maps["ant_elev_um"].item_type), "DOUBLE PRECISION")

    @check(f"{driver}: comments of tables")
    def _():
        assert inspector.get_table_comment("eye_features", schema="gold")["text"]

    @check(f"{driver}: keys, indexes and constraints")
    def _():
        for ask in (inspector.get_foreign_keys, inspector.get_indexes, inspector.get_unique_constraints, inspector.get_check_constraints):
            equal(ask("eye_features", schema="gold"), [])
        inspector.get_pk_constraint("eye_features", schema="gold")

    @check(f"{driver}: a view's query")
    def _():
        assert "select" in inspector.get_view_definition("eye_features", schema="gold").lower()

    @check(f"{driver}: whole schemas are reflected")
    def _():
        metadata = MetaData()
        metadata.reflect(engine, schema="silver", views=True)
        assert "silver.keratometry" in metadata.tables, list(metadata.tables)
        inspector.get_multi_columns(schema="gold", kind=sqlalchemy.engine.reflection.ObjectKind.ANY)
        equal(inspector.get_enums(schema="*"), [])
        equal(inspector.get_domains(), [])
        equal(inspector.get_sequence_names(), [])

    @check(f"{driver}: a query made of a reflected table")
    def _():
        table = Table("eye_features", MetaData(), autoload_with=engine, schema="gold")
        query = (select(table.c.eye, func.count().label("eyes"), func.avg(table.c.age_years))
                 .where(table.c.eye.in_(["OD", "OS"]), table.c.exam_date > datetime.date(1990, 1, 1))
                 .group_by(table.c.eye).order_by(table.c.eye).limit(5))
        with engine.connect() as connection:
            equal([row.eye for row in connection.execute(query)], ["OD", "OS"])

    @check(f"{driver}: parameters and a list of them")
    def _():
        query = text("select count(*) from gold.eye_features where eye in :eyes").bindparams(bindparam("eyes", expanding=True))
        with engine.connect() as connection:
            assert connection.execute(query, {"eyes": ["OD"]}).scalar() > 0

    @check(f"{driver}: rows are streamed")
    def _():
        with engine.connect() as connection:
            rows = connection.execution_options(yield_per=100).execute(text("select value from generate_series(1, 1000) as value"))
            equal(sum(row[0] for row in rows), 500500)

    @check(f"{driver}: pandas reads a query")
    def _():
        frame = pandas.read_sql("select exam_id, eye, exam_date, age_years, predict('kc_dx') as said from gold.eye_features", engine)
        equal((list(frame.columns), len(frame) > 10), (["exam_id", "eye", "exam_date", "age_years", "said"], True))
        chunks = list(pandas.read_sql("select value from generate_series(1, 1000) as value", engine, chunksize=400))
        equal([len(chunk) for chunk in chunks], [400, 400, 200])

    @check(f"{driver}: pandas reads a view by name")
    def _():
        frame = pandas.read_sql_table("keratometry", engine, schema="silver")
        assert len(frame) > 0 and "eye" in frame.columns

    @check(f"{driver}: pandas writes a scratch table")
    def _():
        frame = pandas.DataFrame({"eye": ["OD", "OS"], "k": [43.5, None]})
        with engine.begin() as connection:
            connection.execute(text("create temp table of_pandas (eye text, k double precision)"))
            frame.to_sql("of_pandas", connection, if_exists="append", index=False)
            equal(connection.execute(text("select count(*), count(k) from of_pandas")).fetchone(), (2, 1))

    @check(f"{driver}: an error is told apart")
    def _():
        with engine.connect() as connection:
            raises(sqlalchemy.exc.ProgrammingError, lambda: connection.execute(text("select * from nothing_here")))
