//! What a listener or a rule does with a request.

use std::collections::BTreeMap;

use serde::Serialize;

use super::ApplicationTargetGroup;
use crate::provision::spec::Seconds;
use crate::provision::spec::item::{Invalid, Item, Read, Value};
use crate::provision::spec::load_balancer::target_group::Groups;
use crate::provision::spec::load_balancer::{Protocol, TargetGroupName};
use crate::provision::spec::problem::{Problems, Refusal};

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It goes to a target.
    Forward(Forward),
    /// The visitor is sent elsewhere.
    Redirect(Redirect),
    /// The load balancer answers by itself.
    FixedResponse {
        /// The status, 2xx, 4xx or 5xx.
        status: u16,
        /// The media type; `Some` exactly where there is a body.
        content_type: Option<String>,
        /// The body, at most 1024 bytes.
        body: Option<String>,
    },
}

/// Which target groups get a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forward {
    /// Weights of 0–999 by group, one to five; a single group has the weight 1.
    pub groups: BTreeMap<TargetGroupName, u16>,
    /// How long a visitor stays with its group: 1 s–7 d; only where there are several.
    pub stickiness: Option<Seconds>,
}

impl Forward {
    /// Forwards everything to one group.
    pub(super) fn to(group: TargetGroupName) -> Self {
        Self { groups: BTreeMap::from([(group, 1)]), stickiness: None }
    }
}

/// Where a visitor is sent, in AWS's words: what stays as it was is `#{host}` and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    pub protocol: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: String,
    /// The path with its slash.
    pub path: String,
    /// The query without its question mark.
    pub query: String,
    /// 301 or 302.
    pub status: u16,
}

/// What actions of a listener go by.
pub(super) struct Scene<'a> {
    /// The listener's port and protocol.
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// The port of the first https listener, where redirects to https lead.
    pub(super) https_port: Option<u16>,
    pub(super) groups: &'a Groups<'a, ApplicationTargetGroup>,
}

impl Scene<'_> {
    /// Decodes the action whose fields are in `item`.
    pub(super) fn action(&self, item: &Item, problems: &mut Problems) -> Read<Action> {
        let stickiness = item.get("stickiness");
        if let Some(sticky) = stickiness.filter(|_| item.get("forward").is_none()) {
            let refusal = Refusal::new("only a forward can be sticky").hint("remove the field");
            sticky.report(problems, refusal);
        }
        if let Some(forward) = item.get("forward") {
            return self.forward(forward, stickiness, problems).map(Action::Forward);
        }
        if let Some(redirect) = item.get("redirect") {
            return self.redirect(redirect, problems).map(Action::Redirect);
        }
        fixed_response(item.get("fixed_response").ok_or(Invalid)?, problems)
    }

    fn forward(&self, item: &Item, stickiness: Option<&Item>, problems: &mut Problems) -> Read<Forward> {
        let groups = if let Value::Text(name) = &item.value {
            self.groups.check_name(name, item, problems);
            BTreeMap::from([(TargetGroupName::new(name), 1)])
        } else {
            self.weights(item, problems)?
        };
        if let Some(sticky) = stickiness.filter(|_| groups.len() < 2) {
            let refusal = Refusal::new("there is one target group, which every visitor stays with")
                .hint("remove it; to stay with one target, set stickiness of the target group");
            sticky.report(problems, refusal);
        }
        Ok(Forward { groups, stickiness: stickiness.map(Item::as_seconds).transpose()? })
    }

    fn weights(&self, item: &Item, problems: &mut Problems) -> Read<BTreeMap<TargetGroupName, u16>> {
        let mut groups = BTreeMap::new();
        for (name, weight) in item.as_map()? {
            self.groups.check_name(name, weight, problems);
            groups.insert(TargetGroupName::new(name), weight.as_number()?);
        }
        if groups.values().all(|weight| *weight == 0) {
            let refusal = Refusal::new("all weights are 0, so that no target group gets a request");
            item.report(problems, refusal.hint("give one of them a weight of 1 or more"));
        }
        // With one group its weight means nothing, and AWS reads it back as 1.
        if let (1, Some(weight)) = (groups.len(), groups.values_mut().next()) {
            *weight = 1;
        }
        Ok(groups)
    }

    fn redirect(&self, item: &Item, problems: &mut Problems) -> Read<Redirect> {
        let shorthand = matches!(item.value, Value::Text(_));
        let protocol = if shorthand { Some(Protocol::Https) } else { Protocol::read(item, "protocol")? };
        if shorthand && self.https_port.is_none() {
            let refusal = Refusal::new("the load balancer has no https listener to redirect to")
                .hint("give it a certificate and an https listener, or name the URL with a mapping");
            item.report(problems, refusal);
        }
        let text = |name: &str, otherwise: &str| -> Read<String> {
            Ok(item.text(name)?.unwrap_or(otherwise).to_owned())
        };
        let port = match item.get("port").map(|item| (item, &item.value)) {
            Some((_, Value::Text(kept))) => kept.clone(),
            Some((item, _)) => item.as_number::<u16>()?.to_string(),
            // A redirect to https that kept port 80 would lead nowhere.
            None if protocol == Some(Protocol::Https) => self.https_port.unwrap_or(443).to_string(),
            None => "#{port}".to_owned(),
        };
        let redirect = Redirect {
            protocol: protocol.map_or("#{protocol}".to_owned(), |to| to.to_string().to_ascii_uppercase()),
            host: text("host", "#{host}")?,
            port,
            path: text("path", "/#{path}")?,
            query: text("query", "#{query}")?,
            status: item.number("status")?.unwrap_or(301),
        };
        if self.leads_back(&redirect) {
            let refusal = Refusal::new("this redirect leads to the same URL, and visitors would go round")
                .hint("change the protocol, the host, the port, the path or the query");
            item.report(problems, refusal);
        }
        Ok(redirect)
    }

    fn leads_back(&self, to: &Redirect) -> bool {
        (to.protocol == "#{protocol}" || to.protocol.eq_ignore_ascii_case(&self.protocol.to_string()))
            && (to.port == "#{port}" || to.port == self.port.to_string())
            && to.host == "#{host}"
            && to.path == "/#{path}"
            && to.query == "#{query}"
    }
}

fn fixed_response(item: &Item, problems: &mut Problems) -> Read<Action> {
    let status: u16 = item.number("status")?.ok_or(Invalid)?;
    if matches!(status, 300..400) {
        let refusal = Refusal::new(format!("a fixed response cannot have the status {status}"))
            .hint("2xx, 4xx or 5xx; to send visitors elsewhere, write redirect");
        item.at("status").report(problems, refusal);
    }
    let body = item.text("body")?.map(str::to_owned);
    let content_type = match item.text("content_type")? {
        Some(_) if body.is_none() => {
            let refusal = Refusal::new("there is no body that could have a type");
            item.at("content_type").report(problems, refusal.hint("give a body, or remove the field"));
            None
        }
        given => body.is_some().then(|| given.unwrap_or("text/plain").to_owned()),
    };
    Ok(Action::FixedResponse { status, content_type, body })
}
