//! What a store's error means and what to do about it. The store's own text is looked at and never repeated: it holds
//! addresses, keys of objects and parts of signed requests.

use std::error::Error as _;
use std::time::Duration;

use object_store::Error;

use super::{Bucket, Environment, Service};

/// Why a bucket can't be opened.
pub(super) fn opening(bucket: &Bucket, environment: &Environment, error: &Error) -> String {
    let text = whole_text(error);
    let code = between(&text, "<Code>", "</Code>").unwrap_or_default();
    let place = place(bucket, environment);
    let Words { key, region, endpoint, list, what, .. } = words(bucket.service());
    let told = match code {
        "NoSuchBucket" | "ContainerNotFound" => {
            format!("there is no {what} {} at {place}; check its name, and {endpoint}", bucket.name())
        }
        "InvalidBucketName" | "InvalidResourceName" => format!("{} is not a name that a {what} can have", bucket.name()),
        "InvalidAccessKeyId" => format!("{place} does not know the access key; check {key}"),
        "SignatureDoesNotMatch" | "AuthenticationFailed" | "InvalidAuthenticationInfo" => {
            format!("{place} does not accept the key; check {key}, and the clock of this machine")
        }
        "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired" => {
            format!("the session token is no longer valid; get new credentials and set {key} with it")
        }
        "RequestTimeTooSkewed" => "the clock of this machine is wrong by more than 15 minutes; set it".to_owned(),
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException" | "TemporaryRedirect" => {
            let other = between(&text, "<Region>", "</Region>").filter(|name| is_word(name));
            let other = other.map(|name| format!(", such as {name}")).unwrap_or_default();
            format!("the {what} {} is in another region; set {region}{other}", bucket.name())
        }
        "AccountIsDisabled" => "the storage account is disabled".to_owned(),
        "AccessDenied" | "AllAccessDisabled" | "AuthorizationFailure" | "AuthorizationPermissionMismatch" => {
            format!("access to {} is denied; check {key}, which must be allowed to {list}", bucket.name())
        }
        _ => by_kind(bucket, environment, error, &text),
    };
    format!("{bucket}: {told}")
}

/// Why a bucket that did not answer in time can't be opened.
pub(super) fn no_answer(bucket: &Bucket, environment: &Environment, limit: Duration) -> String {
    let place = place(bucket, environment);
    let Words { key, endpoint, .. } = words(bucket.service());
    format!("{bucket}: {place} gave no answer within {} s; check the network, {endpoint} and {key}", limit.as_secs())
}

fn by_kind(bucket: &Bucket, environment: &Environment, error: &Error, text: &str) -> String {
    let place = place(bucket, environment);
    let Words { key, instead, region, endpoint, list, what } = words(bucket.service());
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    // Without a key the machine itself is asked, which only machines of the maker can answer.
    if has(&["169.254.169.254", "metadata.google.internal", "/latest/api/token", "169.254.170.2"]) {
        return format!("no key was found; set {key} ({instead})");
    }
    match error {
        Error::NotFound { .. } => format!("there is no {what} {} at {place}; check its name, and {endpoint}", bucket.name()),
        Error::PermissionDenied { .. } => {
            format!("access to {} is denied; check {key}, which must be allowed to {list}", bucket.name())
        }
        Error::Unauthenticated { .. } => format!("{place} does not accept the key; check {key}"),
        Error::InvalidPath { .. } => BAD_KEY.to_owned(),
        _ if has(&["status code: 403"]) => {
            format!("access to {} is denied; check {key}, which must be allowed to {list}", bucket.name())
        }
        _ if has(&["status code: 401"]) => format!("{place} does not accept the key; check {key}"),
        _ if has(&["status code: 404"]) => {
            format!("there is no {what} {} at {place}; check its name, and {endpoint}", bucket.name())
        }
        _ if has(&["Missing AccessKeyId", "Missing SecretAccessKey", "MissingAccessKey", "MissingSecretAccessKey"]) => {
            format!("half of the key is missing; set {key}")
        }
        _ if has(&["Account must be specified", "MissingAccount"]) => {
            "no storage account is named; set AZURE_STORAGE_ACCOUNT_NAME".to_owned()
        }
        _ if has(&["Invalid Access Key", "Invalid RSA key", "SAS", "service account", "credentials", "decode"]) => {
            format!("the key in the environment can't be read; check {key}")
        }
        _ if has(&["incorrectly configured region", "301 Moved", "307 Temporary"]) => {
            format!("the {what} {} is in another region; set {region}", bucket.name())
        }
        _ if has(&["URL scheme is not allowed", "BadScheme"]) => {
            format!(
                "the address of the service is not https; {endpoint} may begin with http:// unless plain http was switched off"
            )
        }
        _ if has(&["certificate", "UnknownIssuer", "CertNotValid"]) => {
            format!("the certificate of {place} is not one that this machine trusts")
        }
        _ if has(&["status code: 5", "SlowDown"]) => {
            format!("{place} answered with errors, also when it was asked again; try later")
        }
        _ if has(&["status code: 400", "status code: 405", "status code: 411"]) => {
            format!("{place} did not understand the request; check {endpoint} and {region}")
        }
        _ if has(&["error sending request", "tcp connect", "dns error", "HttpError", "timed out", "Connect"]) => {
            format!("{place} can't be reached; check the network and {endpoint}")
        }
        _ => format!("{place} did not answer as such a store does; check {endpoint}"),
    }
}

/// Why the files of a lake could not be listed.
pub(crate) fn listing_failure(error: &Error) -> String {
    let text = whole_text(error);
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    let reason = match error {
        Error::InvalidPath { .. } => BAD_KEY,
        Error::NotFound { .. } => "it is no longer there",
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => "no permission to list it",
        _ if has(&["status code: 403", "status code: 401"]) => "no permission to list it",
        _ if has(&["status code: 404"]) => "it is no longer there",
        _ => "it did not answer, also when it was asked again",
    };
    format!("its files can't be listed: {reason}")
}

const BAD_KEY: &str =
    "below it is an object whose key has an empty part (a//b), a . or .. or a control character; rename that object";

/// Why a file could not be read, in words that do not name it.
pub(crate) fn request_failure(error: &Error) -> Option<&'static str> {
    let text = whole_text(error);
    let has = |marks: &[&str]| marks.iter().any(|mark| text.contains(mark));
    match error {
        Error::Generic { .. } if has(&["timed out", "operation timed out", "TimedOut"]) => {
            Some("the store took too long, also when it was asked again")
        }
        Error::Generic { .. } if has(&["status code: 5", "SlowDown"]) => {
            Some("the store answered with errors, also when it was asked again")
        }
        Error::Generic { .. } if has(&["error sending request", "tcp connect", "dns error", "connection"]) => {
            Some("the store can't be reached")
        }
        Error::PermissionDenied { .. } if has(&["InvalidObjectState"]) => Some("it is in an archive tier; restore it"),
        _ => None,
    }
}

/// The names of what is set, for one kind of store.
struct Words {
    key: &'static str,
    /// What may be set beside or in place of the key.
    instead: &'static str,
    region: &'static str,
    endpoint: &'static str,
    list: &'static str,
    what: &'static str,
}

fn words(service: Service) -> Words {
    match service {
        Service::S3 => Words {
            key: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            instead: "AWS_SESSION_TOKEN too if they are temporary, or AWS_SKIP_SIGNATURE=true for a public bucket",
            region: "AWS_REGION",
            endpoint: "AWS_ENDPOINT_URL and AWS_REGION",
            list: "list it (s3:ListBucket) and to read its objects (s3:GetObject)",
            what: "bucket",
        },
        Service::Azure => Words {
            key: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
            instead: "or AZURE_STORAGE_SAS_TOKEN in place of the key, or AZURE_SKIP_SIGNATURE=true for a public container",
            region: "AZURE_STORAGE_ENDPOINT",
            endpoint: "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ENDPOINT",
            list: "list it and to read its blobs (Storage Blob Data Reader)",
            what: "container",
        },
        Service::Google => Words {
            key: "GOOGLE_APPLICATION_CREDENTIALS",
            instead: "or GOOGLE_SERVICE_ACCOUNT, or GOOGLE_SKIP_SIGNATURE=true for a public bucket",
            region: "GOOGLE_BASE_URL",
            endpoint: "GOOGLE_BASE_URL",
            list: "list it (storage.objects.list) and to read its objects (storage.objects.get)",
            what: "bucket",
        },
    }
}

/// The service that was asked, by its host if one was set.
fn place(bucket: &Bucket, environment: &Environment) -> String {
    match (environment.host(bucket.service()), bucket.service()) {
        (Some(host), _) => host.to_owned(),
        (None, Service::S3) => "Amazon S3".to_owned(),
        (None, Service::Azure) => "Azure Blob Storage".to_owned(),
        (None, Service::Google) => "Google Cloud Storage".to_owned(),
    }
}

/// An error with all that is behind it.
fn whole_text(error: &Error) -> String {
    let mut text = format!("{error}");
    let mut source = error.source();
    while let Some(error) = source {
        text.push('\n');
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    Some(text.split_once(from)?.1.split_once(to)?.0)
}

/// Whether a text of the store is a plain name that may be shown.
fn is_word(text: &str) -> bool {
    text.len() < 40 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
