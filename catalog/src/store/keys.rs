//! The keys of a bucket, those among them too that no path can spell.
//!
//! A page of a listing with such a key (`a//b`) is refused as a whole by the client, which names the first one. So pages are asked
//! for in ever smaller numbers of keys until it stands alone, and the listing goes on behind it.

use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::{self, Path};
use object_store::{Error, ObjectMeta, Result};

/// Keys of a page, where a smaller number was asked for before.
const PAGE: usize = 1000;

/// What a bucket holds below a prefix.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Objects by their whole keys.
    pub(super) objects: Vec<ObjectMeta>,
    /// Whole keys that are no paths.
    pub(super) unspellable: Vec<String>,
}

/// Lists all keys below `prefix`.
///
/// # Errors
/// When a page can't be had: half of a listing is none.
pub(super) async fn list(store: &dyn PaginatedListStore, prefix: &Path) -> Result<Keys> {
    let prefix = below(prefix);
    let mut keys = Keys::default();
    let mut asked = PaginatedListOptions::default();
    loop {
        match store.list_paginated(prefix.as_deref(), asked.clone()).await {
            Ok(page) => {
                keys.objects.extend(page.result.objects);
                if page.page_token.is_none() {
                    return Ok(keys);
                }
                asked.page_token = page.page_token;
                asked.max_keys = asked.max_keys.map(|most| (2 * most).min(PAGE));
            }
            Err(error) => {
                let Some(key) = unspellable(&error) else { return Err(error) };
                match asked.max_keys {
                    Some(1) => {
                        // A service that does not know where to go on would begin anew for ever.
                        if asked.offset.as_ref().is_some_and(|last| *last >= key) {
                            return Err(error);
                        }
                        keys.unspellable.push(key.clone());
                        // Another such key is likely to follow.
                        asked = PaginatedListOptions { offset: Some(key), max_keys: Some(1), ..Default::default() };
                    }
                    most => asked.max_keys = Some((most.unwrap_or(PAGE) / 4).max(1)),
                }
            }
        }
    }
}

/// Whether anything below `prefix` can be listed.
pub(super) async fn probe(store: &dyn PaginatedListStore, prefix: &Path) -> Result<()> {
    let options = PaginatedListOptions { max_keys: Some(1), ..Default::default() };
    match store.list_paginated(below(prefix).as_deref(), options).await {
        Err(error) if unspellable(&error).is_none() => Err(error),
        _ => Ok(()),
    }
}

/// A prefix as services want it.
fn below(prefix: &Path) -> Option<String> {
    (!prefix.is_root()).then(|| format!("{prefix}/"))
}

/// The key for which a page was refused.
fn unspellable(error: &Error) -> Option<String> {
    match error {
        Error::InvalidPath { source: path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } } => {
            Some(path.clone())
        }
        _ => None,
    }
}
