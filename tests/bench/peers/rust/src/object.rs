// SPDX-License-Identifier: Apache-2.0
//! Objects as they are read from the API server: what of them is looked at, and no more.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::sync::LazyLock;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::render;
use crate::shape::{Print, Shape, Text, combine, hash};

pub struct Kind {
    pub group: &'static str,
    pub version: &'static str,
    pub name: &'static str,
    pub plural: &'static str,
}

const fn kind(group: &'static str, version: &'static str, name: &'static str, plural: &'static str) -> Kind {
    Kind { group, version, name, plural }
}

pub const DEPLOYMENT: usize = 2;
pub const CHILDREN: usize = 7;
pub const APP: usize = CHILDREN;
pub static KINDS: [Kind; CHILDREN + 1] = [
    kind("", "v1", "ServiceAccount", "serviceaccounts"),
    kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    kind("apps", "v1", "Deployment", "deployments"),
    kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    kind("", "v1", "Service", "services"),
    kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    kind("keelson.dev", "v1alpha1", "App", "apps"),
];

/// What is ours in each kind; of the App, its status.
static SHAPES: LazyLock<[Shape; CHILDREN + 1]> = LazyLock::new(|| {
    render::examples().map(|mut example| {
        let top = example.as_object_mut().expect("an object");
        top.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        Shape::of(&example)
    })
});
static LABELS: LazyLock<Shape> = LazyLock::new(|| Shape::of(&render::examples()[0]["metadata"]["labels"]));

/// Of a Deployment's status.
#[derive(Deserialize, Default, Debug, Clone, Copy, PartialEq)]
#[serde(rename_all = "camelCase", default)]
pub struct Rollout {
    pub observed_generation: i64,
    pub replicas: i64,
    pub updated_replicas: i64,
    pub ready_replicas: i64,
    pub available_replicas: i64,
    #[serde(rename = "conditions", deserialize_with = "is_late")]
    pub late: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(borrow, default)]
    pub reason: Cow<'a, str>,
    #[serde(borrow, default)]
    pub last_transition_time: Cow<'a, str>,
}

fn is_late<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    let conditions = Vec::<Condition>::deserialize(input)?;
    Ok(conditions.iter().any(|c| c.kind == "Progressing" && c.reason == "ProgressDeadlineExceeded"))
}

/// An object of the kind KINDS[K], for kube's watcher, which wants a whole ObjectMeta.
#[derive(Debug, Clone)]
pub struct Object<const K: usize> {
    meta: ObjectMeta,
    pub seen: Seen,
}

#[derive(Default, Debug, Clone)]
pub struct Seen {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub owner: Option<Box<str>>, // the App's name
    pub version: u64,
    pub generation: i64,
    pub deleting: bool,
    pub print: u64, // of what is ours
    // of a Deployment
    pub replicas: i64,
    pub rollout: Rollout,
    // of an App
    pub spec: Option<Box<RawValue>>,
    pub status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    uid: Cow<'a, str>,
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
    #[serde(default)]
    generation: i64,
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(default)]
    labels: Labels,
    #[serde(borrow, default)]
    owner_references: Vec<Owner<'a>>,
}

#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(default)]
    controller: bool,
}

#[derive(Default)]
struct Labels(u64);

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Labels, D::Error> {
        Print { shape: &LABELS, replicas: None }.deserialize(input).map(Labels)
    }
}

/// Reads an object of a kind that is known only at run time.
pub struct OfKind(pub usize);

impl<'de> DeserializeSeed<'de> for OfKind {
    type Value = Seen;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Seen, D::Error> {
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfKind {
    type Value = Seen;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a {}", KINDS[self.0].name)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let (mut seen, shape) = (Seen::default(), &SHAPES[self.0]);
        while let Some(Text(key)) = map.next_key()? {
            match (&*key, self.0) {
                ("metadata", _) => seen.take(map.next_value()?),
                ("spec", APP) => seen.spec = Some(map.next_value()?),
                ("status", APP) => seen.status = Some(map.next_value()?),
                ("status", DEPLOYMENT) => seen.rollout = map.next_value()?,
                _ => {
                    let Some(shape) = shape.field(&key) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    let replicas = Cell::new(0);
                    let print = Print { shape, replicas: Some(&replicas) };
                    seen.print = combine(seen.print, &key, map.next_value_seed(print)?);
                    seen.replicas = replicas.get();
                }
            }
        }
        Ok(seen)
    }
}

impl Seen {
    fn take(&mut self, meta: Meta) {
        self.name = (*meta.name).into();
        self.uid = (*meta.uid).into();
        self.version = meta.resource_version.parse().unwrap_or_default();
        self.generation = meta.generation;
        self.deleting = meta.deletion_timestamp.is_some();
        self.print = combine(self.print, "labels", meta.labels.0);
        if let Some(owner) = meta.owner_references.iter().find(|o| o.controller && o.kind == "App") {
            self.print = combine(self.print, "owner", hash((&owner.name, &owner.uid)));
            self.owner = Some((*owner.name).into());
        }
    }
}

pub fn decode(kind: usize, json: &[u8]) -> serde_json::Result<Seen> {
    OfKind(kind).deserialize(&mut serde_json::Deserializer::from_slice(json))
}

pub fn print_status(status: &str) -> serde_json::Result<u64> {
    let shape = SHAPES[APP].field("status").expect("a status");
    Print { shape, replicas: None }.deserialize(&mut serde_json::Deserializer::from_str(status))
}

impl<'de, const K: usize> Deserialize<'de> for Object<K> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let seen = OfKind(K).deserialize(input)?;
        let meta = ObjectMeta { resource_version: Some(seen.version.to_string()), ..Default::default() };
        Ok(Object { meta, seen })
    }
}

impl<const K: usize> kube::Resource for Object<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;
    fn kind(_: &()) -> Cow<'_, str> {
        KINDS[K].name.into()
    }
    fn group(_: &()) -> Cow<'_, str> {
        KINDS[K].group.into()
    }
    fn version(_: &()) -> Cow<'_, str> {
        KINDS[K].version.into()
    }
    fn plural(_: &()) -> Cow<'_, str> {
        KINDS[K].plural.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}
