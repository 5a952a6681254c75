//! The two directions of a socket, in the clear or encrypted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls;

type Tls = TlsStream<TcpStream>;

/// What comes from the client.
#[derive(Debug)]
pub(crate) enum Reading {
    Plain(OwnedReadHalf),
    Encrypted(ReadHalf<Tls>),
    /// In the middle of a handshake, or after one that failed.
    Closed,
}

/// What goes to the client.
#[derive(Debug)]
pub(crate) enum Writing {
    Plain(OwnedWriteHalf),
    Encrypted(WriteHalf<Tls>),
    Closed,
}

/// What a handshake has found out.
#[derive(Debug)]
pub(crate) struct Encrypted {
    /// The client's certificate, verified.
    pub(crate) client_certificate: Option<Vec<u8>>,
    /// What a login can be bound to.
    pub(crate) end_point: Option<Vec<u8>>,
    /// Whether the client named the protocol that it will speak.
    pub(crate) named_protocol: bool,
}

/// Does the handshake of TLS; nothing when it fails.
pub(crate) async fn encrypt(
    read: Reading,
    write: Writing,
    identity: &Arc<tls::Identity>,
) -> Option<(Reading, Writing, Encrypted)> {
    let (Reading::Plain(read), Writing::Plain(write)) = (read, write) else { return None };
    let socket = read.reunite(write).ok()?;
    let stream = match TlsAcceptor::from(Arc::clone(&identity.config)).accept(socket).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a handshake failed");
            return None;
        }
    };
    let (_, session) = stream.get_ref();
    let encrypted = Encrypted {
        client_certificate: session.peer_certificates().and_then(|chain| chain.first()).map(|certificate| certificate.to_vec()),
        end_point: identity.end_point.clone(),
        named_protocol: session.alpn_protocol() == Some(tls::ALPN),
    };
    let (read, write) = tokio::io::split(stream);
    Some((Reading::Encrypted(read), Writing::Encrypted(write), encrypted))
}

impl Reading {
    /// The next byte, which stays to be read; nothing at the end.
    pub(crate) async fn peek(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self {
            Self::Plain(read) => matches!(read.peek(&mut byte).await, Ok(1)).then_some(byte[0]),
            Self::Encrypted(_) | Self::Closed => None,
        }
    }

    /// Waits until there may be something to read, where that can be known without a buffer.
    pub(crate) async fn ready(&self) {
        if let Self::Plain(read) = self {
            // An error shows when it is read.
            let _ = read.readable().await;
        }
    }
}

impl AsyncRead for Reading {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(read) => Pin::new(read).poll_read(context, buffer),
            Self::Encrypted(read) => Pin::new(read).poll_read(context, buffer),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Writing {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_write(context, bytes),
            Self::Encrypted(write) => Pin::new(write).poll_write(context, bytes),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_flush(context),
            Self::Encrypted(write) => Pin::new(write).poll_flush(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(write) => Pin::new(write).poll_shutdown(context),
            Self::Encrypted(write) => Pin::new(write).poll_shutdown(context),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}
