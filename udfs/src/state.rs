//! The bytes in which aggregates hand their state from one partition to another.

use datafusion::common::{Result, internal_err};

/// Numbers as bytes.
pub(crate) fn floats(numbers: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size_of_val(numbers));
    numbers.iter().for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
    bytes
}

/// Numbers from the bytes of [`floats`].
///
/// # Errors
/// For bytes that are not whole numbers of eight.
pub(crate) fn to_floats(bytes: &[u8]) -> Result<Vec<f64>> {
    Reader::new(bytes).rest()
}

/// A state of sums, the first of which is a count.
///
/// # Errors
/// For another number of sums, and a count that is none.
pub(crate) fn to_sums<const N: usize>(bytes: &[u8]) -> Result<[f64; N]> {
    let mut reader = Reader::new(bytes);
    let sums = reader.sums()?;
    reader.end()?;
    Ok(sums)
}

/// Reads a state piece by piece and checks each of them, so that bytes from elsewhere are an error and nothing worse.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn eight(&mut self) -> Result<[u8; 8]> {
        let Some((eight, rest)) = self.0.split_first_chunk::<8>() else {
            return internal_err!("the state of an aggregate ends too early");
        };
        self.0 = rest;
        Ok(*eight)
    }

    /// How many: a whole number from 0 to 2⁵³.
    pub(crate) fn count(&mut self) -> Result<f64> {
        match f64::from_le_bytes(self.eight()?) {
            n if (0.0..=9_007_199_254_740_992.0).contains(&n) && n.fract() == 0.0 => Ok(n),
            n => internal_err!("the state of an aggregate is broken: {n} is no count"),
        }
    }

    /// Numbers of which the first is a count.
    pub(crate) fn sums<const N: usize>(&mut self) -> Result<[f64; N]> {
        let mut sums = [0.0; N];
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum = if at == 0 { self.count()? } else { f64::from_le_bytes(self.eight()?) };
        }
        Ok(sums)
    }

    /// All numbers that are left.
    pub(crate) fn rest(&mut self) -> Result<Vec<f64>> {
        let (numbers, []) = self.0.as_chunks::<8>() else {
            return internal_err!("the state of an aggregate is broken: {} bytes are no list of numbers", self.0.len());
        };
        self.0 = &[];
        Ok(numbers.iter().map(|b| f64::from_le_bytes(*b)).collect())
    }

    /// A text behind its length in bytes.
    pub(crate) fn text(&mut self) -> Result<&'a str> {
        let length = usize::try_from(u64::from_le_bytes(self.eight()?)).unwrap_or(usize::MAX);
        match self.0.split_at_checked(length).map(|(text, rest)| (std::str::from_utf8(text), rest)) {
            Some((Ok(text), rest)) => {
                self.0 = rest;
                Ok(text)
            }
            _ => internal_err!("the state of an aggregate is broken: no text of {length} bytes"),
        }
    }

    /// Nothing is left.
    pub(crate) fn end(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { internal_err!("the state of an aggregate has {} bytes too many", self.0.len()) }
    }
}

/// A text behind its length, for [`Reader::text`].
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, FieldRef};

    use super::*;
    use crate::FAMILIES;
    use crate::aggregate::{Accumulation, Aggregate};
    use crate::args::Settings;
    use crate::function::Kind;

    /// Aggregates whose state is any list of values.
    const LISTS: &[&str] = &["mad", "tukey_fences", "conformal_quantile"];

    fn field(kind: Kind) -> FieldRef {
        let data_type = match kind {
            Kind::Number => DataType::Float64,
            Kind::Text => DataType::Utf8,
            Kind::Flag => DataType::Boolean,
            Kind::List => DataType::new_list(DataType::Float64, true),
            Kind::Texts => DataType::new_list(DataType::Utf8, true),
            Kind::Struct => DataType::Struct([].into()),
        };
        Arc::new(Field::new("argument", data_type, true))
    }

    fn started(aggregate: &'static Aggregate) -> (Box<dyn Accumulation>, Field) {
        let required = aggregate.parameters.iter().filter(|p| p.default.is_empty());
        let fields: Vec<FieldRef> = required.map(|p| field(p.kind)).collect();
        let settings = Settings::running(aggregate.head(), &fields, vec![None; fields.len()]);
        ((aggregate.start)(&settings).unwrap(), (aggregate.result)(&settings).unwrap())
    }

    fn aggregates() -> impl Iterator<Item = &'static Aggregate> {
        FAMILIES.iter().flat_map(|f| f.aggregates)
    }

    #[test]
    fn an_empty_state_adds_nothing() {
        for aggregate in aggregates() {
            let (mut group, field) = started(aggregate);
            let before = group.finish(&field).unwrap();
            let state = group.state();
            group.merge(&state).unwrap_or_else(|e| panic!("{}: {e}", aggregate.name));
            assert_eq!(group.finish(&field).unwrap(), before, "{}", aggregate.name);
            assert_eq!(group.state(), state, "{}", aggregate.name);
        }
    }

    #[test]
    fn broken_states_are_errors() {
        let mut states = vec![vec![1, 2, 3], vec![0; 7], vec![255; 9], b"no numbers".to_vec()];
        // Counts, lengths and dimensions that are none, before any number of values.
        for number in [f64::NAN, f64::INFINITY, -1.0, 0.5, 1e18, 1e300] {
            states.extend((1..=40).map(|count| floats(&vec![number; count])));
            states.extend((1..=40).map(|count| floats(&[vec![number], vec![1.0; count]].concat())));
        }
        // Lengths that promise more than there is.
        states.extend([5.0, 1e6, 1e9, 9e15].map(|length| floats(&[length, 1.0, 1.0, 0.5])));
        for aggregate in aggregates() {
            for state in &states {
                let (mut group, field) = started(aggregate);
                let merged = group.merge(state);
                let any_list = LISTS.contains(&aggregate.name) && state.len() % 8 == 0;
                assert!(merged.is_err() || any_list, "{} takes {} bytes: {state:?}", aggregate.name, state.len());
                // What was refused left nothing behind that breaks the answer.
                group.finish(&field).unwrap();
            }
        }
    }
}
