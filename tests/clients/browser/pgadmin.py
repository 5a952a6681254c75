"""pgAdmin 4 in a browser: connects, opens the tree and its panes, queries, explains, cancels. README.md beside this tells how to run it."""

import re
from pathlib import Path

from common import Session, environment

BASE = environment("PGADMIN_URL")
LOG = Path(environment("PGADMIN_LOG"))

SQL = """select diagnosis, eye, count(*) as eyes, round(avg(k_ant_d30_k_steep), 2) as steep, max(exam_date) as latest
from gold.eye_features where diagnosis is not null group by diagnosis, eye order by eyes desc, diagnosis, eye"""

JOIN = """select f.diagnosis, count(*) as measurements
from gold.eye_features f join gold.eye_measurements m on m.scan_id = f.scan_id
group by f.diagnosis order by measurements desc"""

# Would run for hours; where it can't be cancelled it ends all the same.
LONG = "set statement_timeout = 60000; select count(*) from generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y) where x % 7 = y % 11"

IN_DATABASE = {"Casts", "Catalogs", "Event Triggers", "Extensions", "Foreign Data Wrappers", "Languages", "Publications", "Schemas",
               "Subscriptions"}
IN_SCHEMA = {"Aggregates", "Collations", "Domains", "FTS Configurations", "FTS Dictionaries", "FTS Parsers", "FTS Templates",
             "Foreign Tables", "Functions", "Materialized Views", "Operators", "Procedures", "Sequences", "Tables",
             "Trigger Functions", "Types", "Views"}
SCHEMAS = {"bronze", "gold", "ml", "public", "raw", "serving", "silver", "system"}

# The tree draws only the rows that fit in the window.
TALL = {"width": 1280, "height": 4000}
FLAT = {"width": 1280, "height": 800}


def main():
    session = Session("pgadmin")
    page = session.page
    before = LOG.stat().st_size
    # Would cover everything after it. What it says is in the log, which is read at the end.
    page.add_locator_handler(page.locator(".MuiDialog-container", has_text="Failed to retrieve data").first,
                             lambda: page.get_by_role("button", name="OK", exact=True).click())

    @session.check("connects by its form, with a password")
    def _():
        page.goto(f"{BASE}/browser/")
        page.get_by_text("Add New Server").click()
        # The form takes the focus to its first field a moment after it appears.
        page.wait_for_timeout(1500)
        page.fill("input[name=name]:visible", "placido")
        page.get_by_role("tab", name="Connection", exact=True).click()
        page.wait_for_timeout(1500)
        fields = {"host": "PGHOST", "port": "PGPORT", "db": "PGDATABASE", "username": "PGUSER", "password": "PGPASSWORD"}
        for name, variable in fields.items():
            page.fill(f"input[name={name}]:visible", environment(variable))
        with page.expect_response("**/browser/server/obj/**") as answer:
            page.locator("button[data-test=Save]:visible").click()
        assert answer.value.ok and answer.value.json()["node"]["connected"], answer.value.text()
        # pgAdmin wants it back in each request.
        session.token = answer.value.request.headers["x-pga-csrftoken"]

    if session.failed:
        session.end()

    @session.check("draws the dashboard's charts")
    def _():
        with page.expect_response("**/dashboard/dashboard_stats/**") as answer:
            page.locator(".dock-tab", has_text="Dashboard").click()
        assert answer.value.ok, answer.value.text()
        # Some seconds of them.
        page.wait_for_timeout(8000)
        assert not page.get_by_text("An error occurred whilst rendering the graph").count(), "graphs show an error"
        assert page.locator("canvas").count() >= 5, "graphs are missing"
        session.picture("dashboard")

    @session.check("shows sessions and settings")
    def _():
        page.get_by_role("tab", name="State", exact=True).click()
        page.get_by_text("pgAdmin 4 - DB:placido").first.wait_for()
        page.get_by_role("tab", name="Configuration", exact=True).click()
        page.get_by_text("application_name").first.wait_for()

    tree = Tree(page)

    @session.check("lists databases")
    def _():
        page.set_viewport_size(TALL)
        # The server and the database have the same name.
        tree.open(2, "placido")
        tree.has(3, {"Databases", "Login/Group Roles", "Tablespaces"})
        tree.open(3, "Databases")
        tree.has(4, {"placido"})

    @session.check("lists roles and tablespaces")
    def _():
        for kind, name in [("Login/Group Roles", environment("PGUSER")), ("Tablespaces", "pg_default")]:
            tree.open(3, kind)
            tree.has(4, {name})

    @session.check("lists casts, extensions, languages, foreign data wrappers and schemas")
    def _():
        tree.open(4, "placido")
        tree.has(5, IN_DATABASE)
        for kind in sorted(IN_DATABASE - {"Schemas"}):
            tree.open(5, kind)
        tree.open(5, "Schemas")
        tree.has(6, SCHEMAS)

    @session.check("lists what a schema holds")
    def _():
        tree.open(6, "gold")
        tree.has(7, IN_SCHEMA)
        for kind in sorted(IN_SCHEMA - {"Views"}):
            tree.open(7, kind)

    @session.check("describes a function: properties and SQL")
    def _():
        tree.open(6, "public")
        tree.open(7, "Functions")
        tree.item(8, re.compile(r"^alpins\(")).click()
        pane(page, "Properties")
        page.locator("input[name=name][value=alpins]:visible").wait_for()
        pane(page, "SQL")
        page.locator(".cm-content:visible", has_text="CREATE OR REPLACE FUNCTION public.alpins").wait_for()

    @session.check("statistics, dependencies and dependents of a function")
    def _():
        panes(page, {"Statistics": "stats", "Dependencies": "dependency", "Dependents": "dependent"})

    @session.check("lists views with their columns")
    def _():
        tree.open(7, "Views")
        tree.has(8, {"eye_features", "eye_measurements"})
        tree.open(8, "eye_features")
        tree.has(9, {"Columns", "Rules", "Triggers"})
        tree.open(9, "Columns")
        tree.has(10, {"exam_id", "diagnosis", "age_years"})

    @session.check("describes a view: properties and SQL")
    def _():
        tree.item(8, "eye_features").click()
        pane(page, "Properties")
        page.locator("input[name=name][value=eye_features]:visible").wait_for()
        pane(page, "SQL")
        page.locator(".cm-content:visible", has_text="CREATE OR REPLACE VIEW gold.eye_features").wait_for()
        page.set_viewport_size(FLAT)
        page.wait_for_timeout(1000)
        session.picture("view")
        page.set_viewport_size(TALL)
        page.wait_for_timeout(1000)

    @session.check("dependencies and dependents of a view")
    def _():
        panes(page, {"Dependencies": "dependency", "Dependents": "dependent"})

    @session.check("describes a column")
    def _():
        # A click on an open node shuts it.
        tree.open(8, "eye_features")
        tree.open(9, "Columns")
        tree.item(10, "diagnosis").click()
        pane(page, "Properties")
        page.locator("input[name=name][value=diagnosis]:visible").wait_for()

    @session.check("runs a query in the Query Tool")
    def _():
        tree.item(8, "eye_features").click()
        page.set_viewport_size(FLAT)
        page.keyboard.press("Alt+Shift+Q")
        session.tool = frame(page, "is_query_tool=true")
        run(session, SQL)
        assert cells(session.tool, "diagnosis"), "no rows"
        session.tool.get_by_role("gridcell", name="keratoconus").first.wait_for()
        # Its tooltip would cover the query.
        session.tool.locator(".cm-content").first.hover()
        page.wait_for_timeout(1000)
        session.picture("query")

    @session.check("shows an error of the server with its hint")
    def _():
        run(session, "select * from gold.eye_featurs")
        session.tool.get_by_text("Perhaps you meant").first.wait_for()

    @session.check("draws a plan of EXPLAIN ANALYZE")
    def _():
        run(session, JOIN, "Explain Analyze")
        session.tool.get_by_text("Aggregate").first.wait_for()
        session.tool.get_by_role("tab", name="Analysis").click()
        session.tool.get_by_text("Aggregate").locator("visible=true").first.wait_for()
        session.tool.get_by_role("tab", name="Graphical").click()
        session.tool.locator(".cm-content").first.hover()
        page.wait_for_timeout(1000)
        session.picture("explain")

    @session.check("cancels a query")
    def _():
        run(session, LONG)
        # It has to have reached the server.
        page.wait_for_timeout(2000)
        session.tool.locator("button[data-label='Cancel query']").click()
        session.tool.get_by_text(re.compile("cancel", re.I)).locator("visible=true").first.wait_for()
        run(session, "select 'still here' as answer")
        session.tool.get_by_role("gridcell", name="still here").wait_for()

    @session.check("shows the data of a view")
    def _():
        page.set_viewport_size(TALL)
        tree.item(8, "eye_measurements").click(button="right")
        page.get_by_text("View/Edit Data", exact=True).last.hover()
        page.get_by_text("First 100 Rows", exact=True).last.click()
        data = frame(page, "is_query_tool=false")
        assert cells(data, "scan_id"), "no rows"

    @session.check("every kind of object: properties, SQL, dependencies, dependents, statistics")
    def _():
        bad = Walk(page, session.token).bad
        assert not bad, "; ".join(bad)

    @session.check("no statement of pgAdmin's own fails")
    def _():
        wrong = failures(before)
        assert not wrong, "; ".join(wrong)

    session.end()


class Tree:
    """The object explorer. A node is named by its depth, from 1 on, and its label; of several the last one is meant."""

    def __init__(self, page):
        self.page = page

    def item(self, depth, name):
        if isinstance(name, str):
            name = re.compile(f"^{re.escape(name)}$")
        label = self.page.locator(".file-name", has_text=name)
        return self.page.locator(f".file-entry.depth-{depth}").filter(has=label).last

    def open(self, depth, name):
        shut = self.item(depth, name).locator(".directory-toggle:not(.open)")
        self.item(depth, name).wait_for()
        # A click while the tree still draws itself can get lost.
        for _ in range(5):
            if not shut.count():
                return
            shut.click()
            self.page.wait_for_timeout(1500)
        raise AssertionError(f"{name} does not open")

    def has(self, depth, names):
        for name in sorted(names):
            self.item(depth, name).wait_for()


def pane(page, name):
    page.locator(".dock-tab", has_text=re.compile(f"^{name}")).first.click()


def panes(page, paths):
    for name, path in paths.items():
        with page.expect_response(f"**/{path}/**") as answer:
            pane(page, name)
        assert answer.value.ok, answer.value.text()


def frame(page, address):
    """The frame of a tool that was just opened."""
    for _ in range(100):
        found = [frame for frame in page.frames if address in frame.url]
        if found:
            return found[-1]
        page.wait_for_timeout(200)
    raise AssertionError(f"no frame of {address}")


def run(session, sql, button="Execute script"):
    session.tool.locator(".cm-content").first.click()
    session.page.keyboard.press("Control+A")
    session.page.keyboard.insert_text(sql)
    # Shuts the list of completions, which would take the click.
    session.page.keyboard.press("Escape")
    session.tool.get_by_role("button", name=button, exact=True).click()


def cells(tool, column):
    """Waits for a grid that has this column; its cells below the head."""
    tool.get_by_role("columnheader", name=re.compile(f"^{column}")).wait_for()
    tool.get_by_role("gridcell").first.wait_for()
    return tool.get_by_role("gridcell").all_inner_texts()


class Walk:
    """Asks for what the panes ask, of the first objects of each kind in each place. The same requests as a person's clicks, sooner."""

    PANES = ["obj", "sql", "dependency", "dependent", "stats"]
    FIRST = {"schema": 9, "view": 2, "function": 3, "role": 5}

    def __init__(self, page, token):
        self.page = page
        self.token = token
        self.bad = []
        # pgAdmin numbers groups and servers of its own from 1 on; this one is the newest.
        server = max((int(node["_id"]) for node in self.ask("server", "nodes", [1], True)), default=1)
        self.node({"_type": "server", "_id": server}, [1])

    def ask(self, kind, what, path, collection=False):
        place = f"/browser/{kind}/{what}/{'/'.join(map(str, path))}{'/' if collection else ''}"
        answer = self.page.request.get(BASE + place, headers={"X-pgA-CSRFToken": self.token})
        # This kind has no such pane.
        if answer.status in (404, 405, 406):
            return []
        if not answer.ok:
            self.bad.append(f"{place}: {answer.json().get('errormsg', '')[:120]}")
            return []
        answer = answer.json()
        found = (answer.get("data") or answer.get("result")) if isinstance(answer, dict) else answer
        return found if isinstance(found, list) else [found] if found else []

    def node(self, node, path):
        kind, path = node["_type"], [*path, node["_id"]]
        for what in self.PANES:
            self.ask(kind, what, path)
        if kind in ("view", "table"):
            self.ask(kind, "select_sql", path)
        for child in self.ask(kind, "children", path) if node.get("inode", True) or kind == "view" else []:
            if child["_type"].startswith("coll-"):
                self.collection(child["_type"].removeprefix("coll-"), path)

    def collection(self, kind, path):
        self.ask(kind, "obj", path, True)
        for node in self.ask(kind, "nodes", path, True)[: self.FIRST.get(kind, 2)]:
            self.node(node, path)


def failures(start):
    """The errors that pgAdmin wrote into its log after `start`, each once with its statement's beginning."""
    with LOG.open(errors="replace") as log:
        log.seek(start)
        entries = re.split(r"\n(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", log.read())
    statements, found = {}, {}
    for entry in entries:
        number = re.search(r"\(Query-id: (\d+)\):\n", entry)
        if number and "Failed to execute query" in entry:
            message = " ".join(entry[number.end():].removeprefix("Error Message:").split())
            # The two that were meant.
            if "eye_featurs" not in message and "cancel" not in message:
                found.setdefault(message, statements.get(number[1], "")[:150])
        elif number:
            statements[number[1]] = " ".join(entry[number.end():].split())
    return [f"{message} ({statement})" for message, statement in found.items()]


main()
