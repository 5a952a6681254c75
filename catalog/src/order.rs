//! The order of the views: pure, names in, order out.

use std::collections::{BTreeMap, BTreeSet};

/// The floors of `sql/`, from the ground up. A view names views of its own floor or of those below.
pub const FLOORS: [&str; 5] = ["raw", "bronze", "silver", "gold", "serving"];

/// A view and the tables that it names, all as `schema.name`.
#[derive(Debug, Clone)]
pub struct Node {
    /// The view.
    pub name: String,
    /// What it names.
    pub references: Vec<String>,
}

/// Why there is no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderError {
    /// A view names something that is neither a view nor a base table.
    Unknown {
        /// The view.
        view: String,
        /// The name.
        reference: String,
        /// A name that differs little from it.
        nearest: Option<String>,
    },
    /// A view names a view of a higher floor.
    Upward {
        /// The view.
        view: String,
        /// What it names.
        reference: String,
    },
    /// Views that need each other, the first one repeated at the end.
    Cycle(Vec<String>),
}

/// Indices of `nodes` such that each comes after those that it names; among those that are free, the order of `nodes`.
///
/// # Errors
/// The first unknown name, upward reference or cycle.
pub fn order(nodes: &[Node], base_tables: &BTreeSet<String>) -> Result<Vec<usize>, OrderError> {
    let index: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.name.as_str(), at)).collect();
    for node in nodes {
        for reference in &node.references {
            if !index.contains_key(reference.as_str()) && !base_tables.contains(reference) {
                let names = nodes.iter().map(|node| &node.name).chain(base_tables).map(String::as_str);
                return Err(OrderError::Unknown {
                    view: node.name.clone(),
                    reference: reference.clone(),
                    nearest: nearest(reference, names).map(str::to_owned),
                });
            }
            if floor(reference) > floor(&node.name) {
                return Err(OrderError::Upward { view: node.name.clone(), reference: reference.clone() });
            }
        }
    }

    let mut placed = Vec::with_capacity(nodes.len());
    let mut state = vec![State::New; nodes.len()];
    let mut path = Vec::new();
    for at in 0..nodes.len() {
        place(at, nodes, &index, &mut state, &mut path, &mut placed)?;
    }
    Ok(placed)
}

/// The name among `names` that is nearest to `name`, if one is near at all. Bare names are compared with the last part too, so
/// that a forgotten schema is found.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let last = |name: &'a str| name.rsplit('.').next().unwrap_or(name);
    let likeness = |candidate: &'a str| {
        let whole = strsim::jaro_winkler(name, candidate);
        let part = strsim::jaro_winkler(name.rsplit('.').next().unwrap_or(name), last(candidate)) - 0.02;
        if whole > part { whole } else { part }
    };
    names
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// How high a name stands; schemas outside the floors (`system`, `ml`) stand on the ground.
fn floor(name: &str) -> usize {
    let schema = name.split('.').next().unwrap_or_default();
    FLOORS.iter().position(|floor| *floor == schema).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Placed,
}

fn place<'a>(
    at: usize,
    nodes: &'a [Node],
    index: &BTreeMap<&str, usize>,
    state: &mut [State],
    path: &mut Vec<&'a str>,
    placed: &mut Vec<usize>,
) -> Result<(), OrderError> {
    let (Some(node), Some(now)) = (nodes.get(at), state.get_mut(at)) else { return Ok(()) };
    match *now {
        State::Placed => return Ok(()),
        State::Open => {
            let begin = path.iter().position(|name| *name == node.name).unwrap_or_default();
            let mut cycle: Vec<String> = path.iter().skip(begin).map(|name| (*name).to_owned()).collect();
            cycle.push(node.name.clone());
            return Err(OrderError::Cycle(cycle));
        }
        State::New => *now = State::Open,
    }
    path.push(&node.name);
    for reference in &node.references {
        if let Some(below) = index.get(reference.as_str()) {
            place(*below, nodes, index, state, path, placed)?;
        }
    }
    path.pop();
    if let Some(now) = state.get_mut(at) {
        *now = State::Placed;
    }
    placed.push(at);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn nodes(views: &[(&str, &[&str])]) -> Vec<Node> {
        let node = |(name, references): &(&str, &[&str])| Node {
            name: (*name).to_owned(),
            references: references.iter().map(|name| (*name).to_owned()).collect(),
        };
        views.iter().map(node).collect()
    }

    fn base() -> BTreeSet<String> {
        BTreeSet::from(["raw.ms39".to_owned()])
    }

    #[test]
    fn a_view_comes_after_what_it_names() {
        let nodes = nodes(&[("gold.b", &["silver.a", "bronze.x"]), ("silver.a", &["bronze.x"]), ("bronze.x", &["raw.ms39"])]);
        assert_eq!(order(&nodes, &base()).unwrap(), [2, 1, 0]);
    }

    #[test]
    fn a_cycle_is_shown_whole() {
        let nodes = nodes(&[("silver.a", &["silver.b"]), ("silver.b", &["silver.c"]), ("silver.c", &["silver.b"])]);
        let cycle = ["silver.b", "silver.c", "silver.b"].map(str::to_owned).to_vec();
        assert_eq!(order(&nodes, &base()), Err(OrderError::Cycle(cycle)));
    }

    #[test]
    fn a_floor_does_not_name_a_higher_one() {
        let nodes = nodes(&[("silver.a", &["gold.b"]), ("gold.b", &["raw.ms39"])]);
        let error = OrderError::Upward { view: "silver.a".to_owned(), reference: "gold.b".to_owned() };
        assert_eq!(order(&nodes, &base()), Err(error));
    }

    #[test]
    fn an_unknown_name_comes_with_the_nearest() {
        let error = order(&nodes(&[("bronze.x", &["raw.ms93"])]), &base()).unwrap_err();
        assert!(matches!(error, OrderError::Unknown { nearest: Some(nearest), .. } if nearest == "raw.ms39"));
    }
}
