// SPDX-License-Identifier: Apache-2.0
//! A fingerprint of those fields of an object that are ours. It is taken while the
//! JSON is read, so nothing of an object's body is ever built or kept: in the cache
//! a child is eight bytes of it. Equal for what was rendered and for what the API
//! server made of it, whatever defaults and others have put beside our fields.
//!
//! Which fields are ours says a Shape, made from an example that has them all.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::hash::Hash;

use ahash::RandomState;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

#[derive(Debug)]
pub enum Shape {
    All,
    Map(Vec<(Box<str>, Shape)>),
    List(Box<Shape>),
}

impl Shape {
    /// Of an example. A map with the key * is ours as a whole, and so is an empty one.
    pub fn of(example: &Value) -> Shape {
        match example {
            Value::Object(map) if !map.is_empty() && !map.contains_key("*") => {
                Shape::Map(map.iter().map(|(key, value)| (key.as_str().into(), Shape::of(value))).collect())
            }
            Value::Array(list) => Shape::List(Box::new(list.iter().map(Shape::of).fold(Shape::All, Shape::merge))),
            _ => Shape::All,
        }
    }

    fn merge(self, other: Shape) -> Shape {
        match (self, other) {
            (Shape::Map(mut fields), Shape::Map(more)) => {
                for (key, shape) in more {
                    match fields.iter_mut().find(|field| field.0 == key) {
                        Some(field) => field.1 = std::mem::replace(&mut field.1, Shape::All).merge(shape),
                        None => fields.push((key, shape)),
                    }
                }
                Shape::Map(fields)
            }
            (Shape::All, shape) | (shape, _) => shape,
        }
    }

    pub fn field(&self, key: &str) -> Option<&Shape> {
        match self {
            Shape::All => Some(&Shape::All),
            Shape::Map(fields) => fields.iter().find(|field| *field.0 == *key).map(|field| &field.1),
            Shape::List(_) => None,
        }
    }
}

static HASHER: RandomState = RandomState::with_seeds(1, 2, 3, 4);

pub fn hash(value: impl Hash) -> u64 {
    HASHER.hash_one(value)
}

/// Fields come in any order.
pub fn combine(sum: u64, key: &str, value: u64) -> u64 {
    sum.wrapping_add(hash((key, value)))
}

/// A string of the input, copied only where it has escapes.
#[derive(Deserialize, Default)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// Reads a value, leaving its fingerprint; on the way the number of replicas, if the
/// value is a Deployment's spec.
pub struct Print<'a> {
    pub shape: &'a Shape,
    pub replicas: Option<&'a Cell<i64>>,
}

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
        if let Some(replicas) = self.replicas {
            replicas.set(value as i64);
        }
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
        let shape = if let Shape::List(shape) = self.shape { shape } else { &Shape::All };
        let mut sum = 1;
        while let Some(value) = list.next_element_seed(Print { shape, replicas: None })? {
            sum = hash((sum, value));
        }
        Ok(sum)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut sum = 2;
        while let Some(Text(key)) = map.next_key()? {
            let Some(shape) = self.shape.field(&key) else {
                map.next_value::<serde::de::IgnoredAny>()?;
                continue;
            };
            let replicas = self.replicas.filter(|_| key == "replicas");
            sum = combine(sum, &key, map.next_value_seed(Print { shape, replicas })?);
        }
        Ok(sum)
    }
}
