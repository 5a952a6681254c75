//! Tables about the lake, the layers and the devices, as `system.*`. They are lazy: rows are made when asked for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatchOptions;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::Mounted;
use crate::devices::DEVICES;
use crate::error::Result;
use crate::field::field;
use crate::files;
use crate::issue::IssueCode;
use crate::lake::{Lake, Snapshot};
use crate::refresh::Published;

/// The arrays of a table, in the making.
pub type Rows = Pin<Box<dyn Future<Output = Result<Vec<ArrayRef>>> + Send>>;

/// A table whose rows a function makes when it is read.
pub struct LazyTable {
    schema: SchemaRef,
    /// The lake, where its files are what rows are made of.
    lake: Option<Arc<Lake>>,
    columns: Columns,
}

/// How the columns of a table are made.
enum Columns {
    /// All of them.
    All(Box<dyn Fn(Option<Arc<Snapshot>>) -> Rows + Send + Sync>),
    /// Those of a schema, because some cost more than others. The number of rows is that of the snapshot's files.
    Wanted(Box<dyn Fn(Arc<Snapshot>, SchemaRef) -> Rows + Send + Sync>),
}

impl LazyTable {
    /// A table of `fields`; `rows` gives one array for each.
    pub fn new(fields: Vec<Field>, rows: impl Fn() -> Rows + Send + Sync + 'static) -> Self {
        Self { schema: Arc::new(Schema::new(fields)), lake: None, columns: Columns::All(Box::new(move |_| rows())) }
    }

    /// A table of `fields`, of which `rows` gives one array for each, made of the files that a statement sees.
    pub fn of_lake(fields: Vec<Field>, lake: Arc<Lake>, rows: impl Fn(Arc<Snapshot>) -> Rows + Send + Sync + 'static) -> Self {
        let rows = move |snapshot: Option<Arc<Snapshot>>| match snapshot {
            Some(snapshot) => rows(snapshot),
            None => Box::pin(async { Err(crate::Error::Lake("no files were listed".to_owned())) }),
        };
        Self { schema: Arc::new(Schema::new(fields)), lake: Some(lake), columns: Columns::All(Box::new(rows)) }
    }

    /// A table of `fields` with a row for each file of the lake, of which `columns` makes those that are asked for.
    pub(crate) fn of_files(
        fields: Vec<Field>,
        lake: Arc<Lake>,
        columns: impl Fn(Arc<Snapshot>, SchemaRef) -> Rows + Send + Sync + 'static,
    ) -> Self {
        Self { schema: Arc::new(Schema::new(fields)), lake: Some(lake), columns: Columns::Wanted(Box::new(columns)) }
    }
}

impl fmt::Debug for LazyTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for LazyTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> datafusion::error::Result<Arc<dyn ExecutionPlan>> {
        let snapshot = match &self.lake {
            Some(lake) => Some(lake.snapshot_for(state).await?),
            None => None,
        };
        match (&self.columns, snapshot) {
            (Columns::Wanted(columns), Some(snapshot)) => {
                let schema = match projection {
                    Some(wanted) => Arc::new(self.schema.project(wanted)?),
                    None => Arc::clone(&self.schema),
                };
                let options = RecordBatchOptions::new().with_row_count(Some(snapshot.files().len()));
                let columns = columns(snapshot, Arc::clone(&schema)).await?;
                let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), columns, &options)?;
                Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?)
            }
            (Columns::Wanted(_), None) => Err(DataFusionError::Internal("a table of files without files".to_owned())),
            (Columns::All(rows), snapshot) => {
                let batch = RecordBatch::try_new(Arc::clone(&self.schema), rows(snapshot).await?)?;
                Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], Arc::clone(&self.schema), projection.cloned())?)
            }
        }
    }
}

/// A table to be mounted: schema, name, table.
type Entry<S> = (S, S, Arc<dyn TableProvider>);

/// `system.files`, where files are known by key, and `raw.files`, which names them.
pub(crate) fn lake_tables(lake: &Arc<Lake>) -> Vec<Entry<&'static str>> {
    let fields = vec![
        field("file_id", DataType::Utf8, "", "Key of the file"),
        field("path", DataType::Utf8, "", "Path in the lake; may hold a patient's name"),
    ];
    let paths = LazyTable::of_lake(fields, Arc::clone(lake), |snapshot| {
        Box::pin(async move {
            let files = snapshot.files();
            Ok(vec![
                text(files.iter().map(|file| Some(file.file_id.as_str()))),
                text(files.iter().map(|file| Some(file.meta.location.as_ref()))),
            ])
        })
    });
    vec![("system", "files", Arc::new(files::table(lake))), ("raw", "files", Arc::new(paths))]
}

/// `system.devices` and `system.issue_codes`.
pub(crate) fn static_tables() -> Result<Vec<Entry<String>>> {
    let tables = || DEVICES.iter().flat_map(|device| device.tables().iter().map(move |table| (device, table)));
    let devices = fixed(
        vec![
            field("device", DataType::Utf8, "", "Name"),
            field("about", DataType::Utf8, "", "Maker, instrument and kind of export"),
            field("table", DataType::Utf8, "", "The raw table of a record type"),
            field("table_about", DataType::Utf8, "", "What a row of it is"),
        ],
        vec![
            text(tables().map(|(device, _)| Some(device.name()))),
            text(tables().map(|(device, _)| Some(device.about()))),
            Arc::new(tables().map(|(_, table)| Some(format!("raw.{}", table.name))).collect::<StringArray>()),
            text(tables().map(|(_, table)| Some(table.about))),
        ],
    );
    let codes = fixed(
        vec![
            field("code", DataType::Utf8, "", "The word before the colon in _issues"),
            field("severity", DataType::Utf8, "", "note, warning or error"),
            field("about", DataType::Utf8, "", "What it means"),
        ],
        vec![
            text(IssueCode::ALL.iter().map(|code| Some(code.as_str()))),
            text(IssueCode::ALL.iter().map(|code| Some(code.severity().as_str()))),
            text(IssueCode::ALL.iter().map(|code| Some(code.about()))),
        ],
    );
    let entry = |name: &str, table| ("system".to_owned(), name.to_owned(), table);
    Ok(vec![entry("devices", devices), entry("issue_codes", codes)])
}

/// `system.views` and `system.lineage`.
pub(crate) fn catalog_tables(mounted: &Arc<Vec<Mounted>>, lake: Option<&Arc<Lake>>) -> Result<Vec<Entry<&'static str>>> {
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let fields = vec![
        field("schema", DataType::Utf8, "", "Layer"),
        field("view", DataType::Utf8, "", "Name"),
        field("summary", DataType::Utf8, "", "What it gives"),
        field("grain", DataType::Utf8, "", "Columns that together are unique"),
        field(
            "state",
            DataType::Utf8,
            "",
            "kept: its rows are kept as Parquet; stale: they are, but the lake or the layers are newer; computed: none are",
        ),
        field("materialized", DataType::Boolean, "", "Whether kept rows answer"),
        field("rows", DataType::Int64, "", "Kept rows"),
        field("made_at", timestamp, "", "When the kept rows were made"),
        field(
            "stale",
            DataType::Boolean,
            "",
            "Kept rows are older than the lake or the layers, so that the view is computed until they are made anew",
        ),
        field("broken", DataType::Utf8, "", "Why the view can't be planned and is not served"),
        field("file", DataType::Utf8, "", "File of the layers"),
    ];
    let views = Arc::clone(mounted);
    let view_table: Arc<dyn TableProvider> = match lake {
        None => Arc::new(LazyTable::new(fields, move || {
            let columns = view_columns(&views, None);
            Box::pin(async move { Ok(columns) })
        })),
        Some(lake) => Arc::new(LazyTable::of_lake(fields, Arc::clone(lake), move |snapshot| {
            let columns = view_columns(&views, Some(&snapshot));
            Box::pin(async move { Ok(columns) })
        })),
    };
    let views = || mounted.iter();
    let edges = || views().flat_map(|mounted| mounted.view.references.iter().map(move |below| (mounted.view.full_name(), below)));
    let lineage = fixed(
        vec![field("view", DataType::Utf8, "", "A view"), field("reads", DataType::Utf8, "", "A table or view that it names")],
        vec![
            Arc::new(edges().map(|(view, _)| Some(view)).collect::<StringArray>()),
            text(edges().map(|(_, below)| Some(below.as_str()))),
        ],
    );
    Ok(vec![("system", "views", view_table), ("system", "lineage", lineage)])
}

/// The columns of `system.views` as they are for the lake of `snapshot`.
fn view_columns(mounted: &[Mounted], snapshot: Option<&Arc<Snapshot>>) -> Vec<ArrayRef> {
    /// A view, what is kept of it, and whether that is valid.
    type Now<'a> = (&'a Mounted, Option<Published>, bool);
    let views = mounted.iter().map(|mounted| match (&mounted.table, snapshot) {
        (Some(table), Some(snapshot)) => (mounted, table.published(), table.is_valid_for(snapshot)),
        _ => (mounted, mounted.kept.clone(), !mounted.stale),
    });
    let views: Vec<Now<'_>> = views.collect();
    let owned =
        |value: &dyn Fn(&Mounted) -> Option<String>| -> ArrayRef { Arc::new(mounted.iter().map(value).collect::<StringArray>()) };
    let is_kept = |(_, kept, valid): &Now<'_>| kept.is_some() && *valid;
    let is_stale = |(mounted, kept, valid): &Now<'_>| match kept {
        Some(_) => !valid,
        None => mounted.stale,
    };
    let state = |view: &Now<'_>| match (is_kept(view), is_stale(view)) {
        (true, _) => "kept",
        (false, true) => "stale",
        (false, false) => "computed",
    };
    let rows = |(_, kept, _): &Now<'_>| kept.as_ref().and_then(|kept| i64::try_from(kept.rows).ok());
    let made_at = views.iter().map(|(_, kept, _)| kept.as_ref().map(|kept| kept.made_at_us));
    vec![
        owned(&|mounted| Some(mounted.view.schema.clone())),
        owned(&|mounted| Some(mounted.view.name.clone())),
        owned(&|mounted| Some(mounted.view.summary.clone())),
        owned(&|mounted| Some(mounted.view.grain.join(", "))),
        text(views.iter().map(|view| Some(state(view)))),
        Arc::new(views.iter().map(|view| Some(is_kept(view))).collect::<BooleanArray>()),
        Arc::new(views.iter().map(rows).collect::<Int64Array>()),
        Arc::new(made_at.collect::<TimestampMicrosecondArray>().with_timezone("UTC")),
        Arc::new(views.iter().map(|view| Some(is_stale(view))).collect::<BooleanArray>()),
        owned(&|mounted| mounted.broken.clone()),
        owned(&|mounted| Some(mounted.view.file.clone())),
    ]
}

/// The query of `system.issues`: every issue of every row of every device, the acuities that can't be read, and the files that no
/// device knows. Acuities are read by a function above this crate; without it (`acuity` is false) nothing is said of them.
pub(crate) fn issues_query(acuity: bool) -> String {
    let mut selects: Vec<String> = DEVICES
        .iter()
        .flat_map(|device| device.tables().iter().map(move |table| (device.name(), table.name)))
        .map(|(device, table)| {
            format!(
                "select '{device}' as device, _file_id as file_id, _row as row, scan_id, exam_id, unnest(_issues) as issue \
                 from raw.{table}"
            )
        })
        .collect();
    selects.push(
        "select null as device, file_id, null as row, null as scan_id, null as exam_id, \
         issue || ': ' || reason as issue from system.files where status <> 'recognised'"
            .to_owned(),
    );
    let acuities = [
        ("clinic", "clinic_visit", "udva_text"),
        ("clinic", "clinic_visit", "cdva_text"),
        ("fhir", "fhir_observation", "acuity_text"),
    ];
    for (device, table, column) in acuities.iter().filter(|_| acuity) {
        // What a spreadsheet mangled is said by the reader already.
        selects.push(format!(
            "select '{device}' as device, _file_id as file_id, _row as row, scan_id, exam_id, \
             'acuity_unreadable: {column}: ' || reading['reason'] as issue \
             from (select _file_id, _row, scan_id, exam_id, _issues, parse_acuity({column}) as reading from raw.{table}) as typed \
             where reading['kind'] in ('ambiguous', 'unreadable') \
             and coalesce(array_to_string(_issues, ' ') not like '%value_mangled: {column}%', true)"
        ));
    }
    format!(
        "select found.device, found.file_id, found.row, found.scan_id, found.exam_id, \
         split_part(found.issue, ': ', 1) as code, codes.severity, \
         substr(found.issue, strpos(found.issue, ': ') + 2) as detail \
         from ({}) as found left join system.issue_codes as codes on codes.code = split_part(found.issue, ': ', 1)",
        selects.join(" union all ")
    )
}

/// A table of rows that are known already.
fn fixed(fields: Vec<Field>, columns: Vec<ArrayRef>) -> Arc<dyn TableProvider> {
    Arc::new(LazyTable::new(fields, move || {
        let columns = columns.clone();
        Box::pin(async move { Ok(columns) })
    }))
}

fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}
