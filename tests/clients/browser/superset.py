"""Apache Superset in a browser: connects, browses, queries, draws a chart. README.md beside this tells how to run it."""

import json

from common import Session, environment

BASE = environment("SUPERSET_URL")

SQL = """select diagnosis, eye, count(*) as eyes, round(avg(k_ant_d30_k_steep), 2) as steep, max(exam_date) as latest
from gold.eye_features where diagnosis is not null group by diagnosis, eye order by eyes desc, diagnosis, eye"""


def main():
    session = Session("superset")
    page = session.page

    @session.check("logs in")
    def _():
        page.goto(f"{BASE}/login/")
        page.fill("#username", environment("SUPERSET_USER"))
        page.fill("#password", environment("SUPERSET_PASSWORD"))
        page.locator("button[type=submit], input[type=submit]").first.click()
        page.locator("[data-test=navbar-top]").wait_for()

    @session.check("connects by its form, with a password")
    def _():
        page.goto(f"{BASE}/databaseview/list/")
        page.click("[data-test=btn-create-database]")
        form = page.locator(".ant-modal-container, .ant-modal-content").last
        form.get_by_text("PostgreSQL", exact=True).first.click()
        fields = {"host": "PGHOST", "port": "PGPORT", "database": "PGDATABASE", "username": "PGUSER", "password": "PGPASSWORD"}
        for name, variable in fields.items():
            field = form.locator(f"input[name={name}]")
            with page.expect_response("**/validate_parameters/"):
                field.fill(environment(variable))
                field.blur()
        with page.expect_response("**/validate_parameters/"):
            form.locator("input[name=database_name]").fill("placido")
            form.locator("input[name=database_name]").blur()
        form.get_by_role("button", name="Connect", exact=True).click()
        form.get_by_role("button", name="Finish", exact=True).click()
        page.get_by_role("cell", name="placido").first.wait_for()

    @session.check("lists schemas")
    def _():
        page.goto(f"{BASE}/sqllab/")
        page.get_by_text("Add a new tab").first.click()
        page.locator("[data-test=DatabaseSelector]").click()
        page.locator(".ant-select", has_text="Select schema").last.click()
        for schema in ["bronze", "gold", "ml", "raw", "serving", "silver", "system"]:
            page.locator(".ant-select-item-option", has_text=schema).first.wait_for()
        page.locator(".ant-select-item-option", has_text="gold").click()
        page.get_by_role("button", name="Select", exact=True).click()

    @session.check("lists views with their columns and types")
    def _():
        tree = page.locator("[data-test=sql-editor-left-bar]")
        tree.get_by_text("gold", exact=True).last.click()
        tree.get_by_text("eye_features", exact=True).first.click()
        tree.get_by_text("age_years", exact=True).first.wait_for()
        page.wait_for_timeout(1000)
        session.picture("browse")

    @session.check("runs a query in SQL Lab")
    def _():
        page.locator(".ace_content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text(SQL)
        page.keyboard.press("Escape")
        with page.expect_response("**/api/v1/sqllab/execute/") as answer:
            page.locator("[data-test=run-query-action]").click()
        result = answer.value.json()
        names = [column["column_name"] for column in result["columns"]]
        assert names == ["diagnosis", "eye", "eyes", "steep", "latest"], names
        assert result["data"], result
        page.get_by_role("gridcell", name="keratoconus").first.wait_for()
        session.picture("query")

    @session.check("shows an error of the server with its hint")
    def _():
        page.locator(".ace_content").first.click()
        page.keyboard.press("Control+A")
        page.keyboard.insert_text("select * from gold.eye_featurs")
        page.keyboard.press("Escape")
        page.locator("[data-test=run-query-action]").click()
        page.get_by_text("eye_featurs").last.wait_for()
        page.get_by_text("Perhaps you meant").first.wait_for()

    @session.check("makes a dataset of a view")
    def _():
        page.goto(f"{BASE}/dataset/add/")
        for label, choice in [("Select database", "placido"), ("Select schema", "gold"), ("Select table", "eye_features")]:
            page.locator(".ant-select", has_text=label).last.click()
            page.locator(".ant-select-item-option", has_text=choice).first.click()
        page.get_by_text("diagnosis", exact=True).first.wait_for()
        page.get_by_role("button", name="Create and explore dataset").click()
        page.wait_for_url("**/chart/add/**")

    @session.check("draws a bar chart by diagnosis")
    def _():
        datasets = page.request.get(f"{BASE}/api/v1/dataset/").json()["result"]
        session.dataset = next(dataset["id"] for dataset in datasets if dataset["table_name"] == "eye_features")
        draw(session, "Eyes by diagnosis", "chart", {
            "viz_type": "echarts_timeseries_bar", "x_axis": "diagnosis", "groupby": ["eye"], "stack": "Stack",
            "metrics": ["count"], "adhoc_filters": [
                {"expressionType": "SIMPLE", "subject": "diagnosis", "operator": "IS NOT NULL", "clause": "WHERE"}],
            "row_limit": 1000, "show_legend": True, "show_value": True,
        })

    @session.check("draws a histogram")
    def _():
        draw(session, "Steep keratometry", "histogram", {
            "viz_type": "histogram_v2", "column": "k_ant_d30_k_steep", "groupby": ["diagnosis"], "bins": 20, "row_limit": 10000,
        })

    @session.check("draws a line over time, by month")
    def _():
        draw(session, "Exams by month", None, {
            "viz_type": "echarts_timeseries_line", "x_axis": "exam_date", "time_grain_sqla": "P1M", "groupby": [],
            "metrics": ["count"], "row_limit": 1000, "granularity_sqla": "exam_date", "time_range": "No filter",
        })

    @session.check("shows samples of a dataset")
    def _():
        page.get_by_text("Samples", exact=True).first.click()
        page.get_by_role("columnheader", name="exam_id").first.wait_for()

    session.end()


def draw(session, name, picture, form):
    """Saves a chart, opens it in the explorer and waits until it is drawn."""
    form = {"datasource": f"{session.dataset}__table", **form}
    request = session.page.request
    token = request.get(f"{BASE}/api/v1/security/csrf_token/").json()["result"]
    chart = {"slice_name": name, "viz_type": form["viz_type"], "datasource_id": session.dataset, "datasource_type": "table"}
    made = request.post(f"{BASE}/api/v1/chart/", data={**chart, "params": json.dumps(form)},
                        headers={"X-CSRFToken": token, "Referer": BASE})
    assert made.ok, made.text()
    with session.page.expect_response(lambda response: "/api/v1/chart/data" in response.url) as answer:
        session.page.goto(f"{BASE}/explore/?slice_id={made.json()['id']}")
    result = answer.value.json()
    assert answer.value.ok and result["result"][0]["data"], result
    session.page.locator("canvas").first.wait_for()
    # Bars grow for a moment.
    session.page.wait_for_timeout(2500)
    if picture:
        session.picture(picture)


main()
