//! An aggregate function as a value, and the form in which DataFusion calls it.
//!
//! Every aggregate merges: DataFusion may split the rows over cores in any way. Every aggregate also works over window frames:
//! over a sliding one its rows are kept and added up anew for each frame, over a growing one the answer is computed anew for each
//! row.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, ColumnarValue, Documentation, GroupsAccumulator, Signature};
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};

use crate::args::{Call, Settings};
use crate::function::{Example, Head, Parameter};
use crate::waiting::check;

/// What an aggregate holds while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// A few numbers, however many rows there are.
    Constant,
    /// An amount that does not grow with the rows but with what one of them holds; the function's description names it.
    Bounded,
    /// Every value of its group, because the answer needs them all.
    Collects,
}

/// An aggregate function.
pub struct Aggregate {
    /// SQL name.
    pub name: &'static str,
    /// What it gives, with units, in one or two sentences.
    pub about: &'static str,
    /// Parameters in order, the required ones first.
    pub parameters: &'static [Parameter],
    /// Postgres type of the result, for the reference.
    pub returns: &'static str,
    /// Type and metadata of the result; constants are not known yet.
    pub result: fn(&Settings) -> Result<Field>,
    /// What it holds while it runs.
    pub memory: Memory,
    /// An empty accumulation. Constants are known and checked here, before the first row is read.
    pub start: fn(&Settings) -> Result<Box<dyn Accumulation>>,
    /// An example that runs.
    pub example: Example,
}

/// The state of one group.
pub trait Accumulation: Send + Sync + fmt::Debug {
    /// Adds the rows of a batch.
    ///
    /// # Errors
    /// For rows that can't be added, such as lists of different lengths.
    fn add(&mut self, call: &Call) -> Result<()>;

    /// What [`Accumulation::merge`] of another partition needs. See [`crate::state`].
    fn state(&self) -> Vec<u8>;

    /// Adds the rows of another partition.
    ///
    /// # Errors
    /// For rows that can't be added, and for bytes that are no state.
    fn merge(&mut self, state: &[u8]) -> Result<()>;

    /// The value of the group, in the planned type.
    ///
    /// # Errors
    /// For a group that has no value of that type; too few rows are NULL.
    fn finish(&self, field: &Field) -> Result<ScalarValue>;

    /// Bytes held beside the struct itself.
    fn size(&self) -> usize;
}

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregate").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Aggregate {
    pub(crate) fn head(&self) -> Head {
        Head { name: self.name, parameters: self.parameters }
    }
}

/// An [`Aggregate`] in the form that DataFusion calls.
#[derive(Debug)]
pub(crate) struct Udaf {
    aggregate: &'static Aggregate,
    signature: Signature,
    documentation: Documentation,
}

impl Udaf {
    pub(crate) fn new(aggregate: &'static Aggregate, family: &'static str) -> Self {
        let head = aggregate.head();
        let documentation = head.documentation(family, aggregate.about, &aggregate.example);
        Self { aggregate, signature: head.planned_as(), documentation }
    }

    fn called(&self, args: &AccumulatorArgs) -> Result<Arc<Called>> {
        if args.is_distinct {
            let name = self.aggregate.name;
            // DataFusion turns a lone DISTINCT of one argument into a grouping before it comes here.
            return plan_err!(
                "{name} takes DISTINCT only with one argument and as the only aggregate; \
                 otherwise write select {name}(…) from (select distinct … from …)"
            );
        }
        Ok(Arc::new(Called {
            aggregate: self.aggregate,
            fields: args.expr_fields.to_vec(),
            constants: constants(args.exprs),
            result: Arc::clone(&args.return_field),
        }))
    }
}

/// The values of those arguments that are written as constants.
pub(crate) fn constants(expressions: &[Arc<dyn PhysicalExpr>]) -> Vec<Option<ScalarValue>> {
    expressions.iter().map(|e| e.downcast_ref::<Literal>().map(|l| l.value().clone())).collect()
}

/// Columns in the form of a call's arguments: constants as such.
pub(crate) fn arguments(columns: &[ArrayRef], constants: &[Option<ScalarValue>]) -> Vec<ColumnarValue> {
    let of = |(at, column): (usize, &ArrayRef)| match constants.get(at) {
        Some(Some(value)) => ColumnarValue::Scalar(value.clone()),
        _ => ColumnarValue::Array(Arc::clone(column)),
    };
    columns.iter().enumerate().map(of).collect()
}

impl PartialEq for Udaf {
    fn eq(&self, other: &Self) -> bool {
        self.aggregate.name == other.aggregate.name
    }
}

impl Eq for Udaf {}

impl Hash for Udaf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.aggregate.name.hash(state);
    }
}

impl AggregateUDFImpl for Udaf {
    fn name(&self) -> &str {
        self.aggregate.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{}: the result depends on metadata, see return_field", self.aggregate.name)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        let settings = Settings::planning(self.aggregate.head(), fields, vec![None; fields.len()])?;
        let field = (self.aggregate.result)(&settings)?;
        Ok(Arc::new(field.with_name(self.aggregate.name).with_nullable(true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.aggregate.head().check_types(types)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        // Large: the states of many groups travel in one column and may pass 2 GiB together.
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "state"), DataType::LargeBinary, true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Growing::new(self.called(&args)?)?))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        // DataFusion's own adapter for accumulators; made here, all groups share one description of the call.
        let called = self.called(&args)?;
        called.start()?;
        Ok(Box::new(GroupsAccumulatorAdapter::new(move || Ok(Box::new(Growing::new(Arc::clone(&called))?)))))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let called = self.called(&args)?;
        called.start()?;
        Ok(Box::new(Sliding { called, kept: VecDeque::new() }))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// How an aggregate was called.
#[derive(Debug)]
struct Called {
    aggregate: &'static Aggregate,
    fields: Vec<FieldRef>,
    constants: Vec<Option<ScalarValue>>,
    result: FieldRef,
}

impl Called {
    fn add(&self, accumulation: &mut dyn Accumulation, columns: &[ArrayRef]) -> Result<()> {
        let rows = columns.first().map_or(0, |c| c.len());
        let arguments = arguments(columns, &self.constants);
        check()?;
        accumulation.add(&Call::new(self.aggregate.head(), &self.fields, &arguments, &self.result, rows))?;
        check()
    }

    /// The value of a group. What has ended early is none.
    fn finish(&self, accumulation: &dyn Accumulation) -> Result<ScalarValue> {
        check()?;
        let value = accumulation.finish(&self.result)?;
        check()?;
        Ok(value)
    }

    fn start(&self) -> Result<Box<dyn Accumulation>> {
        (self.aggregate.start)(&Settings::running(self.aggregate.head(), &self.fields, self.constants.clone()))
    }
}

/// A group to which rows are only added.
#[derive(Debug)]
struct Growing {
    called: Arc<Called>,
    accumulation: Box<dyn Accumulation>,
}

impl Growing {
    fn new(called: Arc<Called>) -> Result<Self> {
        Ok(Self { accumulation: called.start()?, called })
    }
}

impl Accumulator for Growing {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        self.called.add(self.accumulation.as_mut(), columns)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.called.finish(self.accumulation.as_ref())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + size_of_val(self.accumulation.as_ref()) + self.accumulation.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        check()?;
        let state = self.accumulation.state();
        check()?;
        Ok(vec![ScalarValue::LargeBinary(Some(state))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let Some(states) = states.first() else { return Ok(()) };
        for state in states.as_binary::<i64>().iter().flatten() {
            check()?;
            self.accumulation.merge(state)?;
        }
        check()
    }
}

/// A frame that moves: its rows are kept, for few statistics can take a row back without losing digits.
#[derive(Debug)]
struct Sliding {
    called: Arc<Called>,
    kept: VecDeque<Vec<ArrayRef>>,
}

/// Most batches that a frame is left in: a frame that moves row by row arrives in batches of one row, and every batch costs a call.
const FEW: usize = 8;
/// Most elements of lists in one batch of a frame; arrow counts them in 32 bits.
const MAX_ELEMENTS: usize = 1 << 30;

impl Sliding {
    /// Makes one batch of many; the copy is kept for the next frames.
    fn join(&mut self) -> Result<()> {
        let elements = |c: &ArrayRef| match c.as_list_opt::<i32>() {
            Some(lists) => {
                lists.offsets().last().zip(lists.offsets().first()).map_or(0, |(to, from)| to - from).unsigned_abs() as usize
            }
            None => c.len(),
        };
        let all = |at: usize| self.kept.iter().filter_map(move |batch| batch.get(at));
        let columns = self.kept.front().map_or(0, Vec::len);
        if self.kept.len() <= FEW || (0..columns).any(|at| all(at).map(elements).sum::<usize>() > MAX_ELEMENTS) {
            return Ok(());
        }
        let joined = |at| Ok(concat(&all(at).map(AsRef::as_ref).collect::<Vec<&dyn Array>>())?);
        let batch = (0..columns).map(joined).collect::<Result<Vec<ArrayRef>>>()?;
        self.kept = VecDeque::from([batch]);
        Ok(())
    }
}

impl Accumulator for Sliding {
    fn update_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        if columns.first().is_some_and(|c| !c.is_empty()) {
            self.kept.push_back(columns.to_vec());
        }
        Ok(())
    }

    fn retract_batch(&mut self, columns: &[ArrayRef]) -> Result<()> {
        let mut leaving = columns.first().map_or(0, |c| c.len());
        while leaving > 0 {
            let Some(oldest) = self.kept.pop_front() else { return internal_err!("a frame gave back rows that it never had") };
            let rows = oldest.first().map_or(0, |c| c.len());
            if rows > leaving {
                self.kept.push_front(oldest.iter().map(|c| c.slice(leaving, rows - leaving)).collect());
            }
            leaving = leaving.saturating_sub(rows);
        }
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.join()?;
        let mut accumulation = self.called.start()?;
        for columns in &self.kept {
            self.called.add(accumulation.as_mut(), columns)?;
        }
        self.called.finish(accumulation.as_ref())
    }

    fn size(&self) -> usize {
        // A batch may be a few rows of a large one, which is somebody else's.
        let slice = |c: &ArrayRef| c.to_data().get_slice_memory_size().unwrap_or_else(|_| c.get_array_memory_size());
        let bytes = |columns: &Vec<ArrayRef>| columns.iter().map(slice).sum::<usize>();
        size_of::<Self>() + self.kept.iter().map(bytes).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        internal_err!("a window frame has no partial state")
    }

    fn merge_batch(&mut self, _: &[ArrayRef]) -> Result<()> {
        internal_err!("a window frame is not merged")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods)]
mod tests {
    use arrow::array::Float64Array;
    use arrow::util::display::array_value_to_string;
    use datafusion::logical_expr::AggregateUDF;
    use datafusion::prelude::{SessionConfig, SessionContext};

    use super::*;
    use crate::function::Kind;
    use crate::state;

    /// Sum of powers, to see the machinery at work.
    static POWERS: Aggregate = Aggregate {
        name: "power_sum",
        about: "Sum of powers.",
        parameters: &[
            Parameter::required("x", Kind::Number, "values").in_unit("mm"),
            Parameter::optional("exponent", Kind::Number, "2", "exponent"),
        ],
        returns: "float8",
        result: |_| Ok(Field::new("", DataType::Float64, true)),
        memory: Memory::Constant,
        start: |s| match s.number("exponent", 2.0)? {
            exponent if exponent > 0.0 => Ok(Box::new(Powers { exponent, sum: None })),
            exponent => plan_err!("power_sum: exponent is above 0, got {exponent}"),
        },
        example: Example { sql: "power_sum(x) from (values (3.0)) as t(x)", output: "9.0" },
    };

    #[derive(Debug)]
    struct Powers {
        exponent: f64,
        sum: Option<f64>,
    }

    impl Accumulation for Powers {
        fn add(&mut self, call: &Call) -> Result<()> {
            let x = call.numbers(0)?;
            for value in (0..call.rows).filter_map(|row| x.get(row)) {
                self.sum = Some(self.sum.unwrap_or(0.0) + value.powf(self.exponent));
            }
            Ok(())
        }

        fn state(&self) -> Vec<u8> {
            state::floats(&self.sum.map_or(vec![], |s| vec![s]))
        }

        fn merge(&mut self, bytes: &[u8]) -> Result<()> {
            for sum in state::to_floats(bytes)? {
                self.sum = Some(self.sum.unwrap_or(0.0) + sum);
            }
            Ok(())
        }

        fn finish(&self, _: &Field) -> Result<ScalarValue> {
            Ok(ScalarValue::Float64(self.sum))
        }

        fn size(&self) -> usize {
            0
        }
    }

    async fn answers(sql: &str) -> std::result::Result<Vec<String>, String> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3).with_batch_size(2));
        context.register_udaf(AggregateUDF::new_from_impl(Udaf::new(&POWERS, "test")));
        let batches =
            context.sql(sql).await.map_err(|e| e.strip_backtrace())?.collect().await.map_err(|e| e.strip_backtrace())?;
        let texts = |b: &arrow::array::RecordBatch| {
            (0..b.num_rows()).map(|row| array_value_to_string(b.column(0), row).unwrap()).collect::<Vec<_>>()
        };
        Ok(batches.iter().flat_map(texts).collect())
    }

    const TABLE: &str = "(values (1, 1.0), (2, 2.0), (3, NULL), (4, 3.0), (5, 4.0)) as t(i, x)";

    #[tokio::test]
    async fn groups_filters_and_constants() {
        assert_eq!(answers(&format!("select power_sum(x) from {TABLE}")).await.unwrap(), ["30.0"]);
        assert_eq!(answers(&format!("select power_sum(x, exponent => 1) from {TABLE}")).await.unwrap(), ["10.0"]);
        assert_eq!(answers(&format!("select power_sum(x) filter (where i > 3) from {TABLE}")).await.unwrap(), ["25.0"]);
        assert_eq!(
            answers(&format!("select power_sum(x) from {TABLE} group by i % 2 order by 1")).await.unwrap(),
            ["13.0", "17.0"]
        );
        assert_eq!(answers(&format!("select power_sum(x) is null from {TABLE} where x > 9")).await.unwrap(), ["true"]);
    }

    #[tokio::test]
    async fn frames_that_grow_and_slide() {
        let over = |frame: &str| format!("select power_sum(x, 1) over (order by i {frame}) from {TABLE} order by i");
        assert_eq!(answers(&over("")).await.unwrap(), ["1.0", "3.0", "3.0", "6.0", "10.0"]);
        let sliding = answers(&over("rows between 1 preceding and current row")).await.unwrap();
        assert_eq!(sliding, ["1.0", "3.0", "2.0", "3.0", "7.0"]);
        let whole = answers(&over("rows between unbounded preceding and unbounded following")).await.unwrap();
        assert_eq!(whole, ["10.0"; 5]);
    }

    fn called() -> Arc<Called> {
        let field = Arc::new(Field::new("x", DataType::Float64, true));
        Arc::new(Called { aggregate: &POWERS, fields: vec![Arc::clone(&field)], constants: vec![None], result: field })
    }

    #[test]
    fn a_sliding_frame_stays_in_few_batches_and_counts_its_own_rows() {
        let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..100_000).map(f64::from)));
        let mut frame = Sliding { called: called(), kept: VecDeque::new() };
        frame.update_batch(&[column.slice(0, 50)]).unwrap();
        for row in 50..300 {
            frame.update_batch(&[column.slice(row, 1)]).unwrap();
            frame.retract_batch(&[column.slice(row - 50, 1)]).unwrap();
            let expected = (row - 49..=row).map(|v| (v * v) as f64).sum::<f64>();
            assert_eq!(frame.evaluate().unwrap(), ScalarValue::Float64(Some(expected)));
            assert!(frame.kept.len() <= FEW);
            assert!(frame.size() < 2_000, "{}", frame.size());
        }
    }

    #[test]
    fn what_nobody_waits_for_is_an_error() {
        let column: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let (mut growing, stop) = (Growing::new(called()).unwrap(), crate::waiting::Stop::new());
        let mut sliding = Sliding { called: called(), kept: VecDeque::from([vec![Arc::clone(&column)]]) };
        stop.during(|| growing.update_batch(&[Arc::clone(&column)])).unwrap();
        let states: Vec<ArrayRef> = growing.state().unwrap().iter().map(|state| state.to_array().unwrap()).collect();
        stop.stop();
        stop.during(|| {
            assert!(growing.update_batch(&[Arc::clone(&column)]).is_err());
            assert!(growing.merge_batch(&states).is_err());
            assert!(growing.state().is_err());
            assert!(growing.evaluate().is_err());
            assert!(sliding.evaluate().is_err());
        });
        assert_eq!(growing.evaluate().unwrap(), ScalarValue::Float64(Some(5.0)));
    }

    #[test]
    fn the_size_of_a_group_counts_its_state() {
        let group = Growing::new(called()).unwrap();
        assert!(group.size() >= size_of::<Growing>() + size_of::<Powers>());
        let share = Growing::new(Arc::clone(&group.called)).unwrap();
        assert!(Arc::ptr_eq(&group.called, &share.called));
    }

    #[tokio::test]
    async fn wrong_calls_say_what_is_wrong() {
        for (call, expected) in [
            ("power_sum(distinct x), power_sum(x)", "select power_sum(…) from (select distinct … from …)"),
            ("power_sum(x, -1)", "exponent is above 0, got -1"),
            ("power_sum(x, x)", "exponent must be a constant"),
            ("power_sum('a')", "argument x is float8"),
            ("power_sum()", "power_sum"),
        ] {
            let error = answers(&format!("select {call} from {TABLE}")).await.unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
