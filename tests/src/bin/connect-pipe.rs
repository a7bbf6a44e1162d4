//! `connect-pipe PROXY HOST PORT`: joins its standard input and output with HOST:PORT through an HTTP CONNECT proxy.
//!
//! OpenSSH's client has no CONNECT of its own; this is its `ProxyCommand`, so that suites and benchmarks can send the real `git` the
//! same way as git-mirror. Never used by the product.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [proxy, host, port] = words.as_slice() else {
        return complain("usage: connect-pipe PROXY HOST PORT");
    };
    match join(proxy, &format!("{host}:{port}")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("connect-pipe: {proxy}: {error}")),
    }
}

fn complain(words: &str) -> ExitCode {
    // A closed standard error cannot be reported anywhere.
    let _ = writeln!(std::io::stderr(), "{words}");
    ExitCode::FAILURE
}

fn join(proxy: &str, target: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(proxy)?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes())?;
    let head = head(&mut stream)?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(std::io::Error::other(head.lines().next().unwrap_or_default().to_owned()));
    }
    let mut outward = stream.try_clone()?;
    std::thread::spawn(move || {
        // Either side's end is seen by the other direction.
        let _ = copy(&mut std::io::stdin().lock(), &mut outward);
        let _ = outward.shutdown(Shutdown::Write);
    });
    // The raw descriptor, because `Stdout` is line-buffered and would write in two pieces.
    let mut inward = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
    copy(&mut stream, &mut inward)
}

/// Reads the answer byte by byte: what comes behind it belongs to SSH.
fn head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
    }
}
