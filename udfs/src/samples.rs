//! What aggregates hold of their rows. A row with a missing value counts for nothing in all of them.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::{Result, exec_err, internal_err};

use crate::args::Call;
use crate::sample::agreement::Pairs;
use crate::sample::calibration::{Bins, Confusion, Prediction};
use crate::sample::multivariate::Moments;
use crate::state;
use crate::summary::{Outcomes, Sample, probability};

/// The predictions of a batch: argument 0 is the probability, argument 1 the outcome.
fn each_prediction(call: &Call, mut add: impl FnMut(f64, bool)) -> Result<()> {
    let (p, outcomes) = (call.numbers(0)?, Outcomes::new(call, 1)?);
    for row in 0..call.rows {
        if let (Some(p), Some(event)) = (p.get(row), outcomes.get(row)?) {
            add(probability(call.settings.name(), p)?, event);
        }
    }
    Ok(())
}

/// Every value of argument 0.
#[derive(Debug, Default)]
pub(crate) struct Values(pub(crate) Vec<f64>);

impl Sample for Values {
    fn add(&mut self, call: &Call) -> Result<()> {
        let x = call.numbers(0)?;
        self.0.extend((0..call.rows).filter_map(|row| x.get(row)));
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.0)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.extend(state::to_floats(bytes)?);
        Ok(())
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<f64>()
    }
}

/// Every value of argument 0, divided by argument 1 into reference and current ones.
#[derive(Debug, Default)]
pub(crate) struct TwoSamples {
    pub(crate) reference: Vec<f64>,
    pub(crate) current: Vec<f64>,
}

impl Sample for TwoSamples {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (x, is_current) = (call.numbers(0)?, Outcomes::new(call, 1)?);
        for row in 0..call.rows {
            match (x.get(row), is_current.get(row)?) {
                (Some(x), Some(true)) => self.current.push(x),
                (Some(x), Some(false)) => self.reference.push(x),
                _ => {}
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(1 + self.reference.len() + self.current.len());
        all.push(self.reference.len() as f64);
        all.extend_from_slice(&self.reference);
        all.extend_from_slice(&self.current);
        state::floats(&all)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let all = state::to_floats(bytes)?;
        let Some((count, values)) = all.split_first() else { return Ok(()) };
        let Some((reference, current)) = values.split_at_checked(*count as usize) else {
            return internal_err!("a state of two samples is too short");
        };
        self.reference.extend_from_slice(reference);
        self.current.extend_from_slice(current);
        Ok(())
    }

    fn size(&self) -> usize {
        (self.reference.capacity() + self.current.capacity()) * size_of::<f64>()
    }
}

/// Every prediction.
#[derive(Debug, Default)]
pub(crate) struct Predictions(pub(crate) Vec<Prediction>);

impl Sample for Predictions {
    fn add(&mut self, call: &Call) -> Result<()> {
        each_prediction(call, |p, event| self.0.push((p, event)))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let of = |outcome: bool| self.0.iter().filter(move |(_, event)| *event == outcome).map(|(p, _)| *p);
        let mut all = vec![of(true).count() as f64];
        all.extend(of(true).chain(of(false)));
        state::floats(&all)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let all = state::to_floats(bytes)?;
        let Some((events, p)) = all.split_first() else { return Ok(()) };
        self.0.extend(p.iter().enumerate().map(|(i, p)| (*p, (i as f64) < *events)));
        Ok(())
    }

    fn size(&self) -> usize {
        self.0.capacity() * size_of::<Prediction>()
    }
}

/// Count and sum of a score of each row.
pub(crate) struct Mean {
    count: f64,
    sum: f64,
    score: fn(&Call, &mut dyn FnMut(f64)) -> Result<()>,
}

impl fmt::Debug for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mean").finish_non_exhaustive()
    }
}

impl Mean {
    /// Of what `score` hands over for the rows of a batch.
    pub(crate) fn new(score: fn(&Call, &mut dyn FnMut(f64)) -> Result<()>) -> Self {
        Self { count: 0.0, sum: 0.0, score }
    }

    /// `None` without rows.
    pub(crate) fn value(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }

    /// The scores of predictions.
    pub(crate) fn of_predictions(call: &Call, score: fn(f64, bool) -> f64, add: &mut dyn FnMut(f64)) -> Result<()> {
        each_prediction(call, |p, event| add(score(p, event)))
    }
}

impl Sample for Mean {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (count, sum) = (&mut self.count, &mut self.sum);
        (self.score)(call, &mut |score| {
            *count += 1.0;
            *sum += score;
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&[self.count, self.sum])
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let [count, sum] = state::to_array(bytes)?;
        self.count += count;
        self.sum += sum;
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

impl Sample for Bins {
    fn add(&mut self, call: &Call) -> Result<()> {
        each_prediction(call, |p, event| self.add(p, event))
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.to_floats())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.merge(&Self::from_floats(&state::to_floats(bytes)?));
        Ok(())
    }

    fn size(&self) -> usize {
        3 * self.count() * size_of::<f64>()
    }
}

/// Decisions at a threshold.
#[derive(Debug)]
pub(crate) struct Decisions {
    pub(crate) threshold: f64,
    pub(crate) counts: Confusion,
}

impl Sample for Decisions {
    fn add(&mut self, call: &Call) -> Result<()> {
        each_prediction(call, |p, event| self.counts.add(p >= self.threshold, event))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let c = self.counts;
        state::floats(&[c.true_positive, c.false_positive, c.false_negative, c.true_negative])
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let [tp, fp, fn_, tn] = state::to_array(bytes)?;
        self.counts.true_positive += tp;
        self.counts.false_positive += fp;
        self.counts.false_negative += fn_;
        self.counts.true_negative += tn;
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

impl Sample for Pairs {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (a, b) = (call.numbers(0)?, call.numbers(1)?);
        for row in 0..call.rows {
            if let (Some(a), Some(b)) = (a.get(row), b.get(row)) {
                self.add(a, b);
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.to_floats())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.merge(&Self::from_floats(&state::to_floats(bytes)?));
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

/// Hands over the complete vectors of argument 0, which all have one length.
fn each_vector(call: &Call, limit: usize, known: Option<usize>, mut add: impl FnMut(&[f64])) -> Result<()> {
    let (lists, mut buffer, mut length) = (call.lists(0)?, Vec::new(), known);
    for row in 0..call.rows {
        let Some(own) = lists.len(row) else { continue };
        let expected = *length.get_or_insert(own);
        check_length(call.settings.name(), expected, own, limit)?;
        if let Some(vector) = lists.get(row, usize::MAX, &mut buffer).filter(|v| v.iter().all(|x| x.is_finite())) {
            add(vector);
        }
    }
    Ok(())
}

fn check_length(name: &str, expected: usize, length: usize, limit: usize) -> Result<()> {
    if length != expected {
        return exec_err!("{name}: all vectors have one length; one has {expected} elements, another {length}");
    }
    if length == 0 || length > limit {
        return exec_err!(
            "{name}: a vector has 1 to {limit} elements, got {length}; take fewer features or their principal components"
        );
    }
    Ok(())
}

/// Count, mean and scatter of vectors.
#[derive(Debug)]
pub(crate) struct Scatter {
    pub(crate) name: &'static str,
    pub(crate) limit: usize,
    pub(crate) moments: Option<Moments>,
}

impl Sample for Scatter {
    fn add(&mut self, call: &Call) -> Result<()> {
        let known = self.moments.as_ref().map(Moments::length);
        each_vector(call, self.limit, known, |vector| {
            self.moments.get_or_insert_with(|| Moments::new(vector.len())).add(vector);
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        state::floats(&self.moments.as_ref().map(Moments::to_floats).unwrap_or_default())
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(other) = Moments::from_floats(&state::to_floats(bytes)?) else { return Ok(()) };
        match &mut self.moments {
            Some(own) => {
                check_length(self.name, own.length(), other.length(), self.limit)?;
                own.merge(&other);
            }
            None => self.moments = Some(other),
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.moments.as_ref().map_or(0, |m| (m.length() + 1) * m.length() * size_of::<f64>())
    }
}

/// Every complete vector, one after another.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub(crate) name: &'static str,
    pub(crate) limit: usize,
    pub(crate) length: usize,
    pub(crate) rows: Vec<f64>,
}

impl Sample for Vectors {
    fn add(&mut self, call: &Call) -> Result<()> {
        let known = Some(self.length).filter(|l| *l > 0);
        each_vector(call, self.limit, known, |vector| {
            self.length = vector.len();
            self.rows.extend_from_slice(vector);
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut all = vec![self.length as f64];
        all.extend_from_slice(&self.rows);
        state::floats(&all)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let all = state::to_floats(bytes)?;
        let Some((length, rows)) = all.split_first().filter(|(length, _)| **length > 0.0) else { return Ok(()) };
        let length = *length as usize;
        if self.length > 0 {
            check_length(self.name, self.length, length, self.limit)?;
        }
        self.length = length;
        self.rows.extend_from_slice(rows);
        Ok(())
    }

    fn size(&self) -> usize {
        self.rows.capacity() * size_of::<f64>()
    }
}

/// Counts of texts, or of pairs of texts; as many different ones as a table of categories has.
#[derive(Debug)]
pub(crate) struct Categories<const N: usize> {
    name: &'static str,
    /// How often each category (pair) occurs, in the reference and in the current sample.
    pub(crate) counts: BTreeMap<[String; N], [f64; 2]>,
    bytes: usize,
}

/// Most different categories. More are an identifier or a measurement, for which a table of counts says nothing.
const MAX_CATEGORIES: usize = 10_000;

impl<const N: usize> Categories<N> {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, counts: BTreeMap::new(), bytes: 0 }
    }

    fn count(&mut self, key: [&str; N], counts: [f64; 2]) -> Result<()> {
        let key = key.map(str::to_owned);
        if let Some(own) = self.counts.get_mut(&key) {
            *own = [own[0] + counts[0], own[1] + counts[1]];
            return Ok(());
        }
        if self.counts.len() >= MAX_CATEGORIES {
            return exec_err!("{}: more than {MAX_CATEGORIES} different categories; group them first", self.name);
        }
        // A node of the tree and the string beside the text itself.
        self.bytes += key.iter().map(|k| k.len() + 64).sum::<usize>() + 32;
        self.counts.insert(key, counts);
        Ok(())
    }

    /// The counts of both samples in the order of the categories.
    pub(crate) fn both(&self) -> (Vec<f64>, Vec<f64>) {
        self.counts.values().map(|c| (c[0], c[1])).unzip()
    }

    fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (key, counts) in &self.counts {
            for text in key {
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            counts.iter().for_each(|c| bytes.extend(c.to_le_bytes()));
        }
        bytes
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<()> {
        let broken = || internal_err!("a state of categories is broken");
        while !bytes.is_empty() {
            let mut key = [""; N];
            for text in &mut key {
                let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return broken() };
                let Some((own, rest)) = rest.split_at_checked(u64::from_le_bytes(*length) as usize) else { return broken() };
                let Ok(own) = std::str::from_utf8(own) else { return broken() };
                (*text, bytes) = (own, rest);
            }
            let Some((first, rest)) = bytes.split_first_chunk::<8>() else { return broken() };
            let Some((second, rest)) = rest.split_first_chunk::<8>() else { return broken() };
            bytes = rest;
            self.count(key, [f64::from_le_bytes(*first), f64::from_le_bytes(*second)])?;
        }
        Ok(())
    }
}

impl Sample for Categories<1> {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (category, is_current) = (call.texts(0)?, Outcomes::new(call, 1)?);
        for row in 0..call.rows {
            if let (Some(category), Some(current)) = (category.get(row), is_current.get(row)?) {
                self.count([category], if current { [0.0, 1.0] } else { [1.0, 0.0] })?;
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.write()
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.read(bytes)
    }

    fn size(&self) -> usize {
        self.bytes
    }
}

impl Sample for Categories<2> {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (a, b) = (call.texts(0)?, call.texts(1)?);
        for row in 0..call.rows {
            if let (Some(a), Some(b)) = (a.get(row), b.get(row)) {
                self.count([a, b], [1.0, 0.0])?;
            }
        }
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.write()
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.read(bytes)
    }

    fn size(&self) -> usize {
        self.bytes
    }
}
