// SPDX-License-Identifier: Apache-2.0
//! The connection to the API server: kube's configuration and its client for lists
//! and watches, over a stack of its own that counts requests.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, header};
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::{Client as Http, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::ServiceBuilder;

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Default)]
pub struct Counts(Arc<Mutex<BTreeMap<(u16, String), u64>>>);

impl Counts {
    fn add(&self, code: u16, method: &Method) {
        *self.0.lock().unwrap().entry((code, method.to_string())).or_default() += 1;
    }

    pub fn text(&self) -> String {
        let mut out = String::from("# TYPE rest_client_requests_total counter\n");
        for ((code, method), n) in self.0.lock().unwrap().iter() {
            let _ = writeln!(out, "rest_client_requests_total{{code=\"{code}\",method=\"{method}\"}} {n}");
        }
        out
    }
}

pub fn connect(config: &Config, counts: &Counts) -> Result<Client, Failure> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new().with_tls_config(config.rustls_client_config()?).https_or_http();
    let mut builder = Http::builder(TokioExecutor::new());
    builder
        .http2_only(true)
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_initial_connection_window_size(16 << 20)
        .http2_initial_stream_window_size(1 << 20);
    let http = builder.build(tls.enable_http2().wrap_connector(tcp));
    let counts = counts.clone();
    let counting = tower::service_fn(move |request: Request<Body>| {
        let (method, counts) = (request.method().clone(), counts.clone());
        let reply = http.request(request);
        async move {
            let reply = reply.await;
            counts.add(reply.as_ref().map_or(0, |reply| reply.status().as_u16()), &method);
            reply.map_err(Failure::from)
        }
    });
    let stack = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .map_err(Failure::from)
        .service(counting);
    Ok(Client::new(stack, "default"))
}

/// One request; its status and what it said.
pub async fn send(
    client: &Client,
    method: Method,
    path: &str,
    content: &'static str,
    body: Vec<u8>,
) -> Result<(u16, bytes::Bytes), Failure> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, content)
        .header(header::ACCEPT, "application/json")
        .body(Body::from(body))?;
    let reply = client.send(request).await?;
    let status = reply.status().as_u16();
    Ok((status, reply.into_body().collect().await?.to_bytes()))
}
