"""dbt: a small project over the gold views, in a scratch schema."""

import importlib.metadata
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from checks import check, equal, version

version("dbt", f"dbt-core {importlib.metadata.version('dbt-core')}, dbt-postgres {importlib.metadata.version('dbt-postgres')}")
PROGRAM = pathlib.Path(sys.executable).parent / "dbt"

FILES = {
    "dbt_project.yml": "name: clinic\nversion: '1.0'\nprofile: clinic\nmodel-paths: [models]\nseed-paths: [seeds]\nflags:\n  send_anonymous_usage_stats: false\n"
                       "models:\n  clinic:\n    +persist_docs: {relation: true, columns: true}\n",
    "profiles.yml": "clinic:\n  target: test\n  outputs:\n    test:\n      type: postgres\n      host: \"{{ env_var('PGHOST') }}\"\n      port: \"{{ env_var('PGPORT') | as_number }}\"\n"
                    "      user: \"{{ env_var('PGUSER') }}\"\n      password: ''\n      dbname: \"{{ env_var('PGDATABASE') }}\"\n      schema: dbt_clinic\n      threads: 2\n",
    "models/sources.yml": "version: 2\nsources:\n  - name: gold\n    tables:\n      - name: eye_features\n",
    "models/eyes.sql": "{{ config(materialized='view') }}\nselect exam_id, eye, age_years, diagnosis from {{ source('gold', 'eye_features') }}\n",
    "models/diagnoses.sql": "{{ config(materialized='table') }}\nselect diagnosis, count(*) as eyes, avg(age_years) as age from {{ ref('eyes') }} where diagnosis is not null group by 1\n",
    "models/schema.yml": "version: 2\nmodels:\n  - name: diagnoses\n    description: Eyes by diagnosis.\n    columns:\n      - name: diagnosis\n        description: the clinician's word\n"
                         "        tests: [unique, not_null]\n  - name: eyes\n    columns:\n      - name: eye\n        tests:\n          - accepted_values: {values: [OD, OS]}\n",
    "seeds/sites.csv": "site,beds\nnorth,3\nsouth,5\n",
}

with tempfile.TemporaryDirectory() as folder:
    for name, text in FILES.items():
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def dbt(*arguments):
        done = subprocess.run([PROGRAM, "--no-use-colors", *arguments], cwd=folder, capture_output=True, text=True, timeout=300,
                              env={**os.environ, "DBT_PROFILES_DIR": folder, "DO_NOT_TRACK": "1"})
        if done.returncode != 0:
            lines = [line for line in done.stdout.splitlines() if "rror" in line]
            raise AssertionError(" ".join(lines[:4]) or done.stdout[-300:])
        return done.stdout

    @check("dbt debug")
    def _():
        dbt("debug")

    @check("dbt seed")
    def _():
        dbt("seed")

    @check("dbt run: a view and a table")
    def _():
        assert "PASS=2" in dbt("run"), "not two models"

    @check("dbt run again replaces both")
    def _():
        assert "PASS=2" in dbt("run"), "not two models"

    @check("dbt test")
    def _():
        assert "PASS=3" in dbt("test"), "not three tests"

    @check("dbt docs generate reads the catalog")
    def _():
        dbt("docs", "generate")
        catalog = json.loads(pathlib.Path(folder, "target/catalog.json").read_text())
        node = catalog["nodes"]["model.clinic.diagnoses"]
        equal([column["name"] for column in node["columns"].values()], ["diagnosis", "eyes", "age"])
        equal(catalog["sources"]["source.clinic.gold.eye_features"]["metadata"]["type"], "VIEW")

    @check("dbt show")
    def _():
        assert "north" in dbt("show", "--inline", "select * from {{ ref('sites') }}")
