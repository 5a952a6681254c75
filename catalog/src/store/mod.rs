//! Where the raw files are: a folder, or a bucket of an object store.
//!
//! Keys and endpoints come from the environment that the tools of each maker read ([`environment`]); a bucket is probed when it
//! is opened, and what is wrong is told with what to do ([`explain`]). From then on a request that fails is tried again, at most
//! [`REQUESTS`] run at the same time, and no text that leaves this module holds a key.

mod environment;
mod explain;
mod keys;
mod location;
mod remote;

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::limit::LimitStore;
use object_store::list::PaginatedListStore;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};

pub use environment::Environment;
pub(crate) use explain::{listing_failure, request_failure};
pub use location::{Bucket, Location, Service};

use crate::error::{Error, Result};
pub(crate) use remote::Below;
pub use remote::Remote;

/// Requests that run at the same time.
const REQUESTS: usize = 32;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a request may take, answer included: a file of the largest size over a line of 20 Mbit/s.
const REQUEST: Duration = Duration::from_secs(120);

/// How long opening may take, in which the bucket is asked once and credentials may have to be fetched.
const OPENING: Duration = Duration::from_secs(45);

/// A request that fails for a reason that may pass is tried again this often, within this time.
const RETRIES: usize = 6;
const RETRY_WITHIN: Duration = Duration::from_secs(60);

/// What speaks to a service.
type Client = (Arc<dyn ObjectStore>, Arc<dyn PaginatedListStore>);

impl Bucket {
    /// The objects below the prefix, once the bucket has answered.
    ///
    /// # Errors
    /// What is wrong with the bucket's name, the keys, the region or the network, and what to do about it.
    pub async fn open(&self, environment: &Environment) -> Result<Arc<Remote>> {
        self.open_within(environment, OPENING).await
    }

    async fn open_within(&self, environment: &Environment, limit: Duration) -> Result<Arc<Remote>> {
        let refused = |error: &object_store::Error| Error::Lake(explain::opening(self, environment, error));
        let (store, pages) = self.build(environment).map_err(|error| refused(&error))?;
        match tokio::time::timeout(limit, keys::probe(pages.as_ref(), self.prefix())).await {
            Ok(Ok(())) => {
                let store = PrefixStore::new(LimitStore::new(store, REQUESTS), self.prefix().clone());
                Ok(Arc::new(Remote::new(store, pages, self.prefix().clone(), self.to_string())))
            }
            Ok(Err(error)) => Err(refused(&error)),
            Err(_) => Err(Error::Lake(explain::no_answer(self, environment, limit))),
        }
    }

    fn build(&self, environment: &Environment) -> object_store::Result<Client> {
        /// The same client twice: for objects, and for pages of listings.
        fn client<S: ObjectStore + PaginatedListStore>(store: S) -> Client {
            let store = Arc::new(store);
            (Arc::clone(&store) as Arc<dyn ObjectStore>, store)
        }

        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(5), base: 2.0 },
            max_retries: RETRIES,
            retry_timeout: RETRY_WITHIN,
        };
        // Without TLS only where the address that was given says so.
        let plain = environment.endpoint(self.service()).is_some_and(|endpoint| endpoint.starts_with("http://"));
        let options = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST).with_allow_http(plain);
        Ok(match self.service() {
            Service::S3 => {
                let builder = AmazonS3Builder::new().with_client_options(options).with_retry(retry);
                let settings = environment.settings::<AmazonS3ConfigKey>("AWS_");
                let builder = settings.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
                client(builder.with_bucket_name(self.name()).build()?)
            }
            Service::Azure => {
                let builder = MicrosoftAzureBuilder::new().with_client_options(options).with_retry(retry);
                let settings = environment.settings::<AzureConfigKey>("AZURE_");
                let builder = settings.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
                client(builder.with_container_name(self.name()).build()?)
            }
            Service::Google => {
                let builder = GoogleCloudStorageBuilder::new().with_client_options(options).with_retry(retry);
                let settings = environment.settings::<GoogleConfigKey>("GOOGLE_");
                let mut builder = settings.into_iter().fold(builder, |builder, (key, value)| builder.with_config(key, value));
                if let Some(emulator) = environment.google_emulator() {
                    builder = builder.with_base_url(emulator).with_skip_signature(true);
                }
                client(builder.with_bucket_name(self.name()).build()?)
            }
        })
    }
}

#[cfg(test)]
mod tests;
