//! What a listed file stands for: itself, or, if it is an archive, its members.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt as _;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::listing::Listed;
use super::{Lake, LakeFile, RECOGNISE_AT_ONCE, Refused, reason_without_path, recognise};
use crate::archive::{self, ArchiveStore, Contents, Fault, Found};
use crate::device::{Device, Sample};
use crate::issue::IssueCode;

type Recognised = Result<&'static dyn Device, Refused>;

impl Lake {
    /// The files that a listed one stands for, opened and recognised where they are not remembered.
    pub(super) async fn taken(&self, meta: ObjectMeta, stamp: String) -> Vec<Arc<LakeFile>> {
        let file_id = self.identity.file_id(meta.location.as_ref());
        let (device, facts) = match self.remembered(&file_id, &stamp) {
            Some(remembered) => remembered,
            None => match self.opened(&meta).await {
                Ok(Contents::Members(found)) if !found.is_empty() => return self.members(found, &stamp).await,
                Ok(Contents::Members(_)) => (Err(Refused::new(IssueCode::ArchiveUnreadable, Fault::NoMember.to_string())), None),
                Ok(Contents::Document(device)) => (device, None),
                Err(refused) => (Err(refused), None),
            },
        };
        vec![Arc::new(self.file(meta, file_id, stamp, device, facts))]
    }

    /// The members of an archive. They change when it does.
    async fn members(&self, found: Vec<Found>, stamp: &str) -> Vec<Arc<LakeFile>> {
        futures::stream::iter(found)
            .map(|Found { meta, refused }| async move {
                let file_id = self.identity.file_id(meta.location.as_ref());
                let (device, facts) = match (refused, self.remembered(&file_id, stamp)) {
                    (Some(fault), _) => (Err(Refused::new(IssueCode::ArchiveMemberRefused, fault.to_string())), None),
                    (None, Some(remembered)) => remembered,
                    (None, None) => (self.recognised_member(&meta).await, None),
                };
                Arc::new(self.file(meta, file_id, stamp.to_owned(), device, facts))
            })
            .buffered(RECOGNISE_AT_ONCE)
            .collect()
            .await
    }

    /// A file by its first bytes: what it is read as, or the members that it has.
    async fn opened(&self, meta: &ObjectMeta) -> Result<Contents<Recognised>, Refused> {
        let head = head(&*self.store, meta).await?;
        let sample = Sample { head: &head, size: meta.size };
        if !archive::is_zip(&head) {
            return Ok(Contents::Document(recognise(&sample)));
        }
        match self.archives.members(meta).await {
            Ok(contents) => Ok(contents.map_document(|()| recognise(&sample))),
            Err(error) => Err(match Fault::of(&error) {
                Some(fault) if fault != Fault::Changed => Refused::new(IssueCode::ArchiveUnreadable, fault.to_string()),
                _ => unreadable(&error),
            }),
        }
    }

    async fn recognised_member(&self, meta: &ObjectMeta) -> Recognised {
        let refused = |fault: Fault| Refused::new(IssueCode::ArchiveMemberRefused, fault.to_string());
        let head = head(&*self.store, meta).await?;
        if archive::is_zip(&head) {
            // A workbook is built like an archive and is none.
            let inside = ArchiveStore::new(Arc::clone(&self.store));
            match inside.members(meta).await {
                Ok(Contents::Document(())) => {}
                Ok(Contents::Members(_)) => return Err(refused(Fault::Nested)),
                Err(error) => return Err(Fault::of(&error).map_or_else(|| unreadable(&error), refused)),
            }
        }
        recognise(&Sample { head: &head, size: meta.size })
    }

    fn remembered(&self, file_id: &str, stamp: &str) -> Option<(Recognised, Option<Arc<super::Facts>>)> {
        let entry = self.manifest.unchanged(file_id, stamp)?;
        Some((entry.recognised()?, entry.facts))
    }
}

/// The first bytes of a file.
async fn head(store: &dyn ObjectStore, meta: &ObjectMeta) -> Result<bytes::Bytes, Refused> {
    if meta.size == 0 {
        return Err(Refused::new(IssueCode::FileEmpty, "the file is empty"));
    }
    let head = store.get_range(&meta.location, 0..meta.size.min(Sample::LEN)).await;
    head.map_err(|error| match Fault::of(&error) {
        // Damage stays; what the store could not do may go well the next time.
        Some(fault) if fault != Fault::Changed => Refused::new(IssueCode::ArchiveMemberRefused, fault.to_string()),
        _ => unreadable(&error),
    })
}

fn unreadable(error: &object_store::Error) -> Refused {
    Refused::new(IssueCode::FileUnreadable, format!("the file can't be opened: {}", reason_without_path(error)))
}

/// Takes out the files that bear the name of a member of an archive beside them: by that name the member is read. Each is given
/// a name of its own and kept with the reason.
pub(super) fn eclipsed(files: &mut Vec<Listed>) -> Vec<ObjectMeta> {
    if !files.iter().any(|file| archive::is_archived(&file.meta.location)) {
        return Vec::new();
    }
    let names: HashSet<Path> = files.iter().map(|file| file.meta.location.clone()).collect();
    let is_eclipsed = |file: &mut Listed| archive::around(&file.meta.location).any(|outer| names.contains(&outer));
    let out = files.extract_if(.., is_eclipsed);
    let renamed = |file: Listed| {
        let name = file.meta.location.as_ref().replace(archive::SEPARATOR, "%21/");
        ObjectMeta { location: Path::parse(&name).unwrap_or_else(|_| Path::from(name)), ..file.meta }
    };
    out.map(renamed).collect()
}
