//! Random draws that depend on seed and stream alone, not on machine, thread or library version.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::elementary::{ln, sin_cos};

/// A stream of random numbers. Streams of one seed are independent of each other.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    generator: ChaCha8Rng,
}

impl Draw {
    /// The stream `stream` of the hospital `seed`.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(b"placido1");
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(stream);
        Self { generator }
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number below `end`; 0 when `end` is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Normal deviate, drawn again beyond three and a half standard deviations: an outlier of the simulation would be a
    /// fault that no truth file lists.
    pub(super) fn normal(&mut self, mean: f64, sd: f64) -> f64 {
        loop {
            let radius = (-2.0 * ln(1.0 - self.unit())).max(0.0).sqrt();
            let deviate = radius * sin_cos(std::f64::consts::TAU * self.unit()).0;
            if deviate.abs() < 3.5 {
                return mean + sd * deviate;
            }
        }
    }

    /// Normal deviate with mean 0 and standard deviation 1, good enough for measurement noise and ten times faster: the sum
    /// of four uniform numbers of 16 bits.
    pub(super) fn noise(&mut self) -> f64 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // Four numbers of variance 65536²/12.
        (sum as f64 - 131_070.0) / (65_536.0 * 0.577_350_269_189_625_8)
    }

    /// One of `items`, each as likely as the others. `items` is never empty here.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// One of `items`, by weight. `items` is never empty here.
    pub(super) fn weighted<T: Copy>(&mut self, items: &[(T, f64)]) -> T {
        let total: f64 = items.iter().map(|(_, weight)| weight).sum();
        let mut rest = self.unit() * total;
        for &(item, weight) in items {
            rest -= weight;
            if rest < 0.0 {
                return item;
            }
        }
        items[items.len() - 1].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_law() {
        let mut draw = Draw::new(7, 3);
        let n = 40_000;
        for law in [|d: &mut Draw| d.normal(0.0, 1.0), |d: &mut Draw| d.noise()] {
            let values: Vec<f64> = (0..n).map(|_| law(&mut draw)).collect();
            let mean = values.iter().sum::<f64>() / f64::from(n);
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n);
            assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
        }
    }

    #[test]
    fn streams_differ_and_repeat() {
        let first: Vec<u64> = (0..4).map(|stream| Draw::new(1, stream).bits()).collect();
        let again: Vec<u64> = (0..4).map(|stream| Draw::new(1, stream).bits()).collect();
        assert_eq!(first, again);
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
        assert_ne!(first[0], Draw::new(2, 0).bits());
    }

    #[test]
    fn weights_are_kept() {
        let mut draw = Draw::new(1, 1);
        let hits = (0..10_000).filter(|_| draw.weighted(&[(true, 1.0), (false, 3.0)])).count();
        assert!((2300..2700).contains(&hits), "{hits}");
    }
}
