//! What the server says: pgwire's messages, written into a buffer.

use bytes::BytesMut;
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::copy::{CopyDone, CopyInResponse, CopyOutResponse};
use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::{
    CommandComplete, EmptyQueryResponse, ErrorResponse, NoticeResponse, NotificationResponse, ReadyForQuery, TransactionStatus,
};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey};

use super::copy::CopyFormat;
use super::encode::{Formats, too_wide};
use super::error::PgError;
use super::notify::Notification;
use super::plan::Planned;
use super::types;

/// Longer messages are cut: the protocol limits an error to a few kilobytes.
const MAX_TEXT: usize = 2_000;

/// Messages on their way to the client.
#[derive(Debug, Default)]
pub(crate) struct Outbox(pub(crate) BytesMut);

impl Outbox {
    fn put(&mut self, message: Backend) {
        let before = self.0.len();
        if message.encode(&mut self.0).is_err() {
            // Half a message would break the stream; nothing of it is sent.
            self.0.truncate(before);
            tracing::error!("a message is longer than the protocol allows");
        }
    }

    pub(crate) fn authenticated(&mut self) {
        self.put(Backend::Authentication(Authentication::Ok));
    }

    /// The ways in which a password can be shown.
    pub(crate) fn sasl(&mut self, mechanisms: Vec<String>) {
        self.put(Backend::Authentication(Authentication::SASL(mechanisms)));
    }

    pub(crate) fn sasl_continue(&mut self, challenge: String) {
        self.put(Backend::Authentication(Authentication::SASLContinue(challenge.into())));
    }

    pub(crate) fn sasl_final(&mut self, proof: String) {
        self.put(Backend::Authentication(Authentication::SASLFinal(proof.into())));
    }

    /// Version 3.0 is spoken, whatever newer one was asked for.
    pub(crate) fn negotiate(&mut self, unknown_options: Vec<String>) {
        self.put(Backend::NegotiateProtocolVersion(NegotiateProtocolVersion::new(3 << 16, unknown_options)));
    }

    pub(crate) fn parameter(&mut self, name: &str, value: String) {
        self.put(Backend::ParameterStatus(ParameterStatus::new(name.to_owned(), value)));
    }

    pub(crate) fn key(&mut self, pid: i32, secret: i32) {
        self.put(Backend::BackendKeyData(BackendKeyData::new(pid, SecretKey::I32(secret))));
    }

    pub(crate) fn ready(&mut self, status: TransactionStatus) {
        self.put(Backend::ReadyForQuery(ReadyForQuery::new(status)));
    }

    pub(crate) fn complete(&mut self, tag: &str) {
        self.put(Backend::CommandComplete(CommandComplete::new(tag.to_owned())));
    }

    pub(crate) fn empty(&mut self) {
        self.put(Backend::EmptyQueryResponse(EmptyQueryResponse::new()));
    }

    /// The answer to COPY … TO STDOUT, before its data.
    pub(crate) fn copy_out(&mut self, format: CopyFormat, columns: usize) -> Result<(), PgError> {
        let count = i16::try_from(columns).map_err(|_| too_wide(columns))?;
        let code = i8::from(format == CopyFormat::Binary);
        self.put(Backend::CopyOutResponse(CopyOutResponse::new(code, count, vec![i16::from(code); columns])));
        Ok(())
    }

    pub(crate) fn copy_done(&mut self) {
        self.put(Backend::CopyDone(CopyDone::new()));
    }

    pub(crate) fn parsed(&mut self) {
        self.put(Backend::ParseComplete(ParseComplete::new()));
    }

    pub(crate) fn bound(&mut self) {
        self.put(Backend::BindComplete(BindComplete::new()));
    }

    pub(crate) fn closed(&mut self) {
        self.put(Backend::CloseComplete(CloseComplete::new()));
    }

    pub(crate) fn suspended(&mut self) {
        self.put(Backend::PortalSuspended(PortalSuspended::new()));
    }

    pub(crate) fn no_data(&mut self) {
        self.put(Backend::NoData(NoData::new()));
    }

    pub(crate) fn parameters(&mut self, types: impl Iterator<Item = Type>) {
        self.put(Backend::ParameterDescription(ParameterDescription::new(types.map(|each| each.oid()).collect())));
    }

    pub(crate) fn columns(&mut self, planned: &Planned, formats: &Formats) {
        if !formats.is_text() {
            self.put(description(planned, formats));
            return;
        }
        // In text it is asked for by every statement of the simple protocol, and by most that are prepared.
        let known = planned.description.get_or_init(|| {
            let mut once = Outbox::default();
            once.put(description(planned, formats));
            once.0.freeze()
        });
        self.0.extend_from_slice(known);
    }

    /// A result of text columns that the server makes itself.
    pub(crate) fn text_columns(&mut self, names: &[&str]) {
        let fields =
            names.iter().map(|name| FieldDescription::new((*name).to_owned(), 0, 0, Type::TEXT.oid(), -1, -1, 0)).collect();
        self.put(Backend::RowDescription(RowDescription::new(fields)));
    }

    pub(crate) fn text_row(&mut self, values: &[&str]) {
        use bytes::BufMut;
        let length: usize = values.iter().map(|value| value.len() + 4).sum();
        self.0.put_u8(b'D');
        self.0.put_u32(u32::try_from(length + 6).unwrap_or(u32::MAX));
        self.0.put_i16(i16::try_from(values.len()).unwrap_or(i16::MAX));
        for value in values {
            self.0.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            self.0.put_slice(value.as_bytes());
        }
    }

    pub(crate) fn error(&mut self, error: &PgError) {
        let mut fields = vec![
            (b'S', error.severity().to_owned()),
            (b'V', error.severity().to_owned()),
            (b'C', error.code.to_string()),
            (b'M', cut(&error.message)),
        ];
        fields.extend(error.detail().map(|detail| (b'D', cut(detail))));
        fields.extend(error.hint().map(|hint| (b'H', cut(hint))));
        fields.extend(error.context().map(|context| (b'W', cut(context))));
        fields.extend(error.position().map(|position| (b'P', position.to_string())));
        self.put(Backend::ErrorResponse(ErrorResponse::new(fields)));
    }

    pub(crate) fn warning(&mut self, code: &str, message: &str) {
        self.notice(&Notice { severity: "WARNING", ..Notice::new(code, message) });
    }

    pub(crate) fn notice(&mut self, notice: &Notice) {
        let mut fields = vec![
            (b'S', notice.severity.into()),
            (b'V', notice.severity.into()),
            (b'C', notice.code.clone()),
            (b'M', cut(&notice.message)),
        ];
        fields.extend(notice.detail.as_ref().map(|detail| (b'D', cut(detail))));
        self.put(Backend::NoticeResponse(NoticeResponse::new(fields)));
    }

    /// A word from another session.
    pub(crate) fn notification(&mut self, said: &Notification) {
        let response = NotificationResponse::new(said.pid, said.channel.clone(), said.payload.clone());
        self.put(Backend::NotificationResponse(response));
    }

    /// The answer to COPY … FROM STDIN, before its data.
    pub(crate) fn copy_in(&mut self, format: CopyFormat, columns: usize) -> Result<(), PgError> {
        let count = i16::try_from(columns).map_err(|_| too_wide(columns))?;
        let code = i8::from(format == CopyFormat::Binary);
        self.put(Backend::CopyInResponse(CopyInResponse::new(code, count, vec![i16::from(code); columns])));
        Ok(())
    }
}

fn description(planned: &Planned, formats: &Formats) -> Backend {
    let fields = planned
        .schema
        .fields()
        .iter()
        .zip(&planned.names)
        .enumerate()
        .map(|(position, (field, name))| {
            let pg_type = types::of_field(field);
            let size = types::size(&pg_type);
            let modifier = types::modifier(field.data_type());
            FieldDescription::new(name.clone(), 0, 0, pg_type.oid(), size, modifier, i16::from(formats.is_binary(position)))
        })
        .collect();
    Backend::RowDescription(RowDescription::new(fields))
}

/// What a client is told besides its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) severity: &'static str,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) detail: Option<String>,
}

impl Notice {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { severity: "NOTICE", code: code.to_owned(), message: message.into(), detail: None }
    }
}

/// Text without NUL, which would end it early, and of bounded length.
fn cut(text: &str) -> String {
    let clean: String = text.chars().filter(|c| *c != '\0').collect();
    match clean.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean,
    }
}
