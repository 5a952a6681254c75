//! What aggregates hold of their rows. A row with a missing value counts for nothing in all of them.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::common::{Result, exec_err, internal_err};

use crate::args::Call;
use crate::sample::agreement::Pairs;
use crate::sample::calibration::{Bins, Confusion, Prediction};
use crate::sample::multivariate::Moments;
use crate::state::{self, Reader};
use crate::summary::{AllNumbers, Outcomes, Sample, probability};

/// The scores of a batch with the outcomes: arguments 0 and 1.
fn each_score(call: &Call, mut add: impl FnMut(f64, bool) -> Result<()>) -> Result<()> {
    let (scores, outcomes) = (call.numbers(0)?, Outcomes::new(call, 1)?);
    for row in 0..call.rows {
        if let (Some(score), Some(event)) = (scores.get(row), outcomes.get(row)?) {
            add(score, event)?;
        }
    }
    Ok(())
}

/// The same for scores that are probabilities.
fn each_prediction(call: &Call, mut add: impl FnMut(f64, bool)) -> Result<()> {
    each_score(call, |p, event| {
        add(probability(call.settings.name(), p)?, event);
        Ok(())
    })
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

/// Every conformal score of argument 0. An infinite one is that of a row which no threshold covers.
#[derive(Debug, Default)]
pub(crate) struct Scores(pub(crate) Values);

impl Sample for Scores {
    fn add(&mut self, call: &Call) -> Result<()> {
        let scores = AllNumbers::new(call, 0)?;
        self.0.0.extend((0..call.rows).filter_map(|row| scores.get(row)).filter(|s| !s.is_nan()));
        Ok(())
    }

    fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.merge(bytes)
    }

    fn size(&self) -> usize {
        self.0.size()
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
        let mut reader = Reader::new(bytes);
        let (count, values) = (reader.count()?, reader.rest()?);
        let Some((reference, current)) = values.split_at_checked(count as usize) else {
            return internal_err!("a state of two samples has {} of {count} values", values.len());
        };
        self.reference.extend_from_slice(reference);
        self.current.extend_from_slice(current);
        Ok(())
    }

    fn size(&self) -> usize {
        (self.reference.capacity() + self.current.capacity()) * size_of::<f64>()
    }
}

/// Every prediction: the probability, or any other score, and the outcome.
#[derive(Debug)]
pub(crate) struct Predictions {
    probabilities: bool,
    pub(crate) all: Vec<Prediction>,
}

impl Predictions {
    /// None yet; a number that is no probability will be refused.
    pub(crate) fn of_probabilities() -> Self {
        Self { probabilities: true, all: Vec::new() }
    }

    /// None yet; any number will do.
    pub(crate) fn of_scores() -> Self {
        Self { probabilities: false, all: Vec::new() }
    }
}

impl Sample for Predictions {
    fn add(&mut self, call: &Call) -> Result<()> {
        let all = &mut self.all;
        if self.probabilities {
            return each_prediction(call, |p, event| all.push((p, event)));
        }
        each_score(call, |score, event| {
            all.push((score, event));
            Ok(())
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let of = |outcome: bool| self.all.iter().filter(move |(_, event)| *event == outcome).map(|(p, _)| *p);
        let mut all = vec![of(true).count() as f64];
        all.extend(of(true).chain(of(false)));
        state::floats(&all)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        let (events, scores) = (reader.count()?, reader.rest()?);
        if events > scores.len() as f64 {
            return internal_err!("a state of predictions has {} of {events} events", scores.len());
        }
        self.all.extend(scores.iter().enumerate().map(|(i, score)| (*score, (i as f64) < events)));
        Ok(())
    }

    fn size(&self) -> usize {
        self.all.capacity() * size_of::<Prediction>()
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
        let [count, sum] = state::to_sums(bytes)?;
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
        let mut reader = Reader::new(bytes);
        let bins = (0..self.count()).map(|_| reader.sums::<3>()).collect::<Result<Vec<_>>>()?;
        reader.end()?;
        self.merge(&Self::from_floats(&bins.concat()));
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
        each_score(call, |score, event| {
            self.counts.add(score >= self.threshold, event);
            Ok(())
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let c = self.counts;
        state::floats(&[c.true_positive, c.false_positive, c.false_negative, c.true_negative])
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        let counts = [reader.count()?, reader.count()?, reader.count()?, reader.count()?];
        reader.end()?;
        let own = &mut self.counts;
        let own = [&mut own.true_positive, &mut own.false_positive, &mut own.false_negative, &mut own.true_negative];
        own.into_iter().zip(counts).for_each(|(own, more)| *own += more);
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
        self.merge(&Self::from_floats(state::to_sums(bytes)?));
        Ok(())
    }

    fn size(&self) -> usize {
        0
    }
}

/// The length that all vectors of an aggregate have: that of the first one, whether or not it is complete.
#[derive(Debug)]
pub(crate) struct Length {
    name: &'static str,
    most: usize,
    known: usize,
}

impl Length {
    /// Not known yet.
    pub(crate) fn new(name: &'static str, most: usize) -> Self {
        Self { name, most, known: 0 }
    }

    fn expect(&mut self, length: usize) -> Result<()> {
        if length > self.most {
            return exec_err!(
                "{}: a vector has 1 to {} elements, got {length}; take fewer features or their principal components",
                self.name,
                self.most
            );
        }
        if self.known == 0 {
            self.known = length;
        }
        if length != self.known {
            return exec_err!("{}: the vectors differ in length: {} and {length} elements", self.name, self.known);
        }
        Ok(())
    }

    /// Reads the length of a state; nothing may follow a length of 0.
    fn merge(&mut self, reader: &mut Reader) -> Result<()> {
        match reader.count()? {
            0.0 => reader.end(),
            length => self.expect(length as usize),
        }
    }
}

/// Hands over the vectors of argument 0. A NULL and an empty list are left out.
fn each_vector(call: &Call, length: &mut Length, mut add: impl FnMut(&[f64]) -> Result<()>) -> Result<()> {
    let (lists, mut buffer) = (call.lists(0)?, Vec::new());
    for row in 0..call.rows {
        if let Some(vector) = lists.get(row, usize::MAX, &mut buffer).filter(|v| !v.is_empty()) {
            length.expect(vector.len())?;
            add(vector)?;
        }
    }
    Ok(())
}

fn complete(vector: &[f64]) -> bool {
    vector.iter().all(|x| x.is_finite())
}

/// Count, mean and scatter of complete vectors.
#[derive(Debug)]
pub(crate) struct Scatter {
    length: Length,
    pub(crate) moments: Option<Moments>,
}

impl Scatter {
    pub(crate) fn new(length: Length) -> Self {
        Self { length, moments: None }
    }
}

impl Sample for Scatter {
    fn add(&mut self, call: &Call) -> Result<()> {
        let moments = &mut self.moments;
        each_vector(call, &mut self.length, |vector| {
            if complete(vector) {
                moments.get_or_insert_with(|| Moments::new(vector.len())).add(vector);
            }
            Ok(())
        })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut all = vec![self.length.known as f64];
        all.extend(self.moments.as_ref().map(Moments::to_floats).unwrap_or_default());
        state::floats(&all)
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        self.length.merge(&mut reader)?;
        if reader.is_empty() {
            return Ok(());
        }
        let count = reader.count()?;
        let rest = reader.rest()?;
        let other = Moments::from_floats(&[vec![count], rest].concat()).filter(|m| m.length() == self.length.known);
        match (&mut self.moments, other) {
            (_, None) => return internal_err!("a state of moments is broken"),
            (Some(own), Some(other)) => own.merge(&other),
            (own, other) => *own = other,
        }
        Ok(())
    }

    fn size(&self) -> usize {
        self.moments.as_ref().map_or(0, |m| (m.length() + 2) * m.length() * size_of::<f64>())
    }
}

/// Every vector, one after another.
#[derive(Debug)]
pub(crate) struct Vectors {
    name: &'static str,
    only_complete: bool,
    length: Length,
    pub(crate) rows: Vec<f64>,
}

/// Most numbers of the vectors that are held: 1 GiB.
const MAX_HELD: usize = 1 << 27;

impl Vectors {
    /// Those without a missing element, of up to `most` elements.
    pub(crate) fn complete(name: &'static str, most: usize) -> Self {
        Self { name, only_complete: true, length: Length::new(name, most), rows: Vec::new() }
    }

    /// All, of any length.
    pub(crate) fn all(name: &'static str) -> Self {
        Self { name, only_complete: false, length: Length::new(name, MAX_HELD), rows: Vec::new() }
    }

    /// Elements of a vector; 0 before the first one.
    pub(crate) fn length(&self) -> usize {
        self.length.known
    }
}

fn hold(name: &str, rows: &mut Vec<f64>, more: &[f64]) -> Result<()> {
    if rows.len() + more.len() > MAX_HELD {
        return exec_err!("{name}: more than {MAX_HELD} numbers; take a sample of the rows");
    }
    rows.extend_from_slice(more);
    Ok(())
}

impl Sample for Vectors {
    fn add(&mut self, call: &Call) -> Result<()> {
        let (name, rows, all) = (self.name, &mut self.rows, !self.only_complete);
        each_vector(call, &mut self.length, |v| if all || complete(v) { hold(name, rows, v) } else { Ok(()) })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size_of::<f64>() * (1 + self.rows.len()));
        bytes.extend((self.length.known as f64).to_le_bytes());
        self.rows.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        bytes
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        self.length.merge(&mut reader)?;
        let rows = reader.rest()?;
        if rows.len() % self.length.known.max(1) != 0 {
            return internal_err!("{} numbers are no vectors of {} elements", rows.len(), self.length.known);
        }
        hold(self.name, &mut self.rows, &rows)
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
            key.iter().for_each(|text| state::put_text(&mut bytes, text));
            bytes.extend(state::floats(counts));
        }
        bytes
    }

    fn read(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            let mut key = [""; N];
            for text in &mut key {
                *text = reader.text()?;
            }
            self.count(key, [reader.count()?, reader.count()?])?;
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
