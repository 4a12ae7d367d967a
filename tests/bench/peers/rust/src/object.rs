// SPDX-License-Identifier: Apache-2.0
//! Objects as they are read from the API server. Of a child nothing is built or kept
//! but a fingerprint of those fields that are ours, taken while the JSON is read: it is
//! the same for what was rendered and for what the API server made of it, whatever
//! defaults and others have put beside our fields. Which fields are ours says a Shape,
//! made from an example that has them all.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::hash::Hash;
use std::sync::LazyLock;

use ahash::RandomState;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Value, value::RawValue};

use crate::render;

/// Group, version, kind and plural.
pub struct Kind(pub &'static str, pub &'static str, pub &'static str, pub &'static str);

pub const DEPLOYMENT: usize = 2;
pub const CHILDREN: usize = 7;
pub const APP: usize = CHILDREN;
pub static KINDS: [Kind; CHILDREN + 1] = [
    Kind("", "v1", "ServiceAccount", "serviceaccounts"),
    Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    Kind("apps", "v1", "Deployment", "deployments"),
    Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    Kind("", "v1", "Service", "services"),
    Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses"),
    Kind("keelson.dev", "v1alpha1", "App", "apps"),
];

#[derive(Debug)]
enum Shape {
    All,
    Map(Vec<(Box<str>, Shape)>),
    List(Box<Shape>),
}

static SHAPES: LazyLock<[Shape; CHILDREN + 1]> = LazyLock::new(|| render::examples().map(|e| Shape::of(&e)));

impl Shape {
    /// Of an example. A map with the key * is ours as a whole, and so is an empty one.
    fn of(example: &Value) -> Shape {
        match example {
            Value::Object(map) if !map.is_empty() && !map.contains_key("*") => {
                Shape::Map(map.iter().map(|(key, value)| (key.as_str().into(), Shape::of(value))).collect())
            }
            Value::Array(list) => Shape::List(Box::new(list.iter().map(Shape::of).fold(Shape::All, Shape::or))),
            _ => Shape::All,
        }
    }

    fn or(self, other: Shape) -> Shape {
        match (self, other) {
            (Shape::Map(mut fields), Shape::Map(more)) => {
                fields.extend(more); // the first of a name counts
                Shape::Map(fields)
            }
            (Shape::All, shape) | (shape, _) => shape,
        }
    }

    fn field(&self, key: &str) -> Option<&Shape> {
        match self {
            Shape::Map(fields) => fields.iter().find(|field| *field.0 == *key).map(|field| &field.1),
            _ => Some(&Shape::All),
        }
    }
}

static HASHER: RandomState = RandomState::with_seeds(1, 2, 3, 4);

fn hash(value: impl Hash) -> u64 {
    HASHER.hash_one(value)
}

/// Adds a field to a fingerprint, in any order.
fn combine(sum: u64, key: &str, value: u64) -> u64 {
    sum.wrapping_add(hash((key, value)))
}

/// A string of the input, copied only where it has escapes.
#[derive(Deserialize, Default)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a value and leaves its fingerprint; of a Deployment's spec, the replicas too.
struct Print<'a>(&'a Shape, Option<&'a Cell<i64>>);

impl<'de> DeserializeSeed<'de> for Print<'_> {
    type Value = u64;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<u64, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Print<'_> {
    type Value = u64;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<u64, E> {
        Ok(hash(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<u64, E> {
        self.1.inspect(|replicas| replicas.set(value as i64));
        Ok(hash(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<u64, E> {
        Ok(hash(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<u64, E> {
        Ok(hash(value.to_bits()))
    }
    fn visit_str<E>(self, value: &str) -> Result<u64, E> {
        Ok(hash(value))
    }
    fn visit_unit<E>(self) -> Result<u64, E> {
        Ok(0)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let shape = if let Shape::List(shape) = self.0 { shape } else { &Shape::All };
        let mut sum = 1;
        while let Some(value) = list.next_element_seed(Print(shape, None))? {
            sum = hash((sum, value));
        }
        Ok(sum)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut sum = 2;
        while let Some(Text(key)) = map.next_key()? {
            if let Some(shape) = self.0.field(&key) {
                let replicas = self.1.filter(|_| key == "replicas");
                sum = combine(sum, &key, map.next_value_seed(Print(shape, replicas))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(sum)
    }
}

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

/// What is looked at of an object.
#[derive(Default, Debug, Clone)]
pub struct Seen {
    pub name: Box<str>,
    pub uid: Box<str>,
    pub owner: Option<Box<str>>, // the App's name
    pub version: u64,
    pub generation: i64,
    pub deleting: bool,
    pub print: u64,
    pub replicas: i64, // these two of a Deployment
    pub rollout: Rollout,
    pub spec: Option<Box<RawValue>>, // and these of an App
    pub status: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
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
        let shape = SHAPES[0].field("metadata").and_then(|meta| meta.field("labels")).expect("labels");
        Print(shape, None).deserialize(input).map(Labels)
    }
}

/// Reads an object of the kind KINDS[.0].
struct OfKind(usize);

impl<'de> Visitor<'de> for OfKind {
    type Value = Seen;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(KINDS[self.0].2)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seen, A::Error> {
        let mut seen = Seen::default();
        while let Some(Text(key)) = map.next_key()? {
            match (&*key, self.0, SHAPES[self.0].field(&key)) {
                ("metadata", ..) => seen.take(map.next_value()?),
                ("spec", APP, _) => seen.spec = Some(map.next_value()?),
                ("status", APP, _) => seen.status = Some(map.next_value()?),
                ("status", DEPLOYMENT, _) => seen.rollout = map.next_value()?,
                ("apiVersion" | "kind", ..) | (.., None) => drop(map.next_value::<IgnoredAny>()?),
                (.., Some(shape)) => {
                    let replicas = Cell::new(seen.replicas);
                    seen.print = combine(seen.print, &key, map.next_value_seed(Print(shape, Some(&replicas)))?);
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
    serde_json::Deserializer::from_slice(json).deserialize_map(OfKind(kind))
}

pub fn print_status(status: &RawValue) -> serde_json::Result<u64> {
    let shape = SHAPES[APP].field("status").expect("a status");
    Print(shape, None).deserialize(&mut serde_json::Deserializer::from_str(status.get()))
}

/// An object for kube's watcher, which wants its resourceVersion in a whole ObjectMeta.
#[derive(Debug, Clone)]
pub struct Object<const K: usize>(pub Seen, ObjectMeta);

impl<'de, const K: usize> Deserialize<'de> for Object<K> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let seen = input.deserialize_map(OfKind(K))?;
        let resource_version = Some(seen.version.to_string());
        Ok(Object(seen, ObjectMeta { resource_version, ..Default::default() }))
    }
}

impl<const K: usize> kube::Resource for Object<K> {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;
    fn group(_: &()) -> Cow<'_, str> {
        KINDS[K].0.into()
    }
    fn version(_: &()) -> Cow<'_, str> {
        KINDS[K].1.into()
    }
    fn kind(_: &()) -> Cow<'_, str> {
        KINDS[K].2.into()
    }
    fn plural(_: &()) -> Cow<'_, str> {
        KINDS[K].3.into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.1
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.1
    }
}
