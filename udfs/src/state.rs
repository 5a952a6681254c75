//! The bytes in which aggregates hand their state from one partition to another.

use datafusion::common::{Result, internal_err};

/// Numbers as bytes.
pub(crate) fn floats(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

/// Numbers from the bytes of [`floats`].
///
/// # Errors
/// For bytes that are not whole numbers of eight.
pub(crate) fn to_floats(bytes: &[u8]) -> Result<Vec<f64>> {
    let (numbers, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return internal_err!("{} bytes are no list of numbers", bytes.len());
    }
    Ok(numbers.iter().map(|b| f64::from_le_bytes(*b)).collect())
}

/// Numbers of a fixed count from the bytes of [`floats`].
///
/// # Errors
/// For another count.
pub(crate) fn to_array<const N: usize>(bytes: &[u8]) -> Result<[f64; N]> {
    let numbers = to_floats(bytes)?;
    match <[f64; N]>::try_from(numbers.as_slice()) {
        Ok(array) => Ok(array),
        Err(_) => internal_err!("a state of {N} numbers has {}", numbers.len()),
    }
}
