// SPDX-License-Identifier: Apache-2.0
//! The cache, the queue and the reconciling of Apps. All of it lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};
use std::fmt::Write;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use ahash::AHashMap;
use futures::StreamExt;
use futures::future::join_all;
use http::Method;
use jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::task::spawn_local;

use crate::client::{Failure, send};
use crate::object::{APP, CHILDREN, Condition, DEPLOYMENT, KINDS, Kind, Object, Rollout, Seen, decode, print_status};
use crate::render::Render;

const MANAGER: &str = "keelson-peer-rust";
const CONDITIONS: [&str; 5] = ["Ready", "Available", "Progressing", "Reconciling", "Stalled"];

struct App {
    uid: Box<str>,
    generation: i64,
    deleting: bool,
    spec: Box<RawValue>,
}

/// Of the App's status: its fingerprint, and what the next one takes from it.
#[derive(Default)]
struct Status {
    print: u64,
    image: Option<Box<str>>,
    since: [(bool, i64); CONDITIONS.len()], // of the conditions: true? since which second?
}

#[derive(Default, Clone, Copy)]
struct Child {
    version: u64, // 0: it is not there
    print: u64,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Turn {
    #[default]
    Idle,
    Ready,
    Active,
    Again, // active, and to be looked at once more
}

/// An App with all that belongs to it.
#[derive(Default)]
struct Entry {
    name: Box<str>,
    version: u64, // of the App
    app: Option<Rc<App>>,
    status: Status,
    children: [Child; CHILDREN],
    // What was rendered last: an event that only brings this is no news.
    wanted: [u64; CHILDREN],
    wanted_status: u64,
    // of the Deployment
    generation: i64,
    replicas: i64,
    rollout: Rollout,
    turn: Turn,
    failures: u32,
}

type Handle = Rc<RefCell<Entry>>;

pub struct Operator {
    client: Client,
    namespace: String,
    entries: RefCell<AHashMap<Box<str>, Handle>>,
    newest: [Cell<u64>; CHILDREN + 1], // resourceVersion that the watch brought
    objects: [Cell<usize>; CHILDREN + 1],
    unsynced: Cell<usize>,
    reconciling: Cell<bool>,
    ready: RefCell<VecDeque<Handle>>,
    active: Cell<usize>,
    most: usize,
}

impl Operator {
    /// MOST Apps are worked at together, each with up to seven writes at once.
    pub fn new(client: Client, namespace: String, most: usize) -> Rc<Operator> {
        Rc::new(Operator {
            client,
            namespace,
            entries: Default::default(),
            newest: Default::default(),
            objects: Default::default(),
            unsynced: Cell::new(KINDS.len()),
            reconciling: Cell::new(false),
            ready: Default::default(),
            active: Cell::new(0),
            most,
        })
    }

    pub fn watch(self: &Rc<Self>) {
        spawn_local(self.clone().follow::<0>());
        spawn_local(self.clone().follow::<1>());
        spawn_local(self.clone().follow::<2>());
        spawn_local(self.clone().follow::<3>());
        spawn_local(self.clone().follow::<4>());
        spawn_local(self.clone().follow::<5>());
        spawn_local(self.clone().follow::<6>());
        spawn_local(self.clone().follow::<APP>());
    }

    pub fn synced(&self) -> bool {
        self.unsynced.get() == 0
    }

    /// Everything is known and the Lease is held: looks at every App.
    pub fn start(self: &Rc<Self>) {
        self.reconciling.set(true);
        for entry in self.entries.borrow().values() {
            self.enqueue(entry);
        }
    }

    /// Begins nothing any more. True once nothing is under way.
    pub fn stop(&self) -> bool {
        self.reconciling.set(false);
        self.ready.borrow_mut().clear();
        self.active.get() == 0
    }

    pub fn state(&self) -> String {
        let (ready, active) = (self.ready.borrow().len(), self.active.get());
        let mut out = format!(
            r#"{{"reconciling":{},"queue":{{"ready":{ready},"active":{active}}},"cache":{{"#,
            self.reconciling.get()
        );
        for (i, (kind, objects)) in KINDS.iter().zip(&self.objects).enumerate() {
            let comma = if i > 0 { "," } else { "" };
            let _ = write!(out, r#"{comma}"{}":{{"objects":{},"bytes":0}}"#, kind.2, objects.get());
        }
        out + "}}"
    }

    // --- the cache ------------------------------------------------------------------

    async fn follow<const K: usize>(self: Rc<Self>) {
        let api: Api<Object<K>> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut config = watcher::Config::default().streaming_lists();
        if K != APP {
            config = config.labels("app.kubernetes.io/managed-by=keelson-peer");
        }
        let mut events = pin!(watcher(api, config).default_backoff());
        let mut synced = false;
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    if synced {
                        listed.insert(object.0.name.clone());
                    }
                    self.seen(K, object.0);
                }
                Ok(Event::InitDone) if synced => self.sweep(K, std::mem::take(&mut listed)),
                Ok(Event::InitDone) => {
                    synced = true;
                    self.unsynced.set(self.unsynced.get() - 1);
                }
                Ok(Event::Apply(object)) => self.seen(K, object.0),
                Ok(Event::Delete(object)) => {
                    self.newest[K].set(object.0.version);
                    self.gone(K, &object.0.name);
                }
                Err(error) => eprintln!("{}: {error}", KINDS[K].3),
            }
        }
    }

    fn entry(&self, name: &str) -> Handle {
        let mut entries = self.entries.borrow_mut();
        if let Some(entry) = entries.get(name) {
            return entry.clone();
        }
        let entry = Handle::new(RefCell::new(Entry { name: name.into(), ..Default::default() }));
        entries.insert(name.into(), entry.clone());
        entry
    }

    /// An object as the watch has it.
    fn seen(self: &Rc<Self>, kind: usize, seen: Seen) {
        self.newest[kind].set(self.newest[kind].get().max(seen.version));
        if kind != APP && seen.owner.as_ref() != Some(&seen.name) {
            return self.gone(kind, &seen.name);
        }
        let entry = self.entry(&seen.name);
        if if kind == APP { self.take_app(&entry, seen) } else { self.take_child(&entry, kind, seen) } {
            self.enqueue(&entry);
        }
    }

    /// A child is now as we want it, says the reply to a write, and often before the watch.
    fn written(&self, entry: &Handle, kind: usize, reply: Written) {
        if reply.version <= self.newest[kind].get() {
            return; // the watch is past it; it may be gone already
        }
        let mut e = entry.borrow_mut();
        if e.children[kind].version == 0 {
            self.objects[kind].set(self.objects[kind].get() + 1);
        }
        e.children[kind] = Child { version: reply.version, print: e.wanted[kind] };
        if kind == DEPLOYMENT {
            e.generation = reply.generation;
        }
    }

    fn take_app(&self, entry: &Handle, seen: Seen) -> bool {
        let mut e = entry.borrow_mut();
        let Some(spec) = seen.spec.filter(|_| e.version < seen.version) else { return false };
        if e.version == 0 {
            self.objects[APP].set(self.objects[APP].get() + 1);
        }
        e.version = seen.version;
        e.status = seen.status.map(|status| Status::of(&status)).unwrap_or_default();
        if let Some(app) = &e.app
            && (app.generation, &app.uid, app.deleting) == (seen.generation, &seen.uid, seen.deleting)
        {
            return e.status.print != e.wanted_status;
        }
        e.app = Some(Rc::new(App { uid: seen.uid, generation: seen.generation, deleting: seen.deleting, spec }));
        true
    }

    fn take_child(&self, entry: &Handle, kind: usize, seen: Seen) -> bool {
        let mut e = entry.borrow_mut();
        let before = e.children[kind];
        if before.version > seen.version {
            return false;
        }
        if before.version == 0 {
            self.objects[kind].set(self.objects[kind].get() + 1);
        }
        let print = if before.version == seen.version { before.print } else { seen.print };
        e.children[kind] = Child { version: seen.version, print };
        let mut news = print != e.wanted[kind];
        if kind == DEPLOYMENT {
            news |= e.rollout != seen.rollout;
            (e.generation, e.replicas, e.rollout) = (seen.generation, seen.replicas, seen.rollout);
        }
        news
    }

    fn gone(self: &Rc<Self>, kind: usize, name: &str) {
        let Some(entry) = self.entries.borrow().get(name).cloned() else { return };
        let mut e = entry.borrow_mut();
        let version = if kind == APP { &mut e.version } else { &mut e.children[kind].version };
        if std::mem::take(version) == 0 {
            return;
        }
        self.objects[kind].set(self.objects[kind].get() - 1);
        match kind {
            APP => e.app = None,
            DEPLOYMENT => (e.generation, e.replicas, e.rollout) = Default::default(),
            _ => {}
        }
        let empty = e.version == 0 && e.children.iter().all(|child| child.version == 0);
        drop(e);
        if empty {
            self.entries.borrow_mut().remove(name);
        }
        self.enqueue(&entry);
    }

    /// After a second listing: what is no more.
    fn sweep(self: &Rc<Self>, kind: usize, listed: HashSet<Box<str>>) {
        let known: Vec<Box<str>> = self.entries.borrow().keys().cloned().collect();
        for name in known.iter().filter(|name| !listed.contains(*name)) {
            self.gone(kind, name);
        }
    }

    // --- the queue ------------------------------------------------------------------

    fn enqueue(self: &Rc<Self>, entry: &Handle) {
        if !self.reconciling.get() {
            return;
        }
        let mut e = entry.borrow_mut();
        match e.turn {
            Turn::Idle => {
                e.turn = Turn::Ready;
                drop(e);
                self.ready.borrow_mut().push_back(entry.clone());
                self.pump();
            }
            Turn::Active => e.turn = Turn::Again,
            Turn::Ready | Turn::Again => {}
        }
    }

    fn pump(self: &Rc<Self>) {
        while self.active.get() < self.most {
            let Some(entry) = self.ready.borrow_mut().pop_front() else { return };
            entry.borrow_mut().turn = Turn::Active;
            self.active.set(self.active.get() + 1);
            spawn_local(self.clone().run(entry));
        }
    }

    async fn run(self: Rc<Self>, entry: Handle) {
        let result = self.reconcile(&entry).await;
        self.active.set(self.active.get() - 1);
        let again = std::mem::take(&mut entry.borrow_mut().turn) == Turn::Again;
        if let Err(error) = result {
            let failures = entry.borrow().failures;
            entry.borrow_mut().failures = failures + 1;
            eprintln!("{}: {error}", entry.borrow().name);
            let operator = self.clone();
            spawn_local(async move {
                tokio::time::sleep(Duration::from_millis(5 << failures.min(12))).await;
                operator.enqueue(&entry);
            });
        } else {
            entry.borrow_mut().failures = 0;
            if again {
                self.enqueue(&entry);
            }
        }
        self.pump();
    }

    // --- an App ---------------------------------------------------------------------

    async fn reconcile(self: &Rc<Self>, entry: &Handle) -> Result<(), Failure> {
        let (app, name, replicas) = {
            let e = entry.borrow();
            let Some(app) = e.app.clone().filter(|app| !app.deleting) else { return Ok(()) };
            (app, e.name.clone(), e.replicas)
        };
        let spec: Value = serde_json::from_str(app.spec.get())?;
        let render = Render::new(&self.namespace, &name, &app.uid, &spec, replicas);
        let mut writes = Vec::new();
        let mut body = String::new();
        for kind in 0..CHILDREN {
            let wanted = render.child(kind, &mut body);
            let mut e = entry.borrow_mut();
            let child = e.children[kind];
            if wanted {
                e.wanted[kind] = decode(kind, body.as_bytes())?.print;
                if child.version == 0 || child.print != e.wanted[kind] {
                    writes.push(self.write_child(entry, kind, &name, Some(body.clone())));
                }
            } else if child.version != 0 {
                writes.push(self.write_child(entry, kind, &name, None));
            }
        }
        if !writes.is_empty() {
            join_all(writes).await.into_iter().collect::<Result<(), _>>()?;
        }
        let Some((body, status)) = self.status(entry, &app, &render)? else { return Ok(()) };
        let reply = self.write(APP, &name, Some(body)).await?;
        let mut e = entry.borrow_mut();
        if reply.version > self.newest[APP].get() && reply.generation == app.generation {
            (e.version, e.status) = (reply.version, status);
        }
        Ok(())
    }

    async fn write_child(&self, e: &Handle, kind: usize, name: &str, body: Option<String>) -> Result<(), Failure> {
        let apply = body.is_some();
        let reply = self.write(kind, name, body).await?;
        if apply {
            self.written(e, kind, reply);
        }
        Ok(())
    }

    /// Applies an object (of an App its status), or without a body deletes it.
    async fn write(&self, kind: usize, name: &str, body: Option<String>) -> Result<Written, Failure> {
        let Kind(group, version, _, plural) = KINDS[kind];
        let (root, slash) = if group.is_empty() { ("api/", "") } else { ("apis/", "/") };
        let mut path = format!("/{root}{group}{slash}{version}/namespaces/{}/{plural}/{name}", self.namespace);
        if kind == APP {
            path += "/status";
        }
        let apply = body.is_some();
        if apply {
            let _ = write!(path, "?fieldManager={MANAGER}&force=true");
        }
        let method = if apply { Method::PATCH } else { Method::DELETE };
        let body = body.unwrap_or_default().into_bytes();
        let (code, reply) = send(&self.client, method, &path, "application/apply-patch+yaml", body).await?;
        match code {
            200..300 => Ok(Written::of(std::str::from_utf8(&reply)?)),
            404 if !apply || kind == APP => Ok(Written { version: 0, generation: 0 }),
            _ => Err(format!("{plural} {name}: {code} {}", String::from_utf8_lossy(&reply)).into()),
        }
    }

    /// The App's status, if it is to be another.
    fn status(&self, entry: &Handle, app: &App, render: &Render) -> Result<Option<(String, Status)>, Failure> {
        let mut e = entry.borrow_mut();
        let (r, wanted) = (e.rollout, render.replicas());
        let current = r.observed_generation >= e.generation && e.children[DEPLOYMENT].version != 0;
        let complete = current
            && r.updated_replicas >= wanted
            && r.replicas <= r.updated_replicas
            && r.available_replicas >= wanted;
        let late = current && r.late && !complete;
        let progress = if complete || late {
            format!("{} of {wanted} replicas are ready", r.ready_replicas)
        } else if current {
            format!("{} of {wanted} replicas are updated, {} are available", r.updated_replicas, r.available_replicas)
        } else {
            "waiting for the Deployment controller to see the change".to_owned()
        };
        let why = match (complete, late) {
            (true, _) => "Ready",
            (_, true) => "ProgressDeadlineExceeded",
            _ => "RolloutInProgress",
        };
        let available = r.available_replicas > 0;
        let says = |yes: bool, reason, message| if yes { (true, reason, message) } else { (false, "AsExpected", "") };
        let conditions = [
            (complete, why, &*progress),
            match available {
                true => (true, "MinimumReplicasAvailable", "at least one replica answers"),
                false => (false, "NoReplicas", "no replica is available yet"),
            },
            (!late, if complete { "NewReplicaSetAvailable" } else { why }, &*progress),
            says(!complete && !late, why, &*progress),
            says(late, why, &*progress),
        ];
        let new_image = render.spec["image"].to_string();
        let image = if complete { &new_image } else { e.status.image.as_deref().unwrap_or("\"\"") };
        let counts = format!(
            r#""replicas":{},"readyReplicas":{},"updatedReplicas":{}"#,
            r.replicas, r.ready_replicas, r.updated_replicas
        );
        let (now, mut text) = (Timestamp::now().as_second(), String::new());
        for (i, (status, reason, message)) in conditions.iter().enumerate() {
            let (before, since) = e.status.since[i];
            let since = if before == *status && since > 0 { since } else { now };
            let at = Timestamp::from_second(since).unwrap_or_default();
            let (comma, word) = (if i > 0 { "," } else { "" }, if *status { "True" } else { "False" });
            let _ = write!(
                text,
                r#"{comma}{{"type":"{}","status":"{word}","reason":"{reason}","message":"{message}","observedGeneration":{},"lastTransitionTime":"{at:.0}"}}"#,
                CONDITIONS[i], app.generation
            );
        }
        let body = render.status(app.generation, &text, &counts, image);
        let next = decode(APP, body.as_bytes())?.status.map(|status| Status::of(&status)).unwrap_or_default();
        e.wanted_status = next.print;
        Ok(if next.print == e.status.print { None } else { Some((body, next)) })
    }
}

/// All that is wanted of the reply to a write. It is searched for, since decoding all
/// replies would cost as much as decoding all watch events, which bring the same.
struct Written {
    version: u64,
    generation: i64,
}

impl Written {
    fn of(reply: &str) -> Written {
        let number = |key: &str| {
            let rest = reply.find(key).map_or("", |at| &reply[at + key.len()..]);
            rest[..rest.bytes().take_while(u8::is_ascii_digit).count()].parse().unwrap_or_default()
        };
        let version = number("\"resourceVersion\":\"");
        Written { version, generation: number("\"generation\":") as i64 }
    }
}

impl Status {
    fn of(json: &RawValue) -> Status {
        #[derive(Deserialize, Default)]
        struct Read<'a> {
            #[serde(borrow, default)]
            conditions: Vec<Condition<'a>>,
            #[serde(borrow)]
            image: Option<&'a RawValue>,
        }
        let read: Read = serde_json::from_str(json.get()).unwrap_or_default();
        let mut since = [(false, 0); CONDITIONS.len()];
        for condition in &read.conditions {
            if let Some(i) = CONDITIONS.iter().position(|kind| *kind == condition.kind) {
                let at: Option<Timestamp> = condition.last_transition_time.parse().ok();
                since[i] = (condition.status == "True", at.map_or(0, Timestamp::as_second));
            }
        }
        let image = read.image.map(|image| image.get().into());
        Status { print: print_status(json).unwrap_or_default(), image, since }
    }
}
