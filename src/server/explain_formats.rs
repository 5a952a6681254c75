//! Plans in the formats that programs read: JSON, XML and YAML, in PostgreSQL's layout.

use std::fmt::Write;

use super::text::json_string;

/// What is said of a node and of those below it.
pub(super) struct Tree {
    pub(super) members: Vec<(&'static str, Member)>,
    pub(super) children: Vec<Tree>,
}

/// A value of one name.
pub(super) enum Member {
    Text(String),
    /// A number or a truth value.
    Plain(String),
    List(Vec<String>),
}

fn quoted(value: &str) -> String {
    let mut out = String::new();
    json_string(&mut out, value);
    out
}

/// `FORMAT JSON`.
pub(super) fn json(root: &Tree, times: &[(&str, f64)]) -> String {
    let mut out = String::from("[\n  {\n    \"Plan\": ");
    json_node(root, 2, &mut out);
    for (name, took) in times {
        let _ = write!(out, ",\n    \"{name}\": {took:.3}");
    }
    out.push_str("\n  }\n]");
    out
}

fn json_node(node: &Tree, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth + 1);
    out.push('{');
    for (position, (name, value)) in node.members.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        let value = match value {
            Member::Text(text) => quoted(text),
            Member::Plain(plain) => plain.clone(),
            Member::List(values) => format!("[{}]", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ")),
        };
        let _ = write!(out, "{comma}\n{indent}\"{name}\": {value}");
    }
    if !node.children.is_empty() {
        let _ = write!(out, ",\n{indent}\"Plans\": [");
        for (position, child) in node.children.iter().enumerate() {
            let _ = write!(out, "{}\n{indent}  ", if position == 0 { "" } else { "," });
            json_node(child, depth + 2, out);
        }
        let _ = write!(out, "\n{indent}]");
    }
    let _ = write!(out, "\n{}}}", "  ".repeat(depth));
}

/// `FORMAT XML`.
pub(super) fn xml(root: &Tree, times: &[(&str, f64)]) -> String {
    let mut out = String::from("<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query>\n");
    xml_node(root, 2, &mut out);
    for (name, took) in times {
        let tag = name.replace(' ', "-");
        let _ = writeln!(out, "    <{tag}>{took:.3}</{tag}>");
    }
    out.push_str("  </Query>\n</explain>");
    out
}

fn escaped(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#x0d;")
}

fn xml_node(node: &Tree, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(out, "{indent}<Plan>");
    for (name, value) in &node.members {
        let tag = name.replace(' ', "-");
        let _ = match value {
            Member::Text(value) | Member::Plain(value) => writeln!(out, "{indent}  <{tag}>{}</{tag}>", escaped(value)),
            Member::List(values) => {
                let items: String = values.iter().map(|value| format!("{indent}    <Item>{}</Item>\n", escaped(value))).collect();
                writeln!(out, "{indent}  <{tag}>\n{items}{indent}  </{tag}>")
            }
        };
    }
    if !node.children.is_empty() {
        let _ = writeln!(out, "{indent}  <Plans>");
        node.children.iter().for_each(|child| xml_node(child, depth + 2, out));
        let _ = writeln!(out, "{indent}  </Plans>");
    }
    let _ = writeln!(out, "{indent}</Plan>");
}

/// `FORMAT YAML`.
pub(super) fn yaml(root: &Tree, times: &[(&str, f64)]) -> String {
    let mut out = String::from("- Plan: ");
    yaml_node(root, 2, false, &mut out);
    for (name, took) in times {
        let _ = write!(out, "\n  {name}: {took:.3}");
    }
    out
}

/// `begun` says that the first name stands behind the dash of a list.
fn yaml_node(node: &Tree, depth: usize, begun: bool, out: &mut String) {
    let indent = "  ".repeat(depth);
    for (position, (name, value)) in node.members.iter().enumerate() {
        if position > 0 || !begun {
            let _ = write!(out, "\n{indent}");
        }
        let _ = match value {
            Member::Text(text) => write!(out, "{name}: {}", quoted(text)),
            Member::Plain(plain) => write!(out, "{name}: {plain}"),
            Member::List(values) => {
                let items: String = values.iter().map(|value| format!("\n{indent}  - {}", quoted(value))).collect();
                write!(out, "{name}: {items}")
            }
        };
    }
    if !node.children.is_empty() {
        let _ = write!(out, "\n{indent}Plans: ");
        for child in &node.children {
            let _ = write!(out, "\n{indent}  - ");
            yaml_node(child, depth + 2, true, out);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let node = |kind: &str, children| Tree {
            members: vec![("Node Type", Member::Text(kind.to_owned())), ("Plan Rows", Member::Plain("1".to_owned()))],
            children,
        };
        node("Limit", vec![node("Seq Scan <a>", Vec::new())])
    }

    #[test]
    fn layouts_are_those_of_postgres() {
        // PostgreSQL 15: explain (format …) select … limit 1
        assert_eq!(
            xml(&tree(), &[("Planning Time", 0.5)]),
            "<explain xmlns=\"http://www.postgresql.org/2009/explain\">\n  <Query>\n    <Plan>\n      <Node-Type>Limit</Node-Type>\n      \
             <Plan-Rows>1</Plan-Rows>\n      <Plans>\n        <Plan>\n          <Node-Type>Seq Scan &lt;a&gt;</Node-Type>\n          \
             <Plan-Rows>1</Plan-Rows>\n        </Plan>\n      </Plans>\n    </Plan>\n    <Planning-Time>0.500</Planning-Time>\n  \
             </Query>\n</explain>"
        );
        assert_eq!(
            yaml(&tree(), &[("Planning Time", 0.5)]),
            "- Plan: \n    Node Type: \"Limit\"\n    Plan Rows: 1\n    Plans: \n      - Node Type: \"Seq Scan <a>\"\n        Plan Rows: 1\n  \
             Planning Time: 0.500"
        );
        assert!(json(&tree(), &[]).contains("\"Plans\": [\n        {\n          \"Node Type\""));
    }
}
