// SPDX-License-Identifier: Apache-2.0
//! Leader election by a Lease, as client-go does it: held for 15 s, given up if it
//! could not be renewed for 10 s, tried every 2 s.

use std::time::{Duration, Instant};

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::client::{Failure, send};

const DURATION: Duration = Duration::from_secs(15);
const DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

pub struct Lease {
    client: Client,
    folder: String,
    path: String,
    me: String,
    held: Value,    // as last read or written
    since: Instant, // when it last changed, by our clock
}

impl Lease {
    pub fn new(client: Client, namespace: &str, name: &str) -> Lease {
        let folder = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let path = format!("{folder}/{name}");
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let started = jiff::Timestamp::now().as_nanosecond();
        let me = format!("{}_{}_{started:x}", host.trim(), std::process::id());
        Lease { client, folder, path, me, held: Value::Null, since: Instant::now() }
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Result<Option<Value>, Failure> {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body)? };
        let call = send(&self.client, method, path, "application/json", body);
        let (status, reply) = tokio::time::timeout(DEADLINE / 2, call).await??;
        match status {
            200 | 201 => Ok(Some(serde_json::from_slice(&reply)?)),
            404 | 409 => Ok(None),
            _ => Err(format!("the Lease: {status} {}", String::from_utf8_lossy(&reply)).into()),
        }
    }

    /// Takes or renews it. Is it ours?
    async fn attempt(&mut self) -> Result<bool, Failure> {
        let now = format!("{:.6}", jiff::Timestamp::now());
        let mine = self.held["spec"]["holderIdentity"] == self.me.as_str();
        if !mine {
            let read = self.call(Method::GET, &self.path, &Value::Null).await?.unwrap_or_default();
            if read != self.held {
                (self.held, self.since) = (read, Instant::now());
            }
            let holder = self.held["spec"]["holderIdentity"].as_str().unwrap_or_default();
            if !holder.is_empty() && holder != self.me && self.since.elapsed() < DURATION {
                return Ok(false);
            }
        }
        let mut next = self.held.clone();
        if next.is_null() {
            let name = self.path.rsplit('/').next();
            next = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}});
        }
        if !mine {
            next["spec"]["holderIdentity"] = self.me.as_str().into();
            next["spec"]["leaseDurationSeconds"] = DURATION.as_secs().into();
            next["spec"]["acquireTime"] = now.as_str().into();
            next["spec"]["leaseTransitions"] = (next["spec"]["leaseTransitions"].as_i64().unwrap_or(-1) + 1).into();
        }
        next["spec"]["renewTime"] = now.into();
        if let Some(meta) = next["metadata"].as_object_mut() {
            meta.remove("managedFields");
        }
        let written = match self.held.is_null() {
            true => self.call(Method::POST, &self.folder, &next).await?,
            false => self.call(Method::PUT, &self.path, &next).await?,
        };
        self.held = written.unwrap_or_default(); // somebody else was first: look again
        self.since = Instant::now();
        Ok(!self.held.is_null())
    }

    pub async fn acquire(&mut self) {
        loop {
            match self.attempt().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => eprintln!("taking the Lease: {error}"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Returns when it is lost.
    pub async fn keep(&mut self) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < DEADLINE {
            tokio::time::sleep(RETRY).await;
            match self.attempt().await {
                Ok(true) => renewed = Instant::now(),
                Ok(false) => {}
                Err(error) => eprintln!("renewing the Lease: {error}"),
            }
        }
    }

    pub async fn release(&mut self) {
        if self.held["spec"]["holderIdentity"] == self.me.as_str() {
            self.held["spec"]["holderIdentity"] = "".into();
            self.held["spec"]["leaseDurationSeconds"] = 1.into();
            let _ = self.call(Method::PUT, &self.path, &self.held).await;
        }
    }
}
