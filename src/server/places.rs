//! The places for sessions: so many in all, a few of them kept for superusers, and so many a role.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::error::PgError;

/// The sessions that are open.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    reserved: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_user: HashMap<String, usize>,
}

/// A place of a session; it is given up when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    user: String,
}

impl Places {
    /// `limit` places, of which `reserved` are for superusers.
    pub(crate) fn new(limit: usize, reserved: usize) -> Self {
        Self { limit, reserved: reserved.min(limit.saturating_sub(1)), taken: Mutex::default() }
    }

    /// Takes a place. `own_limit` is how many the user may have.
    pub(crate) fn take(self: &Arc<Self>, user: &str, superuser: bool, own_limit: Option<u32>) -> Result<Place, PgError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.limit {
            return Err(PgError::fatal("53300", format!("sorry, too many clients already: the limit is {}", self.limit))
                .with_hint("Close idle connections, or raise the server's limit."));
        }
        if !superuser && taken.all >= self.limit - self.reserved {
            return Err(PgError::fatal(
                "53300",
                "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            )
            .with_hint("Close idle connections, or raise the server's limit."));
        }
        let own = taken.by_user.entry(user.to_owned()).or_default();
        if own_limit.is_some_and(|limit| *own >= limit as usize) && !superuser {
            return Err(PgError::fatal("53300", format!("too many connections for role \"{user}\"")));
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), user: user.to_owned() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_user.get_mut(&self.user) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_user.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_for_superusers() {
        let places = Arc::new(Places::new(3, 1));
        let first = places.take("anna", false, Some(1)).unwrap();
        assert!(places.take("anna", false, Some(1)).unwrap_err().message.contains("role \"anna\""));
        let _second = places.take("bert", false, None).unwrap();
        assert!(places.take("bert", false, None).unwrap_err().message.contains("SUPERUSER"));
        let _third = places.take("root", true, None).unwrap();
        assert!(places.take("root", true, None).unwrap_err().message.contains("too many clients"));
        drop(first);
        assert!(places.take("root", true, None).is_ok());
        assert!(Arc::new(Places::new(1, 3)).take("anna", false, None).is_ok(), "one place at least is for everybody");
    }
}
