//! Stands between clients and a PostgreSQL server, hears what the clients say, and lets something happen at one message.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests, of which each binary uses a part"
)]

use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

/// The version of the protocol, with which a client begins; before it may ask for encryption.
const PROTOCOL: u32 = 196_608;
/// So many rows of a COPY are one message.
const ROWS: usize = 1000;

/// The message at which it happens.
#[derive(Debug, Clone, Copy)]
pub enum At {
    /// The nth of all, from 1 on.
    Nth(usize),
    /// One that holds this text.
    Saying(&'static str),
}

/// Whether the server hears the message, and the client its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The server never hears it.
    Before,
    /// The server has it; nobody knows how far it came.
    During,
    /// The server has answered, and nobody hears that.
    After,
}

type Event = Arc<dyn Fn() + Send + Sync>;

struct Trap {
    at: At,
    moment: Moment,
    /// How often it still happens.
    times: usize,
    event: Event,
}

#[derive(Default)]
struct State {
    heard: Vec<String>,
    trap: Option<Trap>,
    /// What cuts each connection.
    open: Vec<(TcpStream, UnixStream)>,
}

struct Shared {
    server: PathBuf,
    state: Mutex<State>,
}

pub struct Proxy {
    pub port: u16,
    shared: Arc<Shared>,
}

impl Proxy {
    /// Listens on this machine for a server behind a socket file.
    pub fn before(server: PathBuf) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { server, state: Mutex::default() });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A server that is down hangs up.
                let Ok(server) = UnixStream::connect(&shared.server) else { continue };
                thread::spawn(move || shared.relay(client, server).ok());
            }
        });
        Self { port, shared }
    }

    /// Forgets what was heard, and lets `event` happen, and all connections be cut, when it comes to it.
    pub fn set(&self, at: At, moment: Moment, times: usize, event: impl Fn() + Send + Sync + 'static) {
        let mut state = self.shared.state.lock().unwrap();
        state.heard.clear();
        state.trap = Some(Trap { at, moment, times, event: Arc::new(event) });
    }

    /// Lets everything through; answers whether nothing was left to happen.
    pub fn clear(&self) -> bool {
        let mut state = self.shared.state.lock().unwrap();
        state.heard.clear();
        state.trap.take().is_none()
    }

    /// What was said since it was set or cleared.
    pub fn heard(&self) -> Vec<String> {
        self.shared.state.lock().unwrap().heard.clone()
    }
}

impl Shared {
    /// Notes a message; answers what happens at it.
    fn hear(&self, text: &str) -> Option<(Moment, Event)> {
        let mut state = self.state.lock().unwrap();
        state.heard.push(text.to_owned());
        let number = state.heard.len();
        let trap = state.trap.as_mut()?;
        let is_it = match trap.at {
            At::Nth(nth) => number == nth,
            At::Saying(part) => text.contains(part),
        };
        if !is_it {
            return None;
        }
        trap.times -= 1;
        let (happens, is_over) = ((trap.moment, Arc::clone(&trap.event)), trap.times == 0);
        if is_over {
            state.trap = None;
        }
        Some(happens)
    }

    fn spring(&self, event: &Event) {
        event();
        for (client, server) in self.state.lock().unwrap().open.drain(..) {
            client.shutdown(Shutdown::Both).ok();
            server.shutdown(Shutdown::Both).ok();
        }
    }

    /// Passes on what one client says until either side hangs up.
    fn relay(self: Arc<Self>, client: TcpStream, server: UnixStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        self.state.lock().unwrap().open.push((client.try_clone()?, server.try_clone()?));
        let at_answer: Arc<Mutex<Option<Event>>> = Arc::default();
        let answering = (Arc::clone(&self), client.try_clone()?, server.try_clone()?, Arc::clone(&at_answer));
        thread::spawn(move || {
            let (shared, client, server, at_answer) = answering;
            shared.answer(client, server, &at_answer).ok();
        });
        let mut requests = BufReader::new(client);
        let mut to_server = BufWriter::new(server.try_clone()?);
        let mut copied = 0;
        let mut begun = false;
        while let Some(message) = Message::read(&mut requests, begun)? {
            begun |= message.is_begin();
            let Some((moment, event)) = message.text(&mut copied).and_then(|text| self.hear(&text)) else {
                to_server.write_all(&message.bytes)?;
                if requests.buffer().is_empty() {
                    to_server.flush()?;
                }
                continue;
            };
            to_server.flush()?;
            if moment == Moment::After {
                *at_answer.lock().unwrap() = Some(Arc::clone(&event));
            }
            if moment != Moment::Before {
                to_server.write_all(&message.bytes)?;
                to_server.flush()?;
            }
            if moment != Moment::After {
                self.spring(&event);
            }
        }
        server.shutdown(Shutdown::Write)
    }

    /// Passes on what the server answers.
    fn answer(&self, mut client: TcpStream, mut server: UnixStream, event: &Mutex<Option<Event>>) -> io::Result<()> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let count = server.read(&mut buffer).unwrap_or(0);
            if let Some(event) = event.lock().unwrap().take() {
                self.spring(&event);
            }
            if count == 0 {
                return client.shutdown(Shutdown::Both);
            }
            client.write_all(&buffer[..count])?;
        }
    }
}

/// One message of a client.
struct Message {
    /// None where it is the first, which has no kind.
    kind: Option<u8>,
    bytes: Vec<u8>,
}

impl Message {
    fn read(requests: &mut impl BufRead, begun: bool) -> io::Result<Option<Self>> {
        if requests.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut bytes = vec![0; if begun { 5 } else { 4 }];
        requests.read_exact(&mut bytes)?;
        let kind = begun.then(|| bytes[0]);
        let length = u32::from_be_bytes(bytes[bytes.len() - 4..].try_into().unwrap()) as usize - 4;
        let head = bytes.len();
        bytes.resize(head + length, 0);
        requests.read_exact(&mut bytes[head..])?;
        Ok(Some(Self { kind, bytes }))
    }

    fn is_begin(&self) -> bool {
        self.kind.is_none() && self.bytes[4..8] == PROTOCOL.to_be_bytes()
    }

    /// What is heard of it: of each query one message, to which the server answers.
    fn text(&self, copied: &mut usize) -> Option<String> {
        match self.kind {
            None => self.is_begin().then(|| "a session begins".to_owned()),
            Some(b'Q') => Some(String::from_utf8_lossy(&self.bytes[5..self.bytes.len() - 1]).into_owned()),
            Some(b'S') => Some("a query with parameters".to_owned()),
            Some(b'c') => Some("the end of a COPY".to_owned()),
            Some(b'd') => {
                *copied += 1;
                (*copied % ROWS == 1).then(|| "rows of a COPY".to_owned())
            }
            Some(_) => None,
        }
    }
}
