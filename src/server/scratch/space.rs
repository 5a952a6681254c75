//! What a scratch space holds at one moment: schemas with tables and views, all of it immutable.
//!
//! A change makes a new space that shares what stays as it is. So a statement and a transaction read one state whatever others do,
//! and taking something back is forgetting the newer state.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::datatypes::{DataType, SchemaRef};

use super::part::Part;
use crate::access::acl::Acl;

/// The schema of a session's temporary tables, as SQL names it.
pub(crate) const TEMP: &str = "pg_temp";

/// Numbers that are never given twice in one process: of tables, and of the states of definitions.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What is known of a column besides its type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnNotes {
    /// An expression of SQL.
    pub(crate) default: Option<String>,
    pub(crate) comment: Option<String>,
    /// The most characters that a text may have: `varchar(n)`.
    pub(crate) length: Option<u32>,
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    pub(crate) primary: bool,
}

/// What becomes of a temporary table when a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum OnCommit {
    #[default]
    PreserveRows,
    DeleteRows,
    Drop,
}

/// A table at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Stays the same when the table is renamed or written to.
    pub(crate) id: u64,
    pub(crate) owner: String,
    /// What others may do with it.
    pub(crate) acl: Acl,
    pub(crate) comment: Option<String>,
    pub(crate) schema: SchemaRef,
    /// One for each column.
    pub(crate) columns: Arc<Vec<ColumnNotes>>,
    pub(crate) keys: Arc<Vec<Key>>,
    pub(crate) on_commit: OnCommit,
    pub(crate) parts: Vec<Arc<Part>>,
}

impl Table {
    pub(crate) fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.rows()).sum()
    }

    /// The same definition without a row.
    pub(crate) fn without_rows(&self) -> Self {
        Self { parts: Vec::new(), ..self.clone() }
    }

    /// The table with more rows. The parts from `stable` on may be joined with them, so that many small writes do not make a table of
    /// many small parts.
    pub(crate) fn with_more(&self, more: Part, stable: usize) -> Self {
        let mut parts = self.parts.clone();
        let mut last = more;
        while parts.len() > stable
            && let Some(before) = parts.last()
            && let Some(joined) = Part::join(before, &last)
        {
            parts.pop();
            last = joined;
        }
        parts.push(Arc::new(last));
        Self { parts, ..self.clone() }
    }

    /// Whether this is `base` with parts added and nothing else changed.
    fn extends(&self, base: &Table) -> bool {
        self.same_definition(base)
            && self.parts.len() >= base.parts.len()
            && self.parts.iter().zip(&base.parts).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
    }

    fn same_definition(&self, other: &Table) -> bool {
        self.id == other.id
            && self.schema == other.schema
            && self.columns == other.columns
            && self.keys == other.keys
            && self.comment == other.comment
            && self.owner == other.owner
            && self.acl == other.acl
    }
}

/// A view.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) owner: String,
    /// What others may do with it.
    pub(crate) acl: Acl,
    /// Whether it is read with the rights of whoever asks, and not with those of its owner.
    pub(crate) security_invoker: bool,
    pub(crate) comment: Option<String>,
    pub(crate) schema: SchemaRef,
    pub(crate) column_comments: Vec<Option<String>>,
    /// The query with every relation named in full.
    pub(crate) query: String,
    /// The names of its columns, where they are not those of the query.
    pub(crate) names: Vec<String>,
    /// The relations that the query names, as schema and name.
    pub(crate) reads: Vec<(String, String)>,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    Table(Arc<Table>),
    View(Arc<View>),
}

impl Object {
    pub(crate) fn is_view(&self) -> bool {
        matches!(self, Object::View(_))
    }

    /// The word for it in SQL.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_view() { "view" } else { "table" }
    }

    pub(crate) fn owner(&self) -> &str {
        match self {
            Object::Table(table) => &table.owner,
            Object::View(view) => &view.owner,
        }
    }

    pub(crate) fn acl(&self) -> &Acl {
        match self {
            Object::Table(table) => &table.acl,
            Object::View(view) => &view.acl,
        }
    }

    /// The same with another owner and other rights.
    pub(crate) fn held_by(&self, owner: String, acl: Acl) -> Self {
        match self {
            Object::Table(table) => Object::Table(Arc::new(Table { owner, acl, ..table.as_ref().clone() })),
            Object::View(view) => Object::View(Arc::new(View { owner, acl, ..view.as_ref().clone() })),
        }
    }

    pub(crate) fn comment(&self) -> Option<&str> {
        match self {
            Object::Table(table) => table.comment.as_deref(),
            Object::View(view) => view.comment.as_deref(),
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        match self {
            Object::Table(table) => &table.schema,
            Object::View(view) => &view.schema,
        }
    }

    pub(crate) fn column_comment(&self, column: usize) -> Option<&str> {
        match self {
            Object::Table(table) => table.columns.get(column)?.comment.as_deref(),
            Object::View(view) => view.column_comments.get(column)?.as_deref(),
        }
    }

    fn same(&self, other: &Object) -> bool {
        match (self, other) {
            (Object::Table(a), Object::Table(b)) => Arc::ptr_eq(a, b),
            (Object::View(a), Object::View(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// A schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schema {
    pub(crate) owner: String,
    pub(crate) comment: Option<String>,
    /// Who may use it and make tables in it.
    pub(crate) acl: Acl,
    /// What may be done with all its tables and views, also those that come later.
    pub(crate) tables_acl: Acl,
    pub(crate) objects: BTreeMap<String, Object>,
}

impl Schema {
    /// The same schema with other tables and views.
    fn with_objects(&self, objects: BTreeMap<String, Object>) -> Self {
        Self {
            owner: self.owner.clone(),
            comment: self.comment.clone(),
            acl: self.acl.clone(),
            tables_acl: self.tables_acl.clone(),
            objects,
        }
    }

    /// Whether it is the same apart from its tables and views.
    fn same_head(&self, other: &Self) -> bool {
        self.owner == other.owner && self.comment == other.comment && self.acl == other.acl && self.tables_acl == other.tables_acl
    }
}

/// All schemas.
#[derive(Debug, Clone, Default)]
pub(crate) struct Space {
    pub(crate) schemas: BTreeMap<String, Arc<Schema>>,
    /// Another number where anything but rows differs.
    pub(crate) definitions: u64,
}

/// Two transactions changed the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict(pub(crate) String);

impl Space {
    pub(crate) fn get(&self, schema: &str, name: &str) -> Option<&Object> {
        self.schemas.get(schema)?.objects.get(name)
    }

    /// What stands in the way of dropping a role: what it owns, and what it was granted.
    pub(crate) fn dependents(&self, role: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut look = |what: String, owner: &str, granted: bool| {
            if owner == role {
                found.push(format!("owner of {what}"));
            } else if granted {
                found.push(format!("privileges for {what}"));
            }
        };
        for (name, schema) in &self.schemas {
            look(format!("schema {name}"), &schema.owner, schema.acl.names(role) || schema.tables_acl.names(role));
            for (table, object) in &schema.objects {
                look(format!("{} {name}.{table}", object.kind()), object.owner(), object.acl().names(role));
            }
        }
        found
    }

    /// Changes owners and lists of rights: `change` is given each of them, and says whether it did anything.
    pub(crate) fn change_holders(&mut self, mut change: impl FnMut(&mut String, &mut Acl) -> bool) {
        let mut any = false;
        for schema in self.schemas.values_mut() {
            let (mut owner, mut acl, mut tables_acl) = (schema.owner.clone(), schema.acl.clone(), schema.tables_acl.clone());
            let mut nobody = String::new();
            if change(&mut owner, &mut acl) | change(&mut nobody, &mut tables_acl) {
                let schema = Arc::make_mut(schema);
                (schema.owner, schema.acl, schema.tables_acl) = (owner, acl, tables_acl);
                any = true;
            }
            let mut changed = Vec::new();
            for (name, object) in &schema.objects {
                let (mut owner, mut acl) = (object.owner().to_owned(), object.acl().clone());
                if change(&mut owner, &mut acl) {
                    changed.push((name.clone(), object.held_by(owner, acl)));
                }
            }
            any |= !changed.is_empty();
            if !changed.is_empty() {
                Arc::make_mut(schema).objects.extend(changed);
            }
        }
        if any {
            self.definitions = unique();
        }
    }

    /// Changes one schema, which is made if need be.
    pub(crate) fn change(&mut self, schema: &str, change: impl FnOnce(&mut Schema)) {
        change(Arc::make_mut(self.schemas.entry(schema.to_owned()).or_default()));
        self.definitions = unique();
    }

    fn without_rows(&self) -> Self {
        let object = |(name, object): (&String, &Object)| {
            let object = match object {
                Object::Table(table) => Object::Table(Arc::new(table.without_rows())),
                Object::View(view) => Object::View(Arc::clone(view)),
            };
            (name.clone(), object)
        };
        let schema = |(name, schema): (&String, &Arc<Schema>)| {
            (name.clone(), Arc::new(schema.with_objects(schema.objects.iter().map(object).collect())))
        };
        Self { schemas: self.schemas.iter().map(schema).collect(), definitions: self.definitions }
    }

    /// Puts new rows in the place of a table's old ones.
    pub(crate) fn replace_rows(&mut self, schema: &str, name: &str, table: Table) {
        if let Some(schema) = self.schemas.get_mut(schema) {
            Arc::make_mut(schema).objects.insert(name.to_owned(), Object::Table(Arc::new(table)));
        }
    }

    /// `current` with what a transaction changed between `base` and `mine`.
    pub(crate) fn merge(base: &Space, mine: &Space, current: &Space) -> Result<Space, Conflict> {
        if base.definitions == current.definitions && same_objects(base, current) {
            return Ok(mine.clone());
        }
        let mut merged = current.clone();
        let mut schemas: Vec<&String> = base.schemas.keys().chain(mine.schemas.keys()).collect();
        schemas.sort();
        schemas.dedup();
        let empty = Schema::default();
        for name in schemas {
            let (before, after, now) = (base.schemas.get(name), mine.schemas.get(name), merged.schemas.get(name).cloned());
            match (before, after) {
                (None, Some(_)) if now.is_some() => return Err(Conflict(name.clone())),
                (Some(before), None) => match &now {
                    Some(now) if same_schema(before, now) => {
                        merged.schemas.remove(name);
                        merged.definitions = unique();
                        continue;
                    }
                    _ => return Err(Conflict(name.clone())),
                },
                (None, None) => continue,
                _ => {}
            }
            let (before, after) =
                (before.map_or(&empty, |schema| schema.as_ref()), after.map_or(&empty, |schema| schema.as_ref()));
            if before.objects.len() == after.objects.len()
                && before.same_head(after)
                && before.objects.iter().zip(&after.objects).all(|(a, b)| a.0 == b.0 && a.1.same(b.1))
            {
                continue;
            }
            let Some(now) = now.or_else(|| (!base.schemas.contains_key(name)).then(Arc::default)) else {
                return Err(Conflict(name.clone()));
            };
            let mut schema = now.as_ref().clone();
            if !before.same_head(after) || !base.schemas.contains_key(name) {
                // What two transactions do to a schema itself does not go together.
                if base.schemas.contains_key(name) && !now.same_head(before) {
                    return Err(Conflict(name.clone()));
                }
                schema = after.with_objects(schema.objects);
            }
            merge_objects(name, before, after, &mut schema)?;
            merged.schemas.insert(name.clone(), Arc::new(schema));
            merged.definitions = unique();
        }
        Ok(merged)
    }
}

fn merge_objects(schema: &str, before: &Schema, after: &Schema, now: &mut Schema) -> Result<(), Conflict> {
    let mut names: Vec<&String> = before.objects.keys().chain(after.objects.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        let (old, new, current) = (before.objects.get(name), after.objects.get(name), now.objects.get(name));
        let untouched = match (old, current) {
            (Some(old), Some(current)) => old.same(current),
            (None, None) => true,
            _ => false,
        };
        let unchanged = match (old, new) {
            (Some(old), Some(new)) => old.same(new),
            (None, None) => true,
            _ => false,
        };
        let object = match (old, new, current) {
            _ if unchanged => continue,
            _ if untouched => new.cloned(),
            // Two that only added rows do not disturb each other, unless a key has to be looked after.
            (Some(Object::Table(old)), Some(Object::Table(new)), Some(Object::Table(current)))
                if new.extends(old) && new.same_definition(current) && new.keys.is_empty() =>
            {
                let added = new.parts.get(old.parts.len()..).unwrap_or_default();
                let mut parts = current.parts.clone();
                parts.extend_from_slice(added);
                Some(Object::Table(Arc::new(Table { parts, ..current.as_ref().clone() })))
            }
            _ => return Err(Conflict(format!("{schema}.{name}"))),
        };
        match object {
            Some(object) => now.objects.insert(name.clone(), object),
            None => now.objects.remove(name),
        };
    }
    Ok(())
}

fn same_objects(a: &Space, b: &Space) -> bool {
    a.schemas.len() == b.schemas.len()
        && a.schemas.iter().zip(&b.schemas).all(|(a, b)| a.0 == b.0 && (Arc::ptr_eq(a.1, b.1) || same_schema(a.1, b.1)))
}

fn same_schema(a: &Schema, b: &Schema) -> bool {
    a.same_head(b)
        && a.objects.len() == b.objects.len()
        && a.objects.iter().zip(&b.objects).all(|(a, b)| a.0 == b.0 && a.1.same(b.1))
}

/// What a statement sees: the scratch schemas and the temporary tables of its session.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) durable: Arc<Space>,
    pub(crate) temp: Arc<Space>,
}

impl State {
    pub(crate) fn space(&self, schema: &str) -> &Space {
        if schema == TEMP { &self.temp } else { &self.durable }
    }

    pub(crate) fn get(&self, schema: &str, name: &str) -> Option<&Object> {
        self.space(schema).get(schema, name)
    }

    pub(crate) fn space_mut(&mut self, schema: &str) -> &mut Space {
        Arc::make_mut(if schema == TEMP { &mut self.temp } else { &mut self.durable })
    }

    /// The same definitions, holding no rows.
    pub(crate) fn without_rows(&self) -> Self {
        Self { durable: Arc::new(self.durable.without_rows()), temp: Arc::new(self.temp.without_rows()) }
    }

    /// Two states with the same answer differ in rows only.
    pub(crate) fn definitions(&self) -> (u64, u64) {
        (self.durable.definitions, self.temp.definitions)
    }

    pub(crate) fn same_rows(&self, other: &State) -> bool {
        Arc::ptr_eq(&self.durable, &other.durable) && Arc::ptr_eq(&self.temp, &other.temp)
    }

    /// All views that read a relation, directly or through others, nearest first.
    pub(crate) fn readers(&self, schema: &str, name: &str) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        let mut wanted = vec![(schema.to_owned(), name.to_owned())];
        while let Some(read) = wanted.pop() {
            for (schema, objects) in self.durable.schemas.iter().chain(&self.temp.schemas) {
                for (name, object) in &objects.objects {
                    let reader = (schema.clone(), name.clone());
                    if let Object::View(view) = object
                        && view.reads.contains(&read)
                        && !found.contains(&reader)
                    {
                        found.push(reader.clone());
                        wanted.push(reader);
                    }
                }
            }
        }
        found
    }
}

/// A type in which values can be kept: what the engine computes in for speed becomes what PostgreSQL has a type for.
pub(crate) fn kept_type(data_type: &DataType) -> DataType {
    use datafusion::arrow::datatypes::{Field, IntervalUnit, TimeUnit};
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::Int8 | DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt64 => DataType::Decimal128(20, 0),
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => DataType::Decimal128(*precision, *scale),
        DataType::Date64 => DataType::Date32,
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into())),
        DataType::Interval(_) | DataType::Duration(_) => DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(_, value) => kept_type(value),
        DataType::RunEndEncoded(_, values) => kept_type(values.data_type()),
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::ListView(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _) => {
            DataType::List(Arc::new(Field::new_list_field(kept_type(field.data_type()), true)))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use datafusion::arrow::datatypes::{Field, Schema as ArrowSchema};

    fn table(id: u64) -> Table {
        Table {
            id,
            owner: "anna".into(),
            acl: Acl::default(),
            comment: None,
            schema: Arc::new(ArrowSchema::new(vec![Field::new("a", DataType::Int64, true)])),
            columns: Arc::new(vec![ColumnNotes::default()]),
            keys: Arc::default(),
            on_commit: OnCommit::default(),
            parts: Vec::new(),
        }
    }

    fn part(values: &[i64]) -> Part {
        let array: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        Part::in_memory(vec![RecordBatch::try_from_iter([("a", array)]).unwrap()], None)
    }

    fn space(tables: &[(&str, Table)]) -> Space {
        let mut space = Space::default();
        space.change("s", |schema| {
            for (name, table) in tables {
                schema.objects.insert((*name).to_owned(), Object::Table(Arc::new(table.clone())));
            }
        });
        space
    }

    fn rows(space: &Space, name: &str) -> usize {
        let Some(Object::Table(table)) = space.get("s", name) else { panic!("no table {name}") };
        table.rows()
    }

    #[test]
    fn rows_that_two_transactions_add_are_all_there() {
        let base = space(&[("t", table(1))]);
        let (mut mine, mut theirs) = (base.clone(), base.clone());
        mine.replace_rows("s", "t", table(1).with_more(part(&[1, 2]), 0));
        theirs.replace_rows("s", "t", table(1).with_more(part(&[3]), 0));
        let merged = Space::merge(&base, &mine, &theirs).unwrap();
        assert_eq!(rows(&merged, "t"), 3);
    }

    #[test]
    fn two_transactions_that_replace_the_same_rows_conflict() {
        let full = table(1).with_more(part(&[1, 2]), 0);
        let base = space(&[("t", full.clone())]);
        let (mut mine, mut theirs) = (base.clone(), base.clone());
        mine.replace_rows("s", "t", table(1).with_more(part(&[7]), 0));
        theirs.replace_rows("s", "t", full.with_more(part(&[3]), 1));
        assert_eq!(Space::merge(&base, &mine, &theirs).unwrap_err(), Conflict("s.t".into()));
        // Another table is nobody's concern.
        let mut other = base.clone();
        other.change("s", |schema| {
            schema.objects.insert("u".into(), Object::Table(Arc::new(table(2))));
        });
        let merged = Space::merge(&base, &mine, &other).unwrap();
        assert_eq!(rows(&merged, "t"), 1);
        assert!(merged.get("s", "u").is_some());
    }

    #[test]
    fn rights_are_part_of_what_a_transaction_changes() {
        use crate::access::roles::Privilege;
        let base = space(&[("t", table(1)), ("u", table(2))]);
        let (mut mine, mut theirs) = (base.clone(), base.clone());
        let grant = |space: &mut Space, table: &str| {
            space.change("s", |schema| {
                let object = schema.objects.get(table).unwrap().clone();
                let acl = Acl::of("bert", &[Privilege::Select]);
                schema.objects.insert(table.to_owned(), object.held_by("anna".into(), acl));
            });
        };
        grant(&mut mine, "t");
        grant(&mut theirs, "u");
        let merged = Space::merge(&base, &mine, &theirs).unwrap();
        assert!(["t", "u"].iter().all(|name| merged.get("s", name).unwrap().acl().names("bert")));
        assert_eq!(merged.dependents("bert"), ["privileges for table s.t", "privileges for table s.u"]);
        let mut dropped = base.clone();
        dropped.change("s", |schema| {
            schema.objects.remove("t");
        });
        assert!(Space::merge(&base, &mine, &dropped).is_err());
        let mut renamed = merged.clone();
        renamed.change_holders(|owner, acl| {
            acl.rename("bert", "berta");
            *owner == "anna" && {
                "anne".clone_into(owner);
                true
            }
        });
        assert_eq!(renamed.dependents("berta").len(), 2);
        assert_eq!(renamed.dependents("anne").len(), 2);
    }

    #[test]
    fn a_key_makes_additions_conflict() {
        let keyed =
            Table { keys: Arc::new(vec![Key { name: "t_pkey".into(), columns: vec!["a".into()], primary: true }]), ..table(1) };
        let base = space(&[("t", keyed.clone())]);
        let (mut mine, mut theirs) = (base.clone(), base.clone());
        mine.replace_rows("s", "t", keyed.with_more(part(&[1]), 0));
        theirs.replace_rows("s", "t", keyed.with_more(part(&[1]), 0));
        assert!(Space::merge(&base, &mine, &theirs).is_err());
    }

    #[test]
    fn many_small_writes_make_few_parts() {
        let mut table = table(1);
        for value in 0..1_000 {
            table = table.with_more(part(&[value]), 0);
        }
        assert_eq!(table.rows(), 1_000);
        assert!(table.parts.len() <= 12, "{} parts", table.parts.len());
    }
}
