// SPDX-License-Identifier: Apache-2.0
//! What an App becomes: text templates, since building trees of values for each look
//! at each App would cost more than all else that is done for it. Values of the App's
//! spec go in as the JSON that they are.

use std::fmt::Write;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::object::{CHILDREN, KINDS};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec<'a> {
    #[serde(borrow)]
    pub image: &'a RawValue,
    pub port: Option<u16>,
    #[serde(borrow)]
    env: Option<&'a RawValue>,
    #[serde(borrow)]
    resources: Option<&'a RawValue>,
    replicas: Option<i64>,
    pub autoscaling: Option<Autoscaling<'a>>,
    #[serde(borrow)]
    health_check: HealthCheck<'a>,
    #[serde(borrow)]
    drain: Drain<'a>,
    #[serde(borrow)]
    strategy: Strategy<'a>,
    revision_history_limit: i64,
    #[serde(borrow, default)]
    hosts: Vec<&'a RawValue>,
    #[serde(borrow)]
    access: Option<Access<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling<'a> {
    #[serde(default = "one")]
    pub min_replicas: i64,
    #[serde(default = "ten")]
    pub max_replicas: i64,
    #[serde(rename = "targetCPUUtilization")]
    cpu: Option<i64>,
    #[serde(rename = "targetMemoryUtilization")]
    memory: Option<i64>,
    #[serde(borrow)]
    scale_down_cooldown: Option<&'a str>,
}

fn one() -> i64 {
    1
}
fn ten() -> i64 {
    10
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HealthCheck<'a> {
    #[serde(borrow)]
    live_path: &'a RawValue,
    #[serde(borrow)]
    ready_path: &'a RawValue,
    startup_timeout: &'a str,
}

#[derive(Deserialize)]
struct Drain<'a> {
    delay: &'a str,
    timeout: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Strategy<'a> {
    progress_deadline: &'a str,
}

#[derive(Deserialize)]
struct Access<'a> {
    #[serde(borrow, default)]
    from: Vec<From<'a>>,
}

#[derive(Deserialize)]
struct From<'a> {
    app: &'a str,
}

/// "1m30s" in seconds.
fn seconds(duration: &str) -> i64 {
    let (mut sum, mut number) = (0, 0);
    for c in duration.bytes() {
        match c {
            b'0'..=b'9' => number = number * 10 + i64::from(c - b'0'),
            unit => {
                sum += number * if unit == b'h' { 3600 } else if unit == b'm' { 60 } else { 1 };
                number = 0;
            }
        }
    }
    sum
}

static TEMPLATES: LazyLock<[String; CHILDREN + 1]> = LazyLock::new(|| {
    let texts = include_str!("templates.json").split("\n\n").skip(1).collect::<Vec<_>>();
    std::array::from_fn(|i| texts[i].lines().map(str::trim).collect())
});

/// The template with its $names replaced.
fn fill(out: &mut String, template: &str, values: &[(&str, &str)]) {
    let mut parts = template.split('$');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(part.len());
        let value = values.iter().find(|value| value.0 == &part[..end]);
        out.push_str(value.expect("a value for each name of a template").1);
        out.push_str(&part[end..]);
    }
}

/// All that templates say of an App.
pub struct Render<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub uid: &'a str,
    pub spec: &'a Spec<'a>,
    pub replicas: i64, // that the Deployment has now, or 0
}

fn list<T>(items: &[T], mut item: impl FnMut(&T) -> String) -> String {
    items.iter().map(&mut item).collect::<Vec<_>>().join(",")
}

impl Render<'_> {
    pub fn replicas(&self) -> i64 {
        match &self.spec.autoscaling {
            Some(_) if self.replicas > 0 => self.replicas,
            Some(scaling) => scaling.min_replicas,
            None => self.spec.replicas.unwrap_or(1),
        }
    }

    /// False for a child that such an App does not have.
    pub fn child(&self, kind: usize, out: &mut String) -> bool {
        let spec = self.spec;
        let with = |out: &mut String, values: &[(&str, &str)]| {
            let mut all = vec![("ns", self.namespace), ("name", self.name), ("uid", self.uid)];
            all.extend_from_slice(values);
            fill(out, &TEMPLATES[kind], &all);
        };
        out.clear();
        match KINDS[kind].name {
            "Deployment" => {
                with(out, &[
                    ("replicas", &self.replicas().to_string()),
                    ("history", &spec.revision_history_limit.to_string()),
                    ("deadline", &seconds(spec.strategy.progress_deadline).to_string()),
                    ("grace", &(seconds(spec.drain.delay) + seconds(spec.drain.timeout) + 5).to_string()),
                    ("image", spec.image.get()),
                    ("port", &spec.port.unwrap_or(8080).to_string()),
                    ("env", spec.env.map_or("[]", RawValue::get)),
                    ("resources", spec.resources.map_or("{}", RawValue::get)),
                    ("drain", &seconds(spec.drain.delay).to_string()),
                    ("live", spec.health_check.live_path.get()),
                    ("ready", spec.health_check.ready_path.get()),
                    ("startup", &seconds(spec.health_check.startup_timeout).to_string()),
                    ("revision", &self.revision()),
                ]);
            }
            "Service" => {
                let Some(port) = spec.port else { return false };
                with(out, &[("port", &port.to_string())]);
            }
            "HorizontalPodAutoscaler" => {
                let Some(scaling) = &spec.autoscaling else { return false };
                let metric = |name: &str, target: Option<i64>| {
                    target.map(|target| {
                        format!(
                            r#"{{"type":"Resource","resource":{{"name":"{name}","target":{{"type":"Utilization","averageUtilization":{target}}}}}}}"#
                        )
                    })
                };
                let cpu = scaling.cpu.or(if scaling.memory.is_none() { Some(70) } else { None });
                let metrics: Vec<_> = metric("cpu", cpu).into_iter().chain(metric("memory", scaling.memory)).collect();
                with(out, &[
                    ("min", &scaling.min_replicas.to_string()),
                    ("max", &scaling.max_replicas.to_string()),
                    ("metrics", &metrics.join(",")),
                    ("cooldown", &seconds(scaling.scale_down_cooldown.unwrap_or("5m")).to_string()),
                ]);
            }
            "Ingress" => {
                if spec.hosts.is_empty() {
                    return false;
                }
                let rules = list(&spec.hosts, |host| {
                    format!(
                        r#"{{"host":{host},"http":{{"paths":[{{"path":"/","pathType":"Prefix","backend":{{"service":{{"name":"{}","port":{{"name":"http"}}}}}}}}]}}}}"#,
                        self.name
                    )
                });
                with(out, &[("rules", &rules)]);
            }
            "NetworkPolicy" => {
                let mut from = list(spec.access.as_ref().map_or(&[], |access| &access.from), |from| {
                    format!(
                        r#"{{"podSelector":{{"matchLabels":{{"app.kubernetes.io/name":"app","app.kubernetes.io/instance":"{}"}}}}}}"#,
                        from.app
                    )
                });
                if !spec.hosts.is_empty() {
                    let comma = if from.is_empty() { "" } else { "," };
                    let _ = write!(from, r#"{comma}{{"namespaceSelector":{{}}}}"#);
                }
                let mut ingress = String::new();
                if !from.is_empty() {
                    ingress = format!(r#""ingress":[{{"from":[{from}],"ports":[{{"protocol":"TCP","port":"http"}}]}}],"#);
                }
                with(out, &[("ingress", &ingress)]);
            }
            _ => with(out, &[]),
        }
        true
    }

    /// Of all that makes other pods.
    fn revision(&self) -> String {
        let spec = self.spec;
        let raw = |value: Option<&RawValue>| value.map_or(0, |value| crate::shape::hash(value.get()));
        let health = &spec.health_check;
        let parts = (spec.image.get(), spec.port, raw(spec.env), raw(spec.resources), raw(Some(health.live_path)));
        let more = (raw(Some(health.ready_path)), health.startup_timeout, spec.drain.delay, spec.drain.timeout);
        format!("{:010x}", crate::shape::hash((parts, more)) & 0xff_ffff_ffff)
    }

    /// CONDITIONS, IMAGE and COUNTS are JSON.
    pub fn status(&self, generation: i64, conditions: &str, image: &str, counts: &str) -> String {
        let mut out = String::new();
        let mut effective = Vec::new();
        let mut show = |from: &str, setting: &str, value: &str| {
            effective.push(format!(r#"{{"setting":"{setting}","value":{value},"from":"{from}"}}"#));
        };
        if let Some(scaling) = &self.spec.autoscaling {
            let quoted = |value: i64| format!("\"{value}\"");
            show("App", "autoscaling.minReplicas", &quoted(scaling.min_replicas));
            show("App", "autoscaling.maxReplicas", &quoted(scaling.max_replicas));
            show("App", "autoscaling.targetCPUUtilization", &quoted(scaling.cpu.unwrap_or(70)));
            show("BuiltIn", "autoscaling.scaleDownCooldown", "\"5m\"");
        }
        let resources: Option<Value> = self.spec.resources.and_then(|r| serde_json::from_str(r.get()).ok());
        for group in ["requests", "limits"] {
            for (key, value) in resources.iter().filter_map(|r| r[group].as_object()).flatten() {
                show("App", &format!("resources.{group}.{key}"), &value.to_string());
            }
        }
        fill(&mut out, &TEMPLATES[CHILDREN], &[
            ("ns", self.namespace),
            ("name", self.name),
            ("generation", &generation.to_string()),
            ("conditions", conditions),
            ("counts", counts),
            ("replicas", &self.replicas().to_string()),
            ("effective", &effective.join(",")),
            ("image", image),
            ("port", &self.spec.port.unwrap_or_default().to_string()),
            ("revision", &self.revision()),
        ]);
        out
    }
}

/// Of each kind one object that has all its fields.
pub fn examples() -> [Value; CHILDREN + 1] {
    let spec: Spec = serde_json::from_str(
        r#"{"image":"i","port":1,"env":[{"name":"A","value":"b"}],"resources":{"requests":{"*":""},"limits":{"*":""}},
            "autoscaling":{"targetCPUUtilization":1,"targetMemoryUtilization":1},"hosts":["h"],
            "healthCheck":{"livePath":"/","readyPath":"/","startupTimeout":"1s"},"access":{"from":[{"app":"a"}]},
            "drain":{"delay":"1s","timeout":"1s"},"strategy":{"progressDeadline":"1s"},"revisionHistoryLimit":1}"#,
    )
    .expect("an example");
    let render = Render { namespace: "n", name: "n", uid: "u", spec: &spec, replicas: 1 };
    std::array::from_fn(|kind| {
        let mut text = String::new();
        if kind == CHILDREN {
            let condition = r#"{"type":"t","status":"s","reason":"r","message":"m","observedGeneration":1}"#;
            text = render.status(1, condition, r#""i""#, r#""replicas":1,"readyReplicas":1,"updatedReplicas":1"#);
        } else {
            render.child(kind, &mut text);
        }
        serde_json::from_str(&text).expect("templates are JSON")
    })
}
