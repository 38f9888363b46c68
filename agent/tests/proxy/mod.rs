//! An HTTP proxy that tunnels (`CONNECT`, RFC 9110 section 9.3.6) and counts; or that hangs up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    at: SocketAddr,
    count: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::answering(true).await
    }

    /// Takes every connection and closes it.
    pub(crate) async fn refusing() -> Self {
        Self::answering(false).await
    }

    async fn answering(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listener");
        let at = listener.local_addr().expect("address");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                if answers {
                    tokio::spawn(tunnel(client));
                }
            }
        });
        Self { at, count }
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(crate) fn https(&self) -> String {
        format!("https://{}", self.at)
    }

    /// How many connections came.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn tunnel(mut client: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).expect("text");
    let mut words = head.split(' ');
    assert_eq!(words.next(), Some("CONNECT"), "{head}");
    let mut server = TcpStream::connect(words.next().expect("authority")).await.expect("server");
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.expect("answered");
    let _ = copy_bidirectional(&mut client, &mut server).await;
}
