//! Reading files once to know what is in them: over all cores, in bounded memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use object_store::ObjectStore;
use tokio::sync::Semaphore;

use super::facts::{Depth, Facts};
use super::fetch::fetch;
use super::walk::{LARGE, is_large};
use super::{Lake, LakeFile, MAX_FILE_BYTES, Snapshot};
use crate::device::Sample;
use crate::identity::IdentityKey;

/// Memory for files that are being read, in MiB.
const MEMORY_MIB: u32 = 512;
/// What was found out is kept at least so often: what is lost when the process ends is found out again.
const KEEP_EVERY: Duration = Duration::from_secs(2);

impl Lake {
    /// Reads and checks the files of `snapshot` that were not inspected yet. `progress` is told how many of how many are done.
    pub async fn inspect(&self, snapshot: &Snapshot, progress: &(dyn Fn(usize, usize) + Sync)) {
        self.know(snapshot.files(), Depth::Content, progress).await;
    }

    /// Sees to it that so much is known of each file. What can't be read stays unknown.
    pub(crate) async fn know(&self, files: &[Arc<LakeFile>], depth: Depth, progress: &(dyn Fn(usize, usize) + Sync)) {
        let lacking = || files.iter().filter(|file| file.can_be_known() && !file.facts().is_some_and(|facts| facts.reach(depth)));
        if lacking().next().is_none() {
            return;
        }
        // Another query may be reading the same files.
        let _turn = self.inspecting.lock().await;
        let lacking: Vec<Arc<LakeFile>> = lacking().cloned().collect();
        let all = lacking.len();
        let memory = Arc::new(Semaphore::new(MEMORY_MIB as usize));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut reading = futures::stream::iter(lacking)
            .map(|file| {
                let (store, identity, memory) = (Arc::clone(self.store()), self.identity().clone(), Arc::clone(&memory));
                let task = tokio::spawn(async move {
                    let facts = inspected(&store, &identity, &memory, &file, depth).await;
                    (file, facts)
                });
                // A query that is given up takes what it started with it.
                AbortOnDrop(task)
            })
            .buffer_unordered(2 * cores);
        let (mut found, mut kept, mut done) = (Vec::new(), Instant::now(), 0);
        while let Some(read) = reading.next().await {
            done += 1;
            progress(done, all);
            let Some((file, Some(facts))) = read else { continue };
            file.known.set(Arc::new(facts));
            found.push(file);
            if kept.elapsed() > KEEP_EVERY {
                self.keep(&std::mem::take(&mut found)).await;
                kept = Instant::now();
            }
        }
        self.keep(&found).await;
    }

    /// Has the manifest remember what is known of `files`.
    async fn keep(&self, files: &[Arc<LakeFile>]) {
        if files.is_empty() {
            return;
        }
        self.facts_found.fetch_add(1, std::sync::atomic::Ordering::Release);
        let entries = files.iter().map(|file| (file.file_id.clone(), file.entry())).collect();
        self.manifest.remember(entries, None, 0).await;
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T> std::future::Future for AbortOnDrop<T> {
    type Output = Option<T>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        std::pin::Pin::new(&mut self.0).poll(context).map(Result::ok)
    }
}

async fn inspected(
    store: &Arc<dyn ObjectStore>,
    identity: &IdentityKey,
    memory: &Semaphore,
    file: &LakeFile,
    depth: Depth,
) -> Option<Facts> {
    let held = if is_large(&file.meta) && file.meta.size > MAX_FILE_BYTES { LARGE } else { file.meta.size };
    let mib = u32::try_from(held >> 20).unwrap_or(u32::MAX).saturating_add(1).min(MEMORY_MIB);
    let _room = memory.acquire_many(mib).await.ok()?;
    let device = file.device.as_ref().ok().copied();
    let path = file.meta.location.as_ref();
    if depth == Depth::Rows {
        // A file that no device knows has no rows.
        let device = device?;
        if let Some(head) = head(store.as_ref(), file).await
            && let Some(facts) = Facts::of_head(&head, device, path, identity)
        {
            return Some(facts);
        }
    }
    let said = file.said(store.as_ref()).await.ok()?;
    if let Some(device) = device
        && let Some(facts) = Facts::of_large(store, file, device, said.as_ref(), identity, depth).await.ok()?
    {
        return Some(facts);
    }
    let bytes: Bytes = fetch(store.as_ref(), &file.meta, None).await.ok()?;
    Some(Facts::of(&bytes, device, said.as_ref(), path, identity, depth))
}

/// The beginning of a file, if there is more than that.
async fn head(store: &dyn ObjectStore, file: &LakeFile) -> Option<Bytes> {
    match file.meta.size > Sample::LEN {
        true => fetch(store, &file.meta, Some(0..Sample::LEN)).await.ok(),
        false => None,
    }
}
