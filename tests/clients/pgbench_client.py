"""pgbench with scripts of its own, in its three modes."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

from checks import check, version

program = shutil.which("pgbench")
if program is None:
    sys.exit("pgbench is not installed")
version("pgbench", subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[2])

SCRIPT = """\\set age random(1, 90)
select eye, count(*) from gold.eye_features where age_years > :age group by eye;
select predict('kc_dx') from gold.eye_features where age_years = :age limit 1;
begin;
select 1;
commit;
"""

for mode in ("simple", "extended", "prepared"):
    @check(f"-M {mode}, 4 clients")
    def _():
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(SCRIPT)
            file.flush()
            done = subprocess.run([program, "-n", "-M", mode, "-c", "4", "-j", "2", "-t", "5", "-f", file.name], capture_output=True, text=True, timeout=120)
        told = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 0 and re.search(r"actually processed: 20/20", told), told

@check("-M prepared with a pipeline")
def _():
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write("\\startpipeline\nselect 1;\nselect 2;\n\\endpipeline\n")
        file.flush()
        done = subprocess.run([program, "-n", "-M", "prepared", "-c", "2", "-t", "5", "-f", file.name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "10/10" in done.stdout, done.stdout + done.stderr
