// SPDX-License-Identifier: Apache-2.0
//! What an App becomes: text templates, since building trees of values for each look
//! at each App would cost more than all else that is done for it.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::object::{CHILDREN, KINDS};

static TEMPLATES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let texts = include_str!("templates.txt").split("\n\n").skip(1);
    texts.map(|text| text.lines().map(str::trim).collect()).collect()
});

/// An App, and the replicas that its Deployment has now, or 0.
pub struct Render<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    pub spec: &'a Value,
    replicas: i64,
    meta: OnceCell<String>, // these two, rendered
    revision: OnceCell<String>,
}

/// "1m30s" in seconds.
fn seconds(duration: &str) -> i64 {
    let parts = duration.split_inclusive(|c: char| c.is_ascii_alphabetic());
    let part = |part: &str| {
        let unit = if part.ends_with('h') {
            3600
        } else if part.ends_with('m') {
            60
        } else {
            1
        };
        part[..part.len() - 1].parse::<i64>().unwrap_or_default() * unit
    };
    parts.map(part).sum()
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(",")
}

impl<'a> Render<'a> {
    pub fn new(namespace: &'a str, name: &'a str, uid: &'a str, spec: &'a Value, replicas: i64) -> Self {
        Render { namespace, name, uid, spec, replicas, meta: OnceCell::new(), revision: OnceCell::new() }
    }

    fn at(&self, path: &str) -> &Value {
        path.split('.').fold(self.spec, |value, key| &value[key])
    }

    pub fn replicas(&self) -> i64 {
        match self.spec.get("autoscaling") {
            Some(_) if self.replicas > 0 => self.replicas,
            Some(scaling) => scaling["minReplicas"].as_i64().unwrap_or(1),
            None => self.spec["replicas"].as_i64().unwrap_or(1),
        }
    }

    /// What stands for a $name in a template: something computed, or a field of the spec as JSON.
    fn value(&self, name: &str) -> Cow<'_, str> {
        let seconds_at = |path| seconds(self.at(path).as_str().unwrap_or_default());
        match name {
            "meta" => self.meta.get_or_init(|| self.shared(1)).into(),
            "labels" => self.shared(2).into(),
            "selector" => self.shared(3).into(),
            "host" => format!("{}.{}.svc", self.name, self.namespace).into(),
            "ns" => self.namespace.into(),
            "name" => self.name.into(),
            "uid" => self.uid.into(),
            "replicas" => self.replicas().to_string().into(),
            "grace" => (seconds_at("drain.delay") + seconds_at("drain.timeout") + 5).to_string().into(),
            "revision" => self.revision.get_or_init(|| self.revision()).into(),
            "metrics" => self.metrics().into(),
            "rules" => self.rules().into(),
            "ingress" => self.ingress().into(),
            "effective" => self.effective().into(),
            "cooldown" => seconds(self.at("autoscaling.scaleDownCooldown").as_str().unwrap_or("5m")).to_string().into(),
            _ => match (name.strip_prefix("seconds."), self.at(name)) {
                (Some(path), _) => seconds_at(path).to_string().into(),
                (None, Value::Null) => match name {
                    "env" => "[]".into(),
                    "resources" => "{}".into(),
                    "autoscaling.maxReplicas" => "10".into(),
                    _ => "1".into(), // autoscaling.minReplicas
                },
                (None, value) => value.to_string().into(),
            },
        }
    }

    /// The template with its $names replaced, first of all by EXTRA.
    fn fill(&self, out: &mut String, template: usize, extra: &[(&str, &str)]) {
        let mut parts = TEMPLATES[template].split('$');
        out.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let end = part.find(|c: char| !c.is_ascii_alphabetic() && c != '.').unwrap_or(part.len());
            let name = part[..end].trim_end_matches('.');
            match extra.iter().find(|pair| pair.0 == name) {
                Some((_, value)) => out.push_str(value),
                None => out.push_str(&self.value(name)),
            }
            out.push_str(&part[name.len()..]);
        }
    }

    fn shared(&self, which: usize) -> String {
        let mut out = String::new();
        self.fill(&mut out, CHILDREN + which, &[]);
        out
    }

    /// False for a child that such an App does not have.
    pub fn child(&self, kind: usize, out: &mut String) -> bool {
        let needs = match KINDS[kind].2 {
            "Service" => "port",
            "HorizontalPodAutoscaler" => "autoscaling",
            "Ingress" => "hosts",
            _ => "image",
        };
        out.clear();
        self.fill(out, kind, &[]);
        self.spec.get(needs).is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    }

    /// CONDITIONS, COUNTS and IMAGE are JSON.
    pub fn status(&self, generation: i64, conditions: &str, counts: &str, image: &str) -> String {
        let (mut out, generation) = (String::new(), generation.to_string());
        let extra = [("generation", &*generation), ("conditions", conditions), ("counts", counts), ("image", image)];
        self.fill(&mut out, CHILDREN, &extra);
        out
    }

    /// Of all that makes other pods (FNV-1a: it is to stay the same for ever).
    fn revision(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for field in ["image", "port", "env", "resources", "healthCheck", "drain"] {
            for byte in self.spec[field].to_string().bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        format!("{:010x}", hash >> 24)
    }

    fn list(&self, path: &str) -> impl Iterator<Item = &Value> {
        self.at(path).as_array().into_iter().flatten()
    }

    fn metrics(&self) -> String {
        let (cpu, memory) =
            (self.at("autoscaling.targetCPUUtilization"), self.at("autoscaling.targetMemoryUtilization"));
        let cpu = if cpu.is_null() && memory.is_null() { &json!(70) } else { cpu };
        join([("cpu", cpu), ("memory", memory)].iter().filter(|metric| !metric.1.is_null()).map(|(name, percent)| {
            format!(
                r#"{{"type":"Resource","resource":{{"name":"{name}","target":{{"type":"Utilization","averageUtilization":{percent}}}}}}}"#
            )
        }))
    }

    fn rules(&self) -> String {
        let name = self.name;
        join(self.list("hosts").map(|host| {
            format!(
                r#"{{"host":{host},"http":{{"paths":[{{"path":"/","pathType":"Prefix","backend":{{"service":{{"name":"{name}","port":{{"name":"http"}}}}}}}}]}}}}"#
            )
        }))
    }

    fn ingress(&self) -> String {
        let outside = self.list("hosts").take(1).map(|_| r#"{"namespaceSelector":{}}"#.to_owned());
        let from = join(self.list("access.from").map(|from| {
            let app = &from["app"];
            format!(
                r#"{{"podSelector":{{"matchLabels":{{"app.kubernetes.io/name":"app","app.kubernetes.io/instance":{app}}}}}}}"#
            )
        }).chain(outside));
        if from.is_empty() {
            return from;
        }
        format!(r#""ingress":[{{"from":[{from}],"ports":[{{"protocol":"TCP","port":"http"}}]}}],"#)
    }

    fn effective(&self) -> String {
        let show = |from: &str, setting: &str, value: &str| {
            format!(r#"{{"setting":"{setting}","value":"{value}","from":"{from}"}}"#)
        };
        let of = |group: &'static str, fields: &Value| -> Vec<String> {
            let fields = fields.as_object().into_iter().flatten();
            fields
                .map(|(key, value)| show("App", &format!("{group}.{key}"), value.to_string().trim_matches('"')))
                .collect()
        };
        let mut all = of("autoscaling", self.at("autoscaling"));
        all.push(show("BuiltIn", "autoscaling.scaleDownCooldown", "5m"));
        all.extend(of("resources.requests", self.at("resources.requests")));
        all.extend(of("resources.limits", self.at("resources.limits")));
        all.join(",")
    }
}

/// Of each kind, and of the App's status, one that has all fields.
pub fn examples() -> [Value; CHILDREN + 1] {
    let spec = json!({
        "image": "i", "port": 1, "env": [{"name": "A", "value": "b"}], "hosts": ["h"], "access": {"from": [{"app": "a"}]},
        "resources": {"requests": {"*": ""}, "limits": {"*": ""}}, "autoscaling": {"maxReplicas": 1},
    });
    let render = Render::new("n", "n", "u", &spec, 1);
    std::array::from_fn(|kind| {
        let mut text = String::new();
        if kind == CHILDREN {
            let condition = r#"{"type":"t","status":"s","reason":"r","message":"m","observedGeneration":1}"#;
            text = render.status(1, condition, r#""replicas":1,"readyReplicas":1,"updatedReplicas":1"#, "1");
        } else {
            render.child(kind, &mut text);
        }
        serde_json::from_str(&text).expect("templates are JSON")
    })
}
