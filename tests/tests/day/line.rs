//! The line between hosts and the collector: a TCP proxy that cuts, delays and resets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Every piece arrives later.
    Slow(Duration),
    /// A connection ends, as if all were said, after so many bytes of both directions.
    Cuts(usize),
    /// A connection is reset after so many bytes; 0 resets it at once.
    Resets(usize),
}

/// A line on a port of its own; it ends with its owner.
pub(crate) struct Line {
    pub(crate) address: SocketAddr,
    weather: Arc<Mutex<Weather>>,
    task: tokio::task::JoinHandle<()>,
}

impl Line {
    pub(crate) async fn to(collector: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let weather = Arc::new(Mutex::new(Weather::Fair));
        let here = Arc::clone(&weather);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((host, _)) = listener.accept().await {
                connections.spawn(connection(host, collector, Arc::clone(&here)));
            }
        });
        Self { address, weather, task }
    }

    pub(crate) fn set(&self, weather: Weather) {
        *self.weather.lock().expect("lock") = weather;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(mut host: TcpStream, collector: SocketAddr, weather: Arc<Mutex<Weather>>) {
    let now = || *weather.lock().expect("lock");
    if now() == Weather::Resets(0) {
        return reset(&host);
    }
    let Ok(mut collector) = TcpStream::connect(collector).await else { return };
    let (mut there, mut back) = (vec![0; 16 << 10], vec![0; 16 << 10]);
    let mut passed = 0;
    loop {
        let (read, forth) = tokio::select! {
            read = host.read(&mut there) => (read, true),
            read = collector.read(&mut back) => (read, false),
        };
        let Some(count) = read.ok().filter(|count| *count > 0) else { return };
        match now() {
            Weather::Slow(by) => tokio::time::sleep(by).await,
            Weather::Cuts(after) if passed + count > after => return,
            Weather::Resets(after) if passed + count > after => {
                reset(&collector);
                return reset(&host);
            }
            _ => {}
        }
        passed += count;
        let written = match forth {
            true => collector.write_all(&there[..count]).await,
            false => host.write_all(&back[..count]).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// With nothing to linger for, closing sends RST (tcp(7), SO_LINGER in socket(7)).
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
