// SPDX-License-Identifier: Apache-2.0
//! keelson-peer-rust operator --listen ADDR:PORT --namespace NS --lease-namespace NS [--concurrency N]:
//! the yardstick that README.md describes.

mod client;
mod lease;
mod object;
mod operator;
mod render;

use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{LocalSet, spawn_local};

use client::{Counts, Failure};
use operator::Operator;

struct Options {
    listen: String,
    namespace: String,
    lease_namespace: String,
    concurrency: usize,
}

fn options() -> Result<Options, Failure> {
    let mut options = Options {
        listen: "127.0.0.1:8080".into(),
        namespace: String::new(),
        lease_namespace: String::new(),
        concurrency: 32,
    };
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() != Some("operator") {
        return Err("the first word must be: operator".into());
    }
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
        match word.as_str() {
            "--listen" => options.listen = value,
            "--namespace" => options.namespace = value,
            "--concurrency" => options.concurrency = value.parse()?,
            "--lease-namespace" => options.lease_namespace = value,
            _ => return Err(format!("{word} is no option").into()),
        }
    }
    if options.namespace.is_empty() || options.lease_namespace.is_empty() {
        return Err("--namespace and --lease-namespace are needed".into());
    }
    Ok(options)
}

async fn serve(listener: TcpListener, operator: Rc<Operator>, counts: Counts) {
    while let Ok((socket, _)) = listener.accept().await {
        let (operator, counts) = (operator.clone(), counts.clone());
        let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
            let (code, text) = match request.uri().path() {
                "/readyz" => (if operator.synced() { 200 } else { 503 }, String::new()),
                "/metrics" => (200, counts.text()),
                "/debug/state" => (200, operator.state()),
                _ => (404, String::new()),
            };
            async move { Response::builder().status(code).body(Full::<bytes::Bytes>::from(text)) }
        });
        let _ = socket.set_nodelay(true);
        spawn_local(async move { http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await });
    }
}

async fn run() -> Result<(), Failure> {
    let options = options()?;
    let listener = TcpListener::bind(&options.listen).await?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let counts = Counts::default();
    let client = client::connect(&kube::Config::infer().await?, &counts)?;
    let operator = Operator::new(client.clone(), options.namespace, options.concurrency);
    operator.watch();
    spawn_local(serve(listener, operator.clone(), counts));
    let mut lease = lease::Lease::new(client, &options.lease_namespace, "keelson-peer-rust");
    let work = async {
        lease.acquire().await;
        let begin = async {
            while !operator.synced() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            operator.start();
            std::future::pending::<()>().await
        };
        tokio::select! {
            _ = begin => {}
            _ = lease.keep() => {}
        }
    };
    tokio::select! {
        _ = work => return Err("the Lease is lost".into()),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    for _ in 0..500 {
        if operator.stop() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    lease.release().await;
    Ok(())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Err(error) = LocalSet::new().block_on(&runtime, run()) {
        eprintln!("keelson-peer-rust: {error}");
        std::process::exit(1);
    }
    std::process::exit(0);
}
