//! What the listeners of an Application load balancer promise: the rules decide who answers a path.

use std::collections::BTreeSet;

use super::{Backend, BehindIt, Door, Layer, Must, Path, Redirector, Tells, To, pattern, serving};
use crate::provision::spec::{
    Action, ApplicationListener, ApplicationLoadBalancer, Proxy, Redirect, Rule, XffMode,
};

pub(super) fn doors(
    balancer: &ApplicationLoadBalancer,
    proxy: Option<&Proxy>,
    paths: &[String],
) -> Vec<Door> {
    let view = View { balancer, proxy };
    balancer.listeners.iter().map(|listener| view.door(listener, paths)).collect()
}

/// The load balancer, and what may be behind it.
#[derive(Clone, Copy)]
struct View<'a> {
    balancer: &'a ApplicationLoadBalancer,
    proxy: Option<&'a Proxy>,
}

impl<'a> View<'a> {
    fn door(self, listener: &ApplicationListener, asked: &[String]) -> Door {
        let secure = listener.protocol.is_secure();
        let backend = self.backend(&listener.default_action);
        let redirects = match &listener.default_action {
            Action::Redirect(redirect) if !secure && keeps_host(redirect) => Some(Redirector::LoadBalancer),
            Action::Forward(_) if listener.rules.is_empty() => {
                let any_secure = self.balancer.listeners.iter().any(|found| found.protocol.is_secure());
                let proxy = self.behind(&listener.default_action);
                let sends = !secure && any_secure && proxy.is_some_and(|proxy| proxy.redirect_http);
                sends.then_some(Redirector::Proxy)
            }
            Action::Forward(_) | Action::Redirect(_) | Action::FixedResponse { .. } => None,
        };
        Door {
            port: listener.port,
            secure,
            layer: Layer::Requests,
            ssl_policy: listener.ssl_policy.clone(),
            idle_timeout: self.balancer.idle_timeout.get(),
            redirects,
            tells: match self.balancer.xff_header_processing_mode {
                XffMode::Append => Tells::Forwarded,
                XffMode::Preserve | XffMode::Remove => Tells::Nothing,
            },
            paths: self.paths(listener, redirects.is_some(), asked),
            backend,
        }
    }

    /// The proxy, if it is among those who serve what the action forwards.
    fn behind(self, action: &Action) -> Option<&'a Proxy> {
        serving(self.proxy, &self.ports(action))
    }

    fn ports(self, action: &Action) -> BTreeSet<u16> {
        let groups = groups(action).into_iter().filter_map(|name| {
            self.balancer
                .target_groups
                .iter()
                .find(|(found, _)| found.as_str() == name)
                .map(|(_, group)| group)
        });
        groups.flat_map(|group| group.targets.ports_or(group.port)).collect()
    }

    fn backend(self, action: &Action) -> Backend {
        Backend { to: To::Groups(groups(action)), proxy: BehindIt::of(self.behind(action)) }
    }

    /// The paths to try: the user's, or one for each pattern of a rule and the routes of the proxy.
    fn paths(self, listener: &ApplicationListener, redirected: bool, asked: &[String]) -> Vec<Path> {
        if redirected && (!asked.is_empty() || listener.rules.is_empty()) {
            return Vec::new();
        }
        if !asked.is_empty() {
            return asked.iter().map(|text| self.path(listener, text, None, Some(Must::Open))).collect();
        }
        let mut wanted: Vec<(String, Option<String>)> = Vec::new();
        for rule in &listener.rules {
            let host = rule.host.first().map(|host| pattern::host(host));
            let paths = rule.path.iter().map(|path| pattern::path(path));
            let root = rule.path.is_empty().then(|| "/".to_owned());
            wanted.extend(paths.chain(root).map(|path| (path, host.clone())));
        }
        if !redirected {
            match listener.actions().find_map(|action| self.behind(action)) {
                Some(proxy) => wanted.extend(proxy.routes.iter().map(|route| (route.path.clone(), None))),
                None => wanted.push(("/".to_owned(), None)),
            }
        }
        let mut paths: Vec<Path> = Vec::new();
        for (text, host) in wanted {
            let path = self.path(listener, &text, host, None);
            if !paths.iter().any(|found| (&found.text, &found.host) == (&path.text, &path.host)) {
                paths.push(path);
            }
        }
        paths
    }

    fn path(
        self,
        listener: &ApplicationListener,
        text: &str,
        host: Option<String>,
        must: Option<Must>,
    ) -> Path {
        let bare = text.split('?').next().unwrap_or_default();
        let rule = listener.rules.iter().find(|rule| takes(rule, bare, host.as_deref()));
        let action = rule.map_or(&listener.default_action, |rule| &rule.action);
        let by_action = match action {
            Action::Forward(_) => Must::BeAnswered,
            Action::Redirect(redirect) => Must::Say(redirect.status),
            Action::FixedResponse { status, .. } => Must::Say(*status),
        };
        Path { text: text.to_owned(), host, must: must.unwrap_or(by_action), backend: self.backend(action) }
    }
}

/// The target groups that an action forwards to.
fn groups(action: &Action) -> BTreeSet<String> {
    match action {
        Action::Forward(forward) => {
            let served = forward.groups.iter().filter(|(_, weight)| **weight > 0);
            served.map(|(name, _)| name.to_string()).collect()
        }
        Action::Redirect(_) | Action::FixedResponse { .. } => BTreeSet::new(),
    }
}

/// Whether a redirect leads to https of the same host.
fn keeps_host(redirect: &Redirect) -> bool {
    redirect.protocol == "HTTPS" && redirect.host == "#{host}"
}

/// Whether a rule takes a request; without a host one for a name that no rule is for.
fn takes(rule: &Rule, path: &str, host: Option<&str>) -> bool {
    let of_path = rule.path.is_empty() || rule.path.iter().any(|found| pattern::fits(found, path));
    let of_host = rule.host.is_empty()
        || host.is_some_and(|host| rule.host.iter().any(|found| pattern::fits(found, host)));
    of_path && of_host
}

#[cfg(test)]
mod tests {
    use super::super::promised;
    use super::*;

    fn seen(door: &Door) -> Vec<(&str, Must, &To)> {
        door.paths.iter().map(|path| (path.text.as_str(), path.must, &path.backend.to)).collect()
    }

    fn to(groups: &[&str]) -> To {
        To::Groups(groups.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_proxys_routes_are_tried_and_plain_http_is_redirected_by_the_load_balancer() {
        let doors = promised("application.yaml", &[]);
        let [https, http] = &doors[..] else { panic!("two doors: {doors:?}") };
        let default = to(&["default"]);
        assert_eq!(seen(https), [("/ws/", Must::BeAnswered, &default), ("/", Must::BeAnswered, &default)]);
        assert_eq!((https.tells, https.backend.proxy), (Tells::Forwarded, BehindIt::PlainProxy));
        assert_eq!((http.redirects, http.paths.len()), (Some(Redirector::LoadBalancer), 0));
        assert_eq!(http.backend.to, to(&[]));
    }

    #[test]
    fn rules_say_which_group_answers_a_path() {
        let doors = promised("chat-direct.yaml", &[]);
        let (web, ws) = (to(&["web"]), to(&["ws"]));
        assert_eq!(
            seen(&doors[0]),
            [("/ws", Must::BeAnswered, &ws), ("/ws/", Must::BeAnswered, &ws), ("/", Must::BeAnswered, &web)]
        );
        let doors = promised("chat-direct.yaml", &["/ws/?room=a", "/wss"]);
        assert_eq!(seen(&doors[0]), [("/ws/?room=a", Must::Open, &ws), ("/wss", Must::Open, &web)]);
    }
}
