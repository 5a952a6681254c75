//! Lengths of vectors, products and distances between them.

/// Euclidean length, without overflow on the way.
pub fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let squares: f64 = values.clone().map(|v| v * v).sum();
    if squares.is_normal() {
        return squares.sqrt();
    }
    let largest = values.clone().fold(0.0, |top: f64, v| top.max(v.abs()));
    if largest > 0.0 && largest.is_finite() {
        largest * values.map(|v| (v / largest) * (v / largest)).sum::<f64>().sqrt()
    } else {
        largest
    }
}

/// How far apart two vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Length of the difference (L2).
    Euclidean,
    /// Sum of the absolute differences (L1).
    Manhattan,
    /// Largest absolute difference (L∞).
    Chebyshev,
    /// One minus the cosine of the angle between them.
    Cosine,
}

/// Scalar product of two vectors of one length.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums side by side: the processor adds them at once, and rounding grows more slowly than in one sum.
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// Cosine of the angle between two vectors; `None` where one has no direction.
pub fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let (la, lb) = (norm(a.iter().copied()), norm(b.iter().copied()));
    let product: f64 = a.iter().zip(b).map(|(a, b)| (a / la) * (b / lb)).sum();
    product.is_finite().then(|| product.clamp(-1.0, 1.0))
}

/// The distance between two vectors of one length; `None` where it is not defined.
pub fn distance(a: &[f64], b: &[f64], metric: Metric) -> Option<f64> {
    let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
    if !differences.clone().all(f64::is_finite) {
        return None;
    }
    let distance = match metric {
        Metric::Euclidean => norm(differences),
        Metric::Manhattan => differences.sum(),
        Metric::Chebyshev => differences.fold(0.0, f64::max),
        Metric::Cosine => 1.0 - cosine(a, b)?,
    };
    distance.is_finite().then_some(distance)
}

/// Appends the vector divided by its Euclidean length over the elements that are not missing; a vector of zeros stays.
pub fn unit(vector: &[f64], out: &mut Vec<f64>) {
    let length = norm(vector.iter().copied().filter(|v| v.is_finite()));
    out.extend(vector.iter().map(|v| if length > 0.0 { v / length } else { *v }));
}
