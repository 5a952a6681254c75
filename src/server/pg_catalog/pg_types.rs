//! PostgreSQL's types, read from `types.txt`, with their names in SQL, and the functions that they name.

use std::sync::LazyLock;

/// A row of `types.txt`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PgTypeRow {
    pub(crate) oid: u32,
    pub(crate) name: &'static str,
    pub(crate) length: i16,
    pub(crate) columns: [&'static str; 18],
}

static PG_TYPES: LazyLock<Vec<PgTypeRow>> = LazyLock::new(|| {
    include_str!("types.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: [&'static str; 18] = line.split('|').collect::<Vec<_>>().try_into().ok()?;
            Some(PgTypeRow { oid: columns[0].parse().ok()?, name: columns[1], length: columns[2].parse().ok()?, columns })
        })
        .collect()
});

impl PgTypeRow {
    /// `pg_type.typtype`.
    pub(crate) fn kind(&self) -> &'static str {
        self.columns[4]
    }

    /// `pg_type.typelem`.
    pub(crate) fn element(&self) -> u32 {
        self.columns[8].parse().unwrap_or(0)
    }

    /// Whether it is an array type, as opposed to one that can merely be subscripted.
    pub(crate) fn is_array(&self) -> bool {
        self.name.starts_with('_') && self.element() != 0
    }
}

/// The type with this identifier.
pub(crate) fn pg_type(oid: u32) -> Option<&'static PgTypeRow> {
    pg_types().find(|row| row.oid == oid)
}

/// PostgreSQL's types.
pub(crate) fn pg_types() -> impl Iterator<Item = &'static PgTypeRow> {
    PG_TYPES.iter()
}

/// Functions of PostgreSQL that `pg_type` and `pg_am` name, by identifier. Nobody can call them here.
static PROCS: LazyLock<Vec<(u32, &'static str)>> = LazyLock::new(|| {
    let lines = include_str!("procs.txt").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).filter_map(|(oid, name)| Some((oid.parse().ok()?, name))).collect()
});

/// Those functions.
pub(crate) fn procs() -> impl Iterator<Item = (u32, &'static str)> {
    PROCS.iter().copied()
}

/// The identifier of such a function; 0, which is shown as `-`, for none.
pub(crate) fn proc_oid(name: &str) -> u32 {
    PROCS.iter().find(|(_, known)| *known == name).map_or(0, |(oid, _)| *oid)
}

/// `regprocout` for the functions that `pg_type` names.
pub(crate) fn proc_name(oid: u32) -> Option<&'static str> {
    if oid == 0 {
        return Some("-");
    }
    PROCS.iter().find(|(known, _)| *known == oid).map(|(_, name)| *name)
}

/// `format_type`: the name of a type as SQL writes it.
pub(crate) fn format_type(oid: u32, modifier: Option<i32>) -> String {
    let Some(row) = pg_types().find(|row| row.oid == oid) else {
        return if oid == 0 { "-".into() } else { "???".into() };
    };
    if row.is_array() {
        return format!("{}[]", format_type(row.element(), modifier));
    }
    let spelled = match row.name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "varchar" => "character varying",
        "bpchar" => "character",
        "char" => "\"char\"",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "varbit" => "bit varying",
        other => other,
    };
    match modifier.filter(|modifier| *modifier >= 4 && row.name == "numeric") {
        Some(modifier) => format!("numeric({},{})", (modifier - 4) >> 16, (modifier - 4) & 0xffff),
        None => spelled.to_owned(),
    }
}

/// The type of a name, in PostgreSQL's or in SQL's spelling.
pub(crate) fn type_named(name: &str) -> Option<u32> {
    let name = name.trim().trim_start_matches("pg_catalog.").trim_matches('"').to_lowercase();
    // Precision and length belong to a column, not to its type.
    let plain = match (name.find('('), name.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{}{}", name.get(..open).unwrap_or_default().trim_end(), name.get(close + 1..).unwrap_or_default())
        }
        _ => name,
    };
    let array =
        plain.strip_suffix("[]").and_then(type_named).and_then(pg_type).and_then(|element| element.columns[9].parse().ok());
    let spelled = || {
        let short = match plain.as_str() {
            "int" => "int4",
            "decimal" => "numeric",
            "float" => "float8",
            "timestamp" | "time" => plain.as_str(),
            _ => "",
        };
        pg_types().find(|row| row.name == short || format_type(row.oid, None) == plain)
    };
    array.or_else(|| pg_types().find(|row| row.name == plain).or_else(spelled).map(|row| row.oid))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_postgres_names_them() {
        // PostgreSQL 15: select format_type(oid, mod)
        for (oid, modifier, name) in [
            (701, None, "double precision"),
            (1022, None, "double precision[]"),
            (1700, Some(655_366), "numeric(10,2)"),
            (1184, None, "timestamp with time zone"),
            (25, None, "text"),
            (18, None, "\"char\""),
            (0, None, "-"),
        ] {
            assert_eq!(format_type(oid, modifier), name);
        }
        assert_eq!(type_named("double precision"), Some(701));
        assert_eq!(type_named("pg_catalog.int4"), Some(23));
        assert_eq!(type_named("int"), Some(23));
        assert_eq!(type_named("numeric(10,2)"), Some(1700));
        assert_eq!(type_named("double precision[]"), Some(1022));
        assert_eq!(type_named("no_such_type"), None);
    }
}
