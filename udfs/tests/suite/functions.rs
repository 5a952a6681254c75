//! The SQL functions as a person calls them: reference, NULLs, kinds of lists, metadata, messages.
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::support::*;
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, LargeListArray, ListArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Float64Type, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use placido_udfs::{FAMILIES, geometry};

pub(crate) fn context() -> SessionContext {
    let context = SessionContext::new();
    placido_udfs::register_all(&context);
    context
}

pub(crate) async fn batches(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let frame = context.sql(sql).await.map_err(|e| e.strip_backtrace())?;
    frame.collect().await.map_err(|e| e.strip_backtrace())
}

/// The first column of all rows, as text.
async fn column(context: &SessionContext, sql: &str) -> Vec<String> {
    let batches = batches(context, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let texts = |b: &RecordBatch| (0..b.num_rows()).map(|i| array_value_to_string(b.column(0), i).unwrap()).collect::<Vec<_>>();
    batches.iter().flat_map(texts).collect()
}

async fn value(sql: &str) -> String {
    column(&context(), &format!("select {sql}")).await.remove(0)
}

async fn error(sql: &str) -> String {
    batches(&context(), &format!("select {sql}")).await.expect_err(sql)
}

#[tokio::test]
async fn every_example_gives_what_the_reference_says() {
    let context = context();
    let mut wrong = Vec::new();
    for entry in FAMILIES.iter().flat_map(|f| f.entries()) {
        let (name, example) = (entry.head.name, entry.example);
        match batches(&context, &format!("select {}", example.sql)).await {
            Ok(batches) => {
                let got = array_value_to_string(batches[0].column(0), 0).unwrap();
                if got != example.output {
                    wrong.push(format!("{name}: got {got}, the reference says {}", example.output));
                }
            }
            Err(e) => wrong.push(format!("{name}: {e}")),
        }
        assert!(example.sql.contains(name), "{name} is not in its example");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_function_is_documented_and_named_once() {
    let mut names = HashSet::new();
    for entry in FAMILIES.iter().flat_map(|f| f.entries()) {
        let name = entry.head.name;
        assert!(names.insert(name), "{name} twice");
        assert!(entry.about.len() > 20 && entry.about.ends_with('.'), "{name}");
        let mut optional = false;
        for parameter in entry.head.parameters {
            assert!(!parameter.about.is_empty(), "{name} {}", parameter.name);
            assert!(!(optional && parameter.default.is_empty()), "{name}: required after optional");
            optional |= !parameter.default.is_empty();
        }
    }
    let registered = placido_udfs::functions().len() + placido_udfs::aggregates().len() + placido_udfs::windows().len();
    assert_eq!(names.len(), registered);
    assert!(placido_udfs::functions().iter().all(|f| f.documentation().is_some()));
    let page = placido_udfs::reference();
    assert!(names.iter().all(|name| page.contains(&format!("### `{name}`"))));
}

#[tokio::test]
async fn null_in_null_out() {
    let context = context();
    for entry in FAMILIES.iter().flat_map(|f| f.entries()).filter(|e| e.head.required() > 0) {
        let name = entry.head.name;
        let arguments = vec!["NULL"; entry.head.required()].join(", ");
        let over = if entry.kind == "window function" { " over ()" } else { "" };
        let got = column(&context, &format!("select {name}({arguments}){over} is null")).await;
        assert_eq!(got, ["true"], "{name}");
    }
}

#[tokio::test]
async fn wrong_calls_say_what_is_wrong() {
    for (sql, expected) in [
        ("zernike_fit(array_repeat(1.0, 100))", "7936 values, this list has 100"),
        ("zernike_fit('text')", "map is float8[]"),
        ("zernike_fit()", "takes 1 to 7 arguments, got 0"),
        ("zernike_fit(array_repeat(1.0, 7936), radius_mm => 7)", "7 mm does not fit a grid that ends at 6 mm"),
        ("zernike_fit(array_repeat(1.0, 7936), 3, 6, 'areal')", "'area', 'uniform', got 'areal'"),
        ("zernike_fit(array_repeat(1.0, 7936), 3, 99)", "max_order is 0 to 20, got 99"),
        ("zernike_fit(array_repeat(1.0, 7936), colour => 3)", "colour"),
        ("zernike_rms([1, 2, 3, 4], 'hoa')", "ends within a radial order"),
        ("zernike_rms([1, 2, 3], 'fun')", "family is one of total, loa"),
        ("map_statistics(array_repeat(1.0, 7936), zone_mm => 20)", "does not fit a grid"),
        ("polar_to_cartesian(array_repeat(1.0, 7936), size => 100000)", "2 to 2048 pixels"),
        ("polar_to_cartesian(array_repeat(1.0, 7936), size => 10.5)", "whole number"),
        ("convert_unit(1, 'mm', 'mm[Hg]')", "they measure different things"),
        ("convert_unit(1, 'parsec', 'mm')", "unit 'parsec' is not known"),
        ("parse_acuity('5/10', 'mine')", "scheme is one of 'bach'"),
        ("sim_k(array_repeat(7.8, 7936), diameter_mm => 30)", "30 mm diameter does not fit"),
        ("sim_k_from_elevation([1.0], [1.0, 2.0])", "256 points a ring"),
        ("map_minus(array_repeat(1.0, 7936), array_repeat(1.0, 8))", "this list has 8"),
    ] {
        let got = error(sql).await;
        assert!(got.contains(expected), "{sql}: {got}");
    }
}

#[tokio::test]
async fn options_by_name_and_null_for_their_default() {
    assert_eq!(value("array_length(zernike_fit(conic_map(7.8), radius_mm => 2.5, max_order => 4))").await, "15");
    assert_eq!(value("array_length(zernike_fit(conic_map(7.8), NULL, 4, NULL))").await, "15");
    let same = "zernike_fit(conic_map(7.8), 6.0 / 2)[5] = zernike_fit(conic_map(7.8), radius_mm => 3)[5]";
    assert_eq!(value(same).await, "true");
}

fn map_list(maps: &[Option<Vec<f64>>], keep_nan: bool) -> ListArray {
    let cells = |m: &Vec<f64>| m.iter().map(|v| (keep_nan || v.is_finite()).then_some(*v)).collect::<Vec<_>>();
    ListArray::from_iter_primitive::<Float64Type, _, _>(maps.iter().map(|m| m.as_ref().map(cells)))
}

fn fixed(list: &ListArray, size: usize) -> FixedSizeListArray {
    let kind = geometry::list_type(size);
    arrow::compute::cast(list, &kind).unwrap().as_fixed_size_list().clone()
}

fn register(context: &SessionContext, name: &str, column: ArrayRef, metadata: HashMap<String, String>) {
    let field = Field::new("m", column.data_type().clone(), true).with_metadata(metadata);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
    context.register_batch(name, batch).unwrap();
}

#[tokio::test]
async fn every_kind_of_list_and_slices_give_the_same() {
    let lid = eyelid();
    let full = map_of(GRID, |r, t| sag("S4", r, t));
    let maps = vec![
        Some(vec![9.0; 7936]),
        Some(full.clone()),
        None,
        Some(masked(&full, &lid)),
        Some(map_of(GRID, |r, t| sag("S3", r, t))),
        Some(vec![f64::NAN; 7936]),
    ];
    let list = map_list(&maps, false);
    let large: LargeListArray =
        arrow::compute::cast(&list, &DataType::LargeList(Arc::new(Field::new_list_field(DataType::Float64, true))))
            .unwrap()
            .as_list::<i64>()
            .clone();
    let context = context();
    let columns: [(&str, ArrayRef); 5] = [
        ("plain", Arc::new(list.slice(1, 5))),
        ("large", Arc::new(large.slice(1, 5))),
        ("fixed", Arc::new(fixed(&list, 7936).slice(1, 5))),
        ("nan", Arc::new(map_list(&maps, true).slice(1, 5))),
        ("whole", Arc::new(fixed(&map_list(&maps[1..], false), 7936))),
    ];
    for sql in [
        "zernike_fit(m)",
        "zernike_fit_detail(m, 4)",
        "map_statistics(m)",
        "elevation_residual(m)",
        "best_fit_sphere(m)",
        "toric_fit(m)",
        "meridian_conics(m)['q']",
        "array_slice(sag_to_radius(m, 'gaussian', 0.6, 'lenient'), 900, 960)",
        "corneal_wavefront(m)",
        "corneal_wavefront_total(m, m, 0.55)",
        "analyzed_area(m)",
        "iha_like(m)",
        "ctsp(m, 0.5, -1)",
        "array_slice(polar_to_cartesian(m, 21, 12, 'bicubic'), 200, 220)",
        "map_at(m, 0.5, -1)",
        "array_slice(map_mirror(m), 500, 600)",
    ] {
        let mut first: Option<Vec<String>> = None;
        for (name, column_of) in &columns {
            register(&context, name, Arc::clone(column_of), HashMap::new());
            let got = column(&context, &format!("select {sql} from {name}")).await;
            assert_eq!(got.len(), 5, "{sql}");
            assert_eq!(got[1], "", "{sql}: a NULL map gives NULL");
            assert_ne!(got[0], "", "{sql}");
            match &first {
                None => first = Some(got),
                Some(first) => assert_eq!(*first, got, "{sql} of {name}"),
            }
            context.deregister_table(*name).unwrap();
        }
    }
}

#[tokio::test]
async fn fits_through_sql_are_the_golden_fits() {
    let golden = json("zernike_fits.json");
    let case = golden["cases"].as_array().unwrap().iter().find(|c| {
        c["surface"].as_str().unwrap().starts_with("S4")
            && c["weighting"] == "area"
            && c["mask"] == "eyelid"
            && c["R_fit_mm"] == 4.0
    });
    let context = context();
    let map = masked(&map_of(GRID, |r, t| sag("S4", r, t)), &eyelid());
    register(&context, "maps", Arc::new(map_list(&[Some(map)], false)), HashMap::new());
    let result = batches(&context, "select zernike_fit(m, radius_mm => 4.0) from maps").await.unwrap();
    let values = result[0].column(0).as_fixed_size_list().value(0);
    let got: Vec<f64> = values.as_primitive::<Float64Type>().values().to_vec();
    all_close(&got, &numbers(&case.unwrap()["coeffs"]), 1e-9, "S4");
}

fn metadata(rings: usize, meridians: usize, step: f64, unit: &str) -> HashMap<String, String> {
    let json = format!(r#"{{"rings":{rings},"meridians":{meridians},"ring_step_mm":{step},"unit":"{unit}"}}"#);
    HashMap::from([
        (geometry::EXTENSION_NAME.to_owned(), geometry::POLAR_MAP.to_owned()),
        (geometry::EXTENSION_METADATA.to_owned(), json),
    ])
}

fn placido_statement(sql: &str) -> datafusion::sql::sqlparser::ast::Statement {
    let dialect = datafusion::sql::sqlparser::dialect::PostgreSqlDialect {};
    datafusion::sql::sqlparser::parser::Parser::parse_sql(&dialect, sql).unwrap().remove(0)
}

#[tokio::test]
async fn the_grid_comes_from_the_column() {
    let context = context();
    let grid = placido_udfs::optics::grid::PolarGrid::new(17, 64, 0.25).unwrap();
    let map = map_of(grid, |r, _| conic(r, 7.8, 0.0));
    let column_of = |keep| Arc::new(fixed(&map_list(&[Some(map.clone())], keep), grid.cells())) as ArrayRef;
    register(&context, "coarse", column_of(false), metadata(17, 64, 0.25, "mm"));
    let radius = "select round(best_fit_sphere(m)['radius_mm'], 9) from coarse";
    assert_eq!(column(&context, radius).await, ["7.8"]);
    // The grid travels through functions and subqueries; the unit changes with the meaning.
    let frame = context.sql("select elevation_residual(m) as e, radius_to_power(m) as p from coarse").await.unwrap();
    let schema = frame.schema().as_arrow().clone();
    for (index, unit) in [(0, "um"), (1, "[diop]")] {
        let json = &schema.field(index).metadata()[geometry::EXTENSION_METADATA];
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!((json["rings"].as_u64(), json["unit"].as_str()), (Some(17), Some(unit)));
    }
    let nested = "select round(zernike_fit(e, 3.0)[1], 6) from (select elevation_residual(m) as e from coarse)";
    assert_eq!(column(&context, nested).await.len(), 1);
    let refused = batches(&context, "select best_fit_sphere(elevation_residual(m)) from coarse").await.unwrap_err();
    assert!(refused.contains("map must be in 'mm', this column is in 'um'"), "{refused}");
    // What the column says of itself is not overridden by mistake.
    for call in ["sag_to_radius(m, ring_step_mm => 0.1)", "map_statistics(m, 4, 31)", "map_at(m, 0, 0, meridians => 256)"] {
        let mut statement = placido_statement(&format!("select {call} from coarse"));
        placido_udfs::fill_defaults(&mut statement);
        let refused = batches(&context, &statement.to_string()).await.unwrap_err();
        assert!(refused.contains("17 rings 0.25 mm apart and 64 meridians"), "{call}: {refused}");
    }
    assert_eq!(column(&context, "select map_at(m, 0, 0, 'bilinear', 'strict', 17, 0.25, 64) from coarse").await, ["0.0"]);
    // Without metadata the arguments say it; without both the length is refused.
    register(&context, "bare", column_of(false), HashMap::new());
    let told = "select round(best_fit_sphere(m, 8, 'float', 'area', 17, 0.25)['radius_mm'], 9) from bare";
    assert_eq!(column(&context, told).await, ["7.8"]);
    let refused = batches(&context, "select best_fit_sphere(m) from bare").await.unwrap_err();
    assert!(refused.contains("this list has 1088"), "{refused}");
    register(&context, "broken", column_of(false), metadata(31, 256, 0.2, "mm"));
    let refused = batches(&context, "select zernike_fit(m) from broken").await.unwrap_err();
    assert!(refused.contains("7936 values, this list has 1088"), "{refused}");
}

#[tokio::test]
async fn a_unit_that_does_not_fit_is_a_planning_error() {
    let context = context();
    let field = |name: &str, unit: &str| geometry::with_unit(Field::new(name, DataType::Float64, true), unit);
    let schema = Schema::new(vec![field("cct", "um"), field("r", "mm"), field("axis", "deg"), field("bare", "")]);
    let values = || Arc::new(arrow::array::Float64Array::from(vec![7.5])) as ArrayRef;
    let batch = RecordBatch::try_new(Arc::new(schema), (0..4).map(|_| values()).collect()).unwrap();
    context.register_batch("exam", batch).unwrap();
    for (sql, expected) in [
        ("zernike_rescale([1.0], cct, 1) from exam", "from_mm must be in 'mm', this column is in 'um'"),
        ("zernike_rotate([1.0], r) from exam", "degrees must be in 'deg', this column is in 'mm'"),
        ("map_at(conic_map(7.8), axis, 0) from exam", "x_mm must be in 'mm', this column is in 'deg'"),
        ("map_at(conic_map(7.8), (select cct from exam), 0)", "x_mm must be in 'mm', this column is in 'um'"),
        ("convert_unit(cct, 'mm', '[diop]') from exam", "the column is in 'um', from_unit says 'mm'"),
        ("convert_unit(bare, 'mm', 'mm[Hg]') from exam", "they measure different things"),
        ("zernike_rescale([1.0], x, 1) from (select convert_unit(r, 'mm', 'um') as x from exam)", "this column is in 'um'"),
    ] {
        // Nothing was run: the plan itself is refused.
        let refused = context.sql(&format!("select {sql}")).await.err().unwrap_or_else(|| panic!("{sql} was planned"));
        assert!(refused.strip_backtrace().contains(expected), "{sql}: {refused}");
    }
    let frame =
        context.sql("select convert_unit(cct, 'um', 'mm') as c, convert_unit(r, 'mm', '[diop]') as d from exam").await.unwrap();
    let unit = |index: usize| frame.schema().as_arrow().field(index).metadata()[geometry::UNIT].clone();
    assert_eq!((unit(0), unit(1)), ("mm".to_owned(), "[diop]".to_owned()));
    assert_eq!(column(&context, "select convert_unit(bare, 'mm', '[diop]') from exam").await, ["45.0"]);
}

/// Units are not lost or changed on the way.
#[tokio::test]
async fn units_are_kept() {
    let context = context();
    let unit = async |sql: &str| {
        let frame = context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        frame.schema().as_arrow().field(0).metadata().get(geometry::UNIT).cloned()
    };
    let um = Some("um".to_owned());
    assert_eq!(unit("select as_polar_map(elevation_residual(conic_map(7.8)))").await, um);
    assert_eq!(unit("select map_minus(array_repeat(1.0, 7936), elevation_residual(conic_map(7.8)))").await, um);
    assert_eq!(unit("select zernike_surface(zernike_fit(elevation_residual(conic_map(7.8))))").await, um);
    assert_eq!(unit("select zernike_rms(zernike_fit(elevation_residual(conic_map(7.8))))").await, um);
    let relabelled = error("as_polar_map(conic_map(7.8), 31, 256, 0.2, 'um')").await;
    assert!(relabelled.contains("unit says 'um', but this column is in 'mm'"), "{relabelled}");
    let radius = error("zernike_surface([1.0], radius_mm => -3)").await;
    assert!(radius.contains("radius_mm is above 0"), "{radius}");
}

/// A value that is not known yet does not refuse a plan; one that must be a literal says so.
#[tokio::test]
async fn parameters_of_prepared_statements() {
    let context = context();
    for sql in [
        "select best_fit_sphere(as_polar_map(conic_map(7.8)), $1)['radius_mm']",
        "select zernike_fit(conic_map(7.8), $1)[5] * 0 + 7.8",
    ] {
        let frame = context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let bound = frame.with_param_values(vec![datafusion::common::ScalarValue::from(4.0)]).unwrap();
        let batches = bound.collect().await.unwrap();
        assert_eq!(array_value_to_string(batches[0].column(0), 0).unwrap().get(..3), Some("7.8"), "{sql}");
    }
    assert!(error("zernike_surface([1.0], 3, 2 * 112)").await.contains("size must be a literal"));
}

/// The program of `examples/` runs in a plain session.
#[tokio::test]
async fn a_plain_program() {
    let printed = super::example::run().await.unwrap();
    let row = |name: &str| printed.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{printed}")).to_owned();
    let numbers = |line: String| line.split('|').filter_map(|c| c.trim().parse::<f64>().ok()).collect::<Vec<_>>();
    let (regular, cone) = (numbers(row("regular")), numbers(row("with a cone")));
    assert!(regular[2] < 0.01 && cone[2] > 1.0, "{printed}");
    assert!(cone[1] > regular[1] + 5.0, "{printed}");
    assert!(printed.contains("map must be in 'mm', this column is in 'um'"), "{printed}");
}

#[tokio::test]
async fn fields_of_structs() {
    assert_eq!(value("power_vector(-3, -1.5, 180)['j0']").await, "0.75");
    assert_eq!(value("power_vector(-3, -1.5, 180)['m']").await, "-3.75");
    assert_eq!(value("power_vector(-3, 0, NULL)['m']").await, "-3.0");
    assert_eq!(value("parse_acuity('10/10 P2')['parinaud']").await, "2.0");
    assert_eq!(value("parse_acuity('CF')['scheme']").await, "bach");
    assert_eq!(value("parse_acuity('75', NULL, 'ETDRS Letters')['letters']").await, "75.0");
    assert_eq!(value("to_logmar('0.5') is null").await, "true");
    assert_eq!(value("round(to_logmar('0.5', notation => 'decimal', scheme => 'lange'), 4)").await, "0.301");
    assert_eq!(value("to_logmar('CLD', scheme => 'lange')").await, "1.98");
}

#[tokio::test]
async fn columns_of_numbers() {
    let context = context();
    let table = "(values (-3.0, -1.5, 180.0), (NULL, -1.5, 180.0), (1.0, 0.0, NULL), (0.0, 'NaN'::double, 90.0)) as t(s, c, a)";
    let got = column(&context, &format!("select power_vector(s, c, a)['m'] from {table}")).await;
    assert_eq!(got, ["-3.75", "", "1.0", ""]);
    let got = column(&context, "select to_logmar(v) from (values ('6/6'), ('garbage'), (NULL), ('HM')) as t(v)").await;
    assert_eq!(got, ["0.0", "", "", "2.3"]);
}
