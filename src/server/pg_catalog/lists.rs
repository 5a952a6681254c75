//! Relations of `pg_catalog` that list what the server has of itself: casts, languages, aggregates, rules, settings.

use datafusion::arrow::array::RecordBatch;
use datafusion::error::Result;

use super::cells::{Row, batch, row};
use super::objects::{OWNER, Objects, derived_oid};
use super::pg_types::type_named;
use super::relations::SETTINGS;
use crate::server::settings::Settings;

/// The first identifier of a cast, which PostgreSQL gives anew whenever it is installed.
const FIRST_CAST: usize = 10_035;

/// A line for each cast: from, to, context and method. Those by functions are said to go by text, because the functions that PostgreSQL
/// has for them are not here.
pub(super) fn casts() -> Vec<Row> {
    let lines = include_str!("casts.txt").lines().filter(|line| !line.starts_with('#'));
    let cast = |(position, line): (usize, &'static str)| {
        let mut words = line.split(' ');
        let (from, to) = (type_named(words.next()?)?, type_named(words.next()?)?);
        Some(row! {
            oid: FIRST_CAST + position, castsource: from, casttarget: to, castcontext: words.next()?, castmethod: words.next()?
        })
    };
    lines.enumerate().filter_map(cast).collect()
}

/// The languages of functions: all are built in.
pub(super) fn languages() -> Vec<Row> {
    [(12_u32, "internal", false), (13, "c", false), (14, "sql", true)]
        .into_iter()
        .map(|(oid, lanname, trusted)| row! { oid: oid, lanname: lanname, lanowner: OWNER.0, lanpltrusted: trusted })
        .collect()
}

/// Aggregates, each with the type of its result as that of its state.
pub(super) fn aggregates(objects: &Objects) -> Vec<Row> {
    let functions = objects.functions.iter().filter(|function| function.kind == 'a');
    let aggregate = |function: &super::objects::FunctionObject| {
        row! {
            aggfnoid: function.oid, aggkind: if ORDERED.contains(&function.name.as_str()) { 'o' } else { 'n' },
            aggfinalmodify: 'r', aggmfinalmodify: 'r', aggtranstype: function.shape.result
        }
    };
    functions.map(aggregate).collect()
}

/// Aggregates that are written with WITHIN GROUP.
const ORDERED: &[&str] = &["percentile_cont", "percentile_disc", "mode"];

/// The rule that makes a relation a view.
pub(super) fn rules(objects: &Objects) -> Vec<Row> {
    let views = objects.relations.iter().filter(|relation| relation.is_view);
    let rule = |view: &super::objects::RelationObject| {
        row! {
            oid: derived_oid(&["rule", &view.schema, &view.name]), rulename: "_RETURN", ev_class: view.oid, ev_type: '1',
            ev_enabled: 'O', is_instead: true
        }
    };
    views.map(rule).collect()
}

/// The settings of a session as they are.
pub(super) fn settings(settings: &Settings) -> Result<Option<RecordBatch>> {
    let rows: Vec<Row> = Settings::defaults()
        .map(|(name, value, about)| {
            let now = settings.get(name).unwrap_or_else(|| value.to_owned());
            let source = if now == value { "default" } else { "session" };
            row! {
                name: name, setting: now, category: "placido", short_desc: about, context: "user", vartype: "string",
                source: source, boot_val: value, reset_val: value
            }
        })
        .collect();
    batch(super::SCHEMA, SETTINGS, &rows)
}
