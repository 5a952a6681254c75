"""psql: the whole family of backslash commands, and what scripts do."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from checks import check, equal, version

if shutil.which("psql") is None:
    sys.exit("psql is not installed")
version("psql", subprocess.run(["psql", "--version"], capture_output=True, text=True).stdout.split()[2])


def psql(*commands, wrong=False):
    """What psql prints for some commands; it complains about nothing unless something is wrong."""
    arguments = ["psql", "-X", "-v", "ON_ERROR_STOP=0"]
    for command in commands:
        arguments += ["-c", command]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, env={**os.environ, "PAGER": "cat"})
    complaints = [line for line in done.stderr.splitlines() if not line.startswith("Did not find any")]
    if not wrong and complaints:
        raise AssertionError(f"{commands[-1]}: {' '.join(complaints)}")
    return done.stdout + ("\n".join(complaints) if wrong else "")


def script(text):
    """What psql prints for a script, in which backslash commands may follow SQL."""
    done = subprocess.run(["psql", "-X", "-f", "-"], input=text, capture_output=True, text=True, timeout=120, env={**os.environ, "PAGER": "cat"})
    if done.stderr:
        raise AssertionError(" ".join(done.stderr.split()))
    return done.stdout


def holds(text, *parts):
    for part in parts:
        if not re.search(part, text):
            raise AssertionError(f"no {part!r} in {text[:400]!r}")


for command, parts in [
    ("\\d", ["eye_features"]),
    ("\\d gold.eye_features", ['View "gold.eye_features"', r"exam_date +\| date"]),
    ("\\d+ gold.eye_features", ["8 mm", "View definition:", "(?i)select"]),
    ("\\d eye_features", ['View "gold.eye_features"']),
    ("\\d raw.ms39", ['Table "raw.ms39"']),
    ("\\d *.*", ["eye_features", "pg_class"]),
    ("\\d pg_catalog.pg_class", ["relname"]),
    ("\\d information_schema.tables", ["table_name"]),
    ("\\dt", []),
    ("\\dt *.*", ["ms39", "pg_class"]),
    ("\\dt+ raw.*", ["ms39"]),
    ("\\dv", ["eye_features"]),
    ("\\dv+ *.*", ["eye_features", "keratometry"]),
    ("\\dtvmsE+", ["eye_features"]),
    ("\\dS", ["pg_class"]),
    ("\\dn", ["gold", "silver"]),
    ("\\dn+", ["gold"]),
    ("\\df", ["zernike_fit"]),
    ("\\df zernike_fit", [r"double precision\[\]", "radius_mm double precision DEFAULT 3"]),
    ("\\df+ to_logmar", ["logMAR of a visual acuity"]),
    ("\\dfn pg_catalog.format_type", ["text", "oid, integer"]),
    ("\\da avg", ["avg"]),
    ("\\dfa", []),
    ("\\du", ["placido"]),
    ("\\du+", ["placido"]),
    ("\\dg", ["placido"]),
    ("\\dp", ["eye_features"]),
    ("\\z gold.*", ["eye_features"]),
    ("\\ddp", []),
    ("\\dT", []),
    ("\\dT+ float8", ["double precision"]),
    ("\\dTS", ["integer"]),
    ("\\di", []),
    ("\\di+ *.*", []),
    ("\\ds", []),
    ("\\dm", []),
    ("\\dE", []),
    ("\\dx", []),
    ("\\dx+", []),
    ("\\l", ["placido"]),
    ("\\l+", ["placido"]),
    ("\\db", ["pg_default"]),
    ("\\db+", ["pg_default"]),
    ("\\dA", ["heap"]),
    ("\\dA+", ["heap"]),
    ("\\dAc", []),
    ("\\dAf", []),
    ("\\dAo", []),
    ("\\dAp", []),
    ("\\dc", []),
    ("\\dC", []),
    ("\\dd", []),
    ("\\dD", []),
    ("\\des", []),
    ("\\det", []),
    ("\\deu", []),
    ("\\dew", []),
    ("\\dF", []),
    ("\\dFd", []),
    ("\\dFp", []),
    ("\\dFt", []),
    ("\\dl", []),
    ("\\dL", ["internal|sql|"]),
    ("\\do", []),
    ("\\dO", []),
    ("\\dOS", []),
    ("\\dP", []),
    ("\\drds", []),
    ("\\dRp", []),
    ("\\dRs", []),
    ("\\dX", []),
    ("\\dy", []),
    ("\\dconfig", []),
    ("\\dconfig *", ["search_path", "statement_timeout"]),
    ("\\sf zernike_fit", ["CREATE OR REPLACE FUNCTION", "RETURNS double precision"]),
    ("\\sf+ to_logmar", ["RETURNS"]),
    ("\\sv gold.eye_features", ["CREATE OR REPLACE VIEW gold.eye_features AS"]),
    ("\\conninfo", ["placido"]),
    ("\\encoding", ["UTF8"]),
]:
    @check(command)
    def _():
        holds(psql(command), *parts)


@check("\\gdesc")
def _():
    holds(script("select 1 as a, 2.5::float8 as b, array['x'] as c, current_database() as d \\gdesc"),
          r"a +\| integer", r"b +\| double precision", r"c +\| text\[\]", r"d +\| name")


@check("\\gexec")
def _():
    holds(script("select 'select 42 as answer' \\gexec"), "answer", "42")


@check("\\crosstabview, \\x, \\pset")
def _():
    holds(script("select eye, diagnosis, count(*) from gold.eye_features where diagnosis is not null group by 1, 2 \\crosstabview"), "keratoconus")
    holds(psql("\\x", "select 1 as one"), "RECORD 1")


@check("\\copy out and \\copy into a temporary table")
def _():
    with tempfile.TemporaryDirectory() as folder:
        psql(f"\\copy (select eye, 1.5 as k from gold.eye_features order by 1 limit 2) to '{folder}/eyes.csv' csv header")
        with open(f"{folder}/eyes.csv") as file:
            equal(file.read(), "eye,k\nOD,1.5\nOD,1.5\n")
        found = psql("create temp table eyes (eye text, k float8)", f"\\copy eyes from '{folder}/eyes.csv' csv header", "select sum(k) from eyes",
                     "\\d eyes")
        holds(found, "COPY 2", "3", "double precision")


@check("FETCH_COUNT reads through a cursor")
def _():
    found = psql("\\set FETCH_COUNT 7", "\\pset tuples_only", "select value from generate_series(1, 100) as value order by 1")
    equal([int(line) for line in found.split() if line.isdigit()], list(range(1, 101)))


@check("errors point at their place")
def _():
    holds(psql("select exam_id frm gold.eye_features e", wrong=True), "syntax error", "LINE 1:", r"\^")


@check("transactions, savepoints, variables")
def _():
    holds(psql("begin", "savepoint s", "select 1 / 0", "rollback to s", "select 7 as seven", "commit", wrong=True), "division by zero", "seven", "COMMIT")
    holds(script("\\set eye OD\nselect :'eye' as eye;\n"), "OD")


@check("tab completion finds views and columns")
def _():
    # The statement that psql 15 sends for "select * from gold.eye_<TAB>".
    holds(psql("SELECT pg_catalog.quote_ident(c.relname), NULL::pg_catalog.text FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n"
               " WHERE c.relkind IN ('r','S','v','m','f','p') AND substring(c.relname,1,4)='eye_' AND pg_catalog.pg_table_is_visible(c.oid)"
               " AND c.relnamespace = n.oid AND n.nspname = 'gold' LIMIT 1000"), "eye_features", "eye_measurements")
