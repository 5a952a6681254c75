"""pgcli: what it asks for its completion."""

import os
import re

import pgcli
from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial

from checks import check, equal, version

version("pgcli", pgcli.__version__)
execute = PGExecute(database=os.environ["PGDATABASE"], user=os.environ["PGUSER"], host=os.environ["PGHOST"], port=os.environ["PGPORT"])


@check("schemata and search_path")
def _():
    assert {"gold", "silver"} <= set(execute.schemata())
    assert "gold" in execute.search_path(), execute.search_path()


@check("tables, views and their columns")
def _():
    assert ("raw", "ms39") in list(execute.tables())
    assert ("gold", "eye_features") in list(execute.views())
    assert any(column[:3] == ("gold", "eye_features", "exam_date") for column in execute.view_columns())
    assert any(column[:2] == ("raw", "ms39") for column in execute.table_columns())


@check("functions with their arguments")
def _():
    found = {function.func_name: function for function in execute.functions()}
    equal(list(found["zernike_fit"].arg_names[:2]), ["map", "radius_mm"])
    equal(found["zernike_fit"].return_type, "double precision[]")


@check("types, databases, foreign keys")
def _():
    list(execute.datatypes())
    assert "placido" in execute.databases()
    equal(list(execute.foreignkeys()), [])


@check("the casing of names")
def _():
    list(execute.casing())


@check("a query and a special command")
def _():
    for _, rows, columns, _, _, success, _ in execute.run("select eye, count(*) from gold.eye_features group by 1 order by 1"):
        assert success and columns == ["eye", "count"], columns
        equal([row[0] for row in rows], ["OD", "OS"])
    for command in ("\\dt *.*", "\\dv gold.*", "\\df zernike_fit", "\\dn", "\\l", "\\du", "\\d gold.eye_features"):
        for _, _, _, status, _, success, _ in execute.run(command, pgspecial=PGSpecial()):
            assert success, (command, status)


@check("the definition of a view and of a function")
def _():
    assert re.search("(?i)select", execute.view_definition("gold.eye_features"))
    assert "RETURNS" in execute.function_definition("zernike_fit")
