//! Time zones: what clocks show, and when.

use chrono::{DateTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A time zone; nothing inside is UTC, which needs no table.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Zone(Option<Tz>);

impl Zone {
    /// Seconds east of Greenwich at an instant, in microseconds since 1970-01-01 UTC.
    pub(crate) fn offset_seconds(self, micros: i64) -> i32 {
        match (self.0, DateTime::from_timestamp_micros(micros)) {
            (Some(zone), Some(instant)) => zone.offset_from_utc_datetime(&instant.naive_utc()).fix().local_minus_utc(),
            _ => 0,
        }
    }

    /// What a clock of the zone shows at an instant.
    pub(crate) fn clock(self, micros: i64) -> i64 {
        micros.saturating_add(i64::from(self.offset_seconds(micros)) * SECOND)
    }

    /// When a clock of the zone shows this. Of an hour that comes twice the second is meant, as in PostgreSQL; one that never comes is
    /// counted on from before.
    pub(crate) fn instant(self, clock: i64) -> i64 {
        let offset = |micros: i64| i64::from(self.offset_seconds(micros)) * SECOND;
        let before = offset(clock.saturating_sub(DAY));
        let after = offset(clock.saturating_add(DAY));
        let later = clock.saturating_sub(after);
        if before == after || offset(later) == after { later } else { clock.saturating_sub(before) }
    }
}

/// A zone by its name or offset, as `SET TIME ZONE` accepts it.
pub(crate) fn zone(name: &str) -> Option<Zone> {
    let name = name.trim();
    if ["utc", "gmt", "default", "local"].iter().any(|utc| name.eq_ignore_ascii_case(utc)) {
        return Some(Zone(None));
    }
    if let Ok(hours) = name.parse::<i32>() {
        // A bare number is hours east of Greenwich.
        let sign = if hours < 0 { '-' } else { '+' };
        return if hours.abs() <= 14 {
            format!("{sign}{:02}:00", hours.abs()).parse().ok().map(|zone| Zone(Some(zone)))
        } else {
            None
        };
    }
    name.parse().ok().map(|zone| Zone(Some(zone)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_read_as_in_postgres() {
        let rome = zone("Europe/Rome").unwrap();
        let micros = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros();
        // PostgreSQL 15: select timestamp … at time zone 'Europe/Rome'
        for (clock, instant) in [
            ("2024-03-31T02:30:00Z", "2024-03-31T01:30:00Z"),
            ("2024-10-27T02:30:00Z", "2024-10-27T01:30:00Z"),
            ("2024-10-27T01:30:00Z", "2024-10-26T23:30:00Z"),
            ("2024-03-31T03:30:00Z", "2024-03-31T01:30:00Z"),
            ("2024-07-01T12:00:00Z", "2024-07-01T10:00:00Z"),
        ] {
            assert_eq!(rome.instant(micros(clock)), micros(instant), "{clock}");
        }
        assert_eq!(rome.clock(micros("2024-07-01T10:00:00Z")), micros("2024-07-01T12:00:00Z"));
        assert_eq!(Zone::default().instant(5), 5);
    }
}
