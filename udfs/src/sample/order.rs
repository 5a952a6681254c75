//! Sorting that ends when nobody waits for it.

use std::cmp::Ordering;

use crate::waiting;

/// How many values are sorted, or merged, without asking: a few milliseconds.
const RUN: usize = 1 << 16;

/// The values in their order; in any order when nobody waits for it any more. Equal values must be the same.
pub(crate) fn ordered<T: Copy>(mut values: Vec<T>, order: impl Fn(&T, &T) -> Ordering + Copy) -> Vec<T> {
    for run in values.chunks_mut(RUN) {
        if waiting::is_stopped() {
            break;
        }
        run.sort_unstable_by(order);
    }
    let (mut other, mut sorted) = (Vec::new(), RUN);
    while sorted < values.len() {
        other.clear();
        other.reserve(values.len());
        for pair in values.chunks(2 * sorted) {
            let (a, b) = pair.split_at(sorted.min(pair.len()));
            if merge(a, b, &mut other, order).is_none() {
                return values;
            }
        }
        std::mem::swap(&mut values, &mut other);
        sorted *= 2;
    }
    values
}

fn merge<T: Copy>(mut a: &[T], mut b: &[T], out: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) -> Option<()> {
    let from = out.len();
    while let ([first, after_a @ ..], [second, after_b @ ..]) = (a, b) {
        if order(second, first).is_lt() {
            out.push(*second);
            b = after_b;
        } else {
            out.push(*first);
            a = after_a;
        }
        if (out.len() - from).is_multiple_of(RUN) {
            waiting::go_on()?;
        }
    }
    out.extend_from_slice(a);
    out.extend_from_slice(b);
    waiting::go_on()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waiting::Stop;

    #[test]
    fn it_sorts_as_the_standard_library_does() {
        let mut seed = 1_u64;
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((seed >> 40) as u32 % 100_000)
        };
        for count in [0, 1, 2, RUN - 1, RUN, RUN + 1, 2 * RUN, 2 * RUN + 1, 5 * RUN + 7] {
            let values: Vec<f64> = (0..count).map(|_| random()).collect();
            let mut expected = values.clone();
            expected.sort_unstable_by(f64::total_cmp);
            assert!(ordered(values, f64::total_cmp) == expected, "{count}");
        }
    }

    #[test]
    fn what_nobody_waits_for_is_left_as_it_is() {
        let stop = Stop::new();
        stop.stop();
        let values: Vec<f64> = (0..3 * RUN as u32).rev().map(f64::from).collect();
        assert!(stop.during(|| ordered(values.clone(), f64::total_cmp)) == values);
    }
}
