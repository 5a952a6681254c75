//! What a client may send: framing and decoding of frontend messages, version 3.0 and 3.2 of the protocol.
//!
//! The bytes come from anybody who can reach the port, so that every read is bounded by the frame, every frame by a
//! limit, and no input panics. pgwire's own decoder reads past short frames, so it is used for the way back only.

use bytes::{Buf, Bytes, BytesMut};

use super::error::PgError;

/// PostgreSQL's own limit of a start-up packet.
const MAX_STARTUP_BYTES: usize = 10_000;
/// Statements and bound values. The frame grows only as bytes really arrive, so a large declared length costs nothing.
pub(crate) const MAX_MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// PostgreSQL's own limit of a message of authentication by SASL.
const MAX_PASSWORD_BYTES: usize = 1024;
/// Everything that carries only names and numbers.
const MAX_SMALL_MESSAGE_BYTES: usize = 64 * 1024;

/// Names and values.
pub(crate) type Parameters = Vec<(String, String)>;

/// The first packet of a connection; it has no type byte.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// The protocol version asked for and the name/value pairs (`user`, `database`, settings).
    Startup { major: u16, minor: u16, parameters: Parameters },
    /// A request to encrypt by TLS; answered by one byte.
    Tls,
    /// A request to encrypt by GSSAPI; answered by one byte.
    Gss,
    /// A request to cancel what the connection with this key is doing.
    Cancel { pid: i32, key: Bytes },
}

/// A prepared statement or a portal: what `Describe` and `Close` speak of.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Target {
    Statement,
    Portal,
}

/// A typed message of an established connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Query(String),
    Parse {
        name: String,
        sql: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    Describe {
        target: Target,
        name: String,
    },
    Execute {
        portal: String,
        max_rows: usize,
    },
    Close {
        target: Target,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    /// Rows of a COPY FROM. Outside of a copy they are what a client sent before it knew that the copy had failed.
    CopyData(Bytes),
    /// The end of the rows.
    CopyDone,
    /// The client can't go on; why.
    CopyFail(String),
    /// A message that exists but has no meaning here, such as a password after the start.
    Unexpected(u8),
}

/// Values for the parameters of a prepared statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) portal: String,
    pub(crate) statement: String,
    pub(crate) parameter_formats: Vec<i16>,
    pub(crate) parameters: Vec<Option<Bytes>>,
    pub(crate) result_formats: Vec<i16>,
}

/// Takes the opening packet off `buffer`, or nothing while it is incomplete.
pub(crate) fn take_opening(buffer: &mut BytesMut) -> Result<Option<Opening>, PgError> {
    let Some(length) = length_at(buffer, 0) else { return Ok(None) };
    if !(8..=MAX_STARTUP_BYTES).contains(&length) {
        return Err(PgError::fatal("08P01", "invalid length of startup packet"));
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut frame = Frame(buffer.split_to(length).freeze());
    frame.0.advance(4);
    let code = frame.u32()?;
    match code {
        80_877_103 => Ok(Some(Opening::Tls)),
        80_877_104 => Ok(Some(Opening::Gss)),
        80_877_102 => {
            let pid = frame.i32()?;
            Ok(Some(Opening::Cancel { pid, key: frame.0 }))
        }
        _ => {
            let mut parameters = Vec::new();
            loop {
                let name = frame.string()?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, frame.string()?));
            }
            let [a, b, c, d] = code.to_be_bytes();
            Ok(Some(Opening::Startup { major: u16::from_be_bytes([a, b]), minor: u16::from_be_bytes([c, d]), parameters }))
        }
    }
}

/// Takes a message of the conversation in which a client shows who it is, or nothing while it is incomplete.
pub(crate) fn take_password(buffer: &mut BytesMut) -> Result<Option<Bytes>, PgError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    if kind != b'p' {
        return Err(PgError::fatal("08P01", format!("expected password response, got message type {kind}")));
    }
    let Some(length) = length_at(buffer, 1) else { return Ok(None) };
    if !(4..=MAX_PASSWORD_BYTES).contains(&length) {
        return Err(PgError::fatal("08P01", "invalid message length"));
    }
    if buffer.len() < length + 1 {
        return Ok(None);
    }
    let mut body = buffer.split_to(length + 1).freeze();
    body.advance(5);
    Ok(Some(body))
}

/// The mechanism and the data of a SASLInitialResponse.
pub(crate) fn sasl_initial(body: &[u8]) -> Result<(&str, &str), PgError> {
    let malformed = || PgError::fatal("08P01", "malformed SASL message");
    let end = body.iter().position(|byte| *byte == 0).ok_or_else(malformed)?;
    let (mechanism, rest) = body.split_at_checked(end).ok_or_else(malformed)?;
    let (length, data) = rest.get(1..).and_then(|rest| rest.split_first_chunk::<4>()).ok_or_else(malformed)?;
    if usize::try_from(i32::from_be_bytes(*length)).ok() != Some(data.len()) {
        return Err(malformed());
    }
    Ok((sasl_text(mechanism)?, sasl_text(data)?))
}

/// The text of a SASL message.
pub(crate) fn sasl_text(bytes: &[u8]) -> Result<&str, PgError> {
    std::str::from_utf8(bytes).map_err(|_| PgError::fatal("08P01", "malformed SASL message"))
}

/// The settings in the start-up option `options`: `-c name=value` and `--name=value`.
pub(crate) fn options(text: &str) -> Parameters {
    let mut words = text.split_whitespace();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word {
            "-c" => words.next(),
            word => word.strip_prefix("--").or_else(|| word.strip_prefix("-c")),
        };
        if let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) {
            found.push((name.to_owned(), value.to_owned()));
        }
    }
    found
}

/// Takes one typed message off `buffer`, or nothing while it is incomplete.
///
/// A fatal error means that the stream cannot be followed any more; after any other error the next message can be read.
pub(crate) fn take_message(buffer: &mut BytesMut) -> Result<Option<Message>, PgError> {
    let Some(&kind) = buffer.first() else { return Ok(None) };
    let limit = match kind {
        b'Q' | b'P' | b'B' | b'd' => MAX_MESSAGE_BYTES,
        b'D' | b'E' | b'C' | b'H' | b'S' | b'X' | b'c' | b'f' | b'p' | b'F' => MAX_SMALL_MESSAGE_BYTES,
        _ => return Err(PgError::fatal("08P01", format!("invalid frontend message type {kind}"))),
    };
    let Some(length) = length_at(buffer, 1) else { return Ok(None) };
    if length < 4 {
        return Err(PgError::fatal("08P01", "invalid message length"));
    }
    if length > limit {
        return Err(PgError::fatal("54000", format!("a message of {length} bytes is longer than the limit of {limit}"))
            .with_hint("Send long lists as an array parameter in several statements."));
    }
    if buffer.len() < length + 1 {
        return Ok(None);
    }
    let mut frame = Frame(buffer.split_to(length + 1).freeze());
    frame.0.advance(5);
    let message = match kind {
        b'Q' => Message::Query(frame.string()?),
        b'P' => {
            let (name, sql) = (frame.string()?, frame.string()?);
            let count = frame.count(4)?;
            let types = (0..count).map(|_| frame.u32()).collect::<Result<_, _>>()?;
            Message::Parse { name, sql, types }
        }
        b'B' => {
            let (portal, statement) = (frame.string()?, frame.string()?);
            let count = frame.count(2)?;
            let parameter_formats = (0..count).map(|_| frame.i16()).collect::<Result<_, _>>()?;
            let count = frame.count(4)?;
            let parameters = (0..count).map(|_| frame.value()).collect::<Result<_, _>>()?;
            let count = frame.count(2)?;
            let result_formats = (0..count).map(|_| frame.i16()).collect::<Result<_, _>>()?;
            Message::Bind(Bind { portal, statement, parameter_formats, parameters, result_formats })
        }
        b'D' => Message::Describe { target: frame.target()?, name: frame.string()? },
        b'C' => Message::Close { target: frame.target()?, name: frame.string()? },
        b'E' => {
            let portal = frame.string()?;
            Message::Execute { portal, max_rows: usize::try_from(frame.i32()?).unwrap_or(0) }
        }
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'd' => Message::CopyData(frame.0),
        b'c' => Message::CopyDone,
        b'f' => Message::CopyFail(frame.string()?),
        other => Message::Unexpected(other),
    };
    Ok(Some(message))
}

fn length_at(buffer: &BytesMut, offset: usize) -> Option<usize> {
    let bytes: [u8; 4] = buffer.get(offset..offset + 4)?.try_into().ok()?;
    Some(u32::from_be_bytes(bytes) as usize)
}

/// The body of one message.
struct Frame(Bytes);

impl Frame {
    fn need(&self, bytes: usize) -> Result<(), PgError> {
        if self.0.len() < bytes {
            return Err(PgError::new("08P01", "insufficient data left in message"));
        }
        Ok(())
    }

    fn i16(&mut self) -> Result<i16, PgError> {
        self.need(2)?;
        Ok(self.0.get_i16())
    }

    fn i32(&mut self) -> Result<i32, PgError> {
        self.need(4)?;
        Ok(self.0.get_i32())
    }

    fn u32(&mut self) -> Result<u32, PgError> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    /// A number of elements of at least `size` bytes each; more than the frame can hold is an error before anything
    /// is allocated for them.
    fn count(&mut self, size: usize) -> Result<usize, PgError> {
        self.need(2)?;
        let count = usize::from(self.0.get_u16());
        self.need(count * size)?;
        Ok(count)
    }

    fn string(&mut self) -> Result<String, PgError> {
        let Some(end) = self.0.iter().position(|byte| *byte == 0) else {
            return Err(PgError::new("08P01", "invalid string in message"));
        };
        let bytes = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(bytes.to_vec()).map_err(|_| PgError::new("22021", "invalid byte sequence for encoding \"UTF8\""))
    }

    fn value(&mut self) -> Result<Option<Bytes>, PgError> {
        let length = self.i32()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| PgError::new("08P01", "invalid length of a bound value"))?;
        self.need(length)?;
        Ok(Some(self.0.split_to(length)))
    }

    fn target(&mut self) -> Result<Target, PgError> {
        self.need(1)?;
        match self.0.get_u8() {
            b'S' => Ok(Target::Statement),
            b'P' => Ok(Target::Portal),
            other => Err(PgError::new("08P01", format!("invalid DESCRIBE or CLOSE message subtype {other}"))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn framed(kind: u8, body: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        out.extend_from_slice(&[kind]);
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
        out
    }

    #[test]
    fn a_half_message_waits_and_a_whole_one_is_taken() {
        let mut whole = framed(b'Q', b"select 1\0");
        let mut half = BytesMut::from(&whole[..8]);
        assert_eq!(take_message(&mut half).unwrap(), None);
        assert_eq!(half.len(), 8);
        assert_eq!(take_message(&mut whole).unwrap(), Some(Message::Query("select 1".into())));
        assert!(whole.is_empty());
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
        let mut buffer = BytesMut::from(&[b'Q', 0x7f, 0xff, 0xff, 0xff][..]);
        assert!(take_message(&mut buffer).unwrap_err().is_fatal());
        let mut buffer = BytesMut::from(&[b'S', 0, 0, 0, 3][..]);
        assert!(take_message(&mut buffer).unwrap_err().is_fatal());
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff][..]);
        assert_eq!(take_opening(&mut buffer).unwrap_err().code, "08P01");
    }

    #[test]
    fn counts_larger_than_the_frame_are_errors_and_the_next_message_is_read() {
        let mut buffer = framed(b'B', b"\0\0\xff\xff");
        buffer.extend_from_slice(&framed(b'S', b""));
        let error = take_message(&mut buffer).unwrap_err();
        assert_eq!((error.code.as_ref(), error.is_fatal()), ("08P01", false));
        assert_eq!(take_message(&mut buffer).unwrap(), Some(Message::Sync));
    }

    #[test]
    fn random_bytes_never_panic() {
        // xorshift: the same bytes in every run.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let length = (next() % 64) as usize;
            let body: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            let kind = b"QPBDECHSXcdfpF"[(next() % 14) as usize];
            let _ = take_message(&mut framed(kind, &body));
            let _ = take_message(&mut BytesMut::from(&body[..]));
            let _ = take_opening(&mut BytesMut::from(&body[..]));
            let _ = take_password(&mut framed(b'p', &body));
            let _ = take_password(&mut BytesMut::from(&body[..]));
            let mut opening = BytesMut::from(&(length as u32 + 4).to_be_bytes()[..]);
            opening.extend_from_slice(&body);
            let _ = take_opening(&mut opening);
        }
    }

    #[test]
    fn a_bind_is_read_field_by_field() {
        let mut body = b"p\0s\0".to_vec();
        body.extend_from_slice(&[0, 1, 0, 1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, b'a', b'b', 0, 1, 0, 1]);
        let message = take_message(&mut framed(b'B', &body)).unwrap().unwrap();
        let Message::Bind(bind) = message else { panic!("{message:?}") };
        assert_eq!(bind.parameters, vec![None, Some(Bytes::from_static(b"ab"))]);
        assert_eq!((bind.parameter_formats, bind.result_formats), (vec![1], vec![1]));
    }

    #[test]
    fn openings_are_told_apart() {
        let mut ssl = BytesMut::from(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f][..]);
        assert_eq!(take_opening(&mut ssl).unwrap(), Some(Opening::Tls));
        let mut cancel = BytesMut::from(&[0, 0, 0, 16, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 7, 1, 2, 3, 4][..]);
        let expected = Opening::Cancel { pid: 7, key: Bytes::from_static(&[1, 2, 3, 4]) };
        assert_eq!(take_opening(&mut cancel).unwrap(), Some(expected));
        let mut start = BytesMut::from(&b"\0\0\0\x15\0\x03\0\0user\0anna\0\0\0"[..]);
        start[3] = start.len() as u8;
        let expected = Opening::Startup { major: 3, minor: 0, parameters: vec![("user".into(), "anna".into())] };
        assert_eq!(take_opening(&mut start).unwrap(), Some(expected));
    }
}
