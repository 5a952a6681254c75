//! Zernike polynomials on the unit disc: OSA/ANSI indices, stable evaluation, names.
//!
//! Definition: ANSI Z80.28 and ISO 24157. `Z(n,m) = N R(n,|m|)(ρ) cos mθ` for `m ≥ 0` and `N R(n,|m|)(ρ) sin |m|θ` for
//! `m < 0`, with `N² = (2 − δ(m,0))(n + 1)`, so that the mean of `Zi Zj` over the disc is `δ(i,j)`.

/// The highest radial order that fits, evaluations and transforms accept.
pub const MAX_ORDER: usize = 20;

/// Number of terms up to a radial order: 28 for order 6.
pub fn term_count(max_order: usize) -> usize {
    (max_order + 1) * (max_order + 2) / 2
}

/// The highest complete radial order of a coefficient list: 6 for 28 terms; `None` for a length that ends within an order.
pub fn order_of_count(count: usize) -> Option<usize> {
    (0..=MAX_ORDER).find(|&n| term_count(n) == count)
}

/// The single index of OSA/ANSI, `j = (n(n+2)+m)/2`; `None` where `n − |m|` is odd or `|m| > n`.
pub fn index(n: usize, m: i32) -> Option<usize> {
    let n = i64::try_from(n).ok().filter(|&n| n <= 10_000)?;
    let m = i64::from(m);
    (m.abs() <= n && (n - m).rem_euclid(2) == 0).then(|| usize::try_from((n * (n + 2) + m) / 2).unwrap_or(0))
}

/// Radial order `n` and angular frequency `m` of an OSA/ANSI index.
pub fn order(j: usize) -> (usize, i32) {
    let mut n = 0;
    while term_count(n) <= j {
        n += 1;
    }
    let from = n * (n + 1) / 2;
    (n, 2 * (j - from) as i32 - n as i32)
}

/// The index of Noll (1976), counted from 1.
pub fn noll(j: usize) -> usize {
    let (n, m) = order(j);
    let a = match n % 4 {
        0 | 1 if m > 0 => 0,
        2 | 3 if m < 0 => 0,
        _ => 1,
    };
    n * (n + 1) / 2 + m.unsigned_abs() as usize + a
}

/// The Fringe (University of Arizona) index, counted from 1.
pub fn fringe(j: usize) -> usize {
    let (n, m) = order(j);
    let absolute = m.unsigned_abs() as usize;
    let square = 1 + (n + absolute) / 2;
    square * square - 2 * absolute + usize::from(m < 0)
}

/// The normalisation factor `N` of a term.
pub fn norm(n: usize, m: i32) -> f64 {
    let factor = if m == 0 { 1.0 } else { 2.0 };
    (factor * (n as f64 + 1.0)).sqrt()
}

/// The radial polynomial `R(n,m)(ρ)`, without normalisation, as `ρ^m P(k; 0, m)(2ρ²−1)` with `k = (n−m)/2`.
///
/// The Jacobi recursion keeps full precision at high order and at `ρ = 0`, where the explicit sum and the recursions
/// that divide by `ρ²` do not.
pub fn radial(n: usize, m: usize, rho: f64) -> f64 {
    if m > n || !(n - m).is_multiple_of(2) {
        return 0.0;
    }
    let k = (n - m) / 2;
    let x = 2.0 * rho * rho - 1.0;
    let beta = m as f64;
    let mut previous = 1.0;
    let mut current = if k == 0 { 1.0 } else { 1.0 + (beta + 2.0) * (x - 1.0) / 2.0 };
    for i in 2..=k {
        let i = i as f64;
        let s = 2.0 * i + beta;
        let next = ((s - 1.0) * (s * (s - 2.0) * x - beta * beta) * current - 2.0 * (i - 1.0) * (i + beta - 1.0) * s * previous)
            / (2.0 * i * (i + beta) * (s - 2.0));
        previous = current;
        current = next;
    }
    rho.powi(m as i32) * current
}

/// The value of a term at `(ρ, θ)`, θ in radians.
pub fn value(j: usize, rho: f64, theta: f64) -> f64 {
    let (n, m) = order(j);
    let absolute = m.unsigned_abs();
    let angular = if m < 0 { (f64::from(absolute) * theta).sin() } else { (f64::from(absolute) * theta).cos() };
    norm(n, m) * radial(n, absolute as usize, rho) * angular
}

/// The sum of all terms at `(ρ, θ)`, in the unit of the coefficients.
pub fn surface(coefficients: &[f64], rho: f64, theta: f64) -> f64 {
    coefficients.iter().enumerate().map(|(j, c)| c * value(j, rho, theta)).sum()
}

/// The customary name of a term, as clinicians write it; beyond order 6 the name is `Z(n,m)`.
pub fn name(j: usize) -> String {
    const NAMES: [&str; 28] = [
        "piston",
        "tilt (vertical)",
        "tilt (horizontal)",
        "astigmatism (oblique)",
        "defocus",
        "astigmatism (vertical/horizontal)",
        "trefoil (vertical)",
        "coma (vertical)",
        "coma (horizontal)",
        "trefoil (oblique)",
        "quadrafoil (oblique)",
        "secondary astigmatism (oblique)",
        "spherical aberration",
        "secondary astigmatism (vertical/horizontal)",
        "quadrafoil",
        "pentafoil (vertical)",
        "secondary trefoil (vertical)",
        "secondary coma (vertical)",
        "secondary coma (horizontal)",
        "secondary trefoil (oblique)",
        "pentafoil (oblique)",
        "hexafoil (oblique)",
        "secondary quadrafoil (oblique)",
        "tertiary astigmatism (oblique)",
        "secondary spherical aberration",
        "tertiary astigmatism (vertical/horizontal)",
        "secondary quadrafoil",
        "hexafoil",
    ];
    match NAMES.get(j) {
        Some(name) => (*name).to_owned(),
        None => {
            let (n, m) = order(j);
            format!("Z({n},{m})")
        }
    }
}
