//! Stickiness by cookie: the load balancer's own `AWSELB`, alone or following a cookie of the application. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-sticky-sessions.html>

use std::fmt::Write as _;

use hyper::HeaderMap;
use hyper::header::{HeaderValue, SET_COOKIE};
use sha2::{Digest as _, Sha256};

use super::route::Stickiness;
use crate::local::data_plane::backend::Target;
use crate::local::data_plane::front::Front;
use crate::local::data_plane::http::header::cookie;

const NAME: &str = "AWSELB";

/// The instance that a request sticks to, while it is in service.
pub(super) fn target<'a>(
    stickiness: &Stickiness,
    front: &Front,
    request: &HeaderMap,
    targets: &'a [Target],
) -> Option<&'a Target> {
    if let Stickiness::Application(name) = stickiness {
        cookie(request, name)?;
    }
    let wanted = cookie(request, NAME)?;
    targets.iter().find(|target| value(front, target) == wanted)
}

/// Tells the client by a cookie where its next requests go; `stuck` if it knows already.
pub(super) fn remember(
    stickiness: &Stickiness,
    front: &Front,
    target: &Target,
    stuck: bool,
    response: &mut HeaderMap,
) {
    let value = value(front, target);
    let cookie = match stickiness {
        Stickiness::Duration(_) if stuck => return,
        Stickiness::Duration(None) => format!("{NAME}={value};PATH=/"),
        Stickiness::Duration(Some(seconds)) => format!("{NAME}={value};PATH=/;MAX-AGE={seconds}"),
        Stickiness::Application(name) => {
            if !sets(response, name) {
                return;
            }
            format!("{NAME}={value};PATH=/")
        }
    };
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.append(SET_COOKIE, cookie);
    }
}

/// Says nothing of the instance to who does not know it already.
fn value(front: &Front, target: &Target) -> String {
    let digest = Sha256::digest(format!("{}/{}", front.dns_name, target.id));
    digest.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}

fn sets(response: &HeaderMap, name: &str) -> bool {
    response.get_all(SET_COOKIE).iter().any(|value| {
        value.to_str().is_ok_and(|value| {
            value.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
        })
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::COOKIE;

    use super::*;
    use crate::local::data_plane::front::Family;

    fn front() -> Front {
        Front {
            region: "us-east-1".to_owned(),
            name: "chat".to_owned(),
            dns_name: "chat-1.us-east-1.elb.localhost".to_owned(),
            port: 80,
            family: Family::Classic { is_http: true, is_secure: false, instance_port: 80 },
        }
    }

    fn targets() -> Vec<Target> {
        let target = |id: &str| Target {
            group: String::new(),
            id: id.to_owned(),
            port: 80,
            address: "127.64.0.4:80".parse().unwrap(),
        };
        vec![target("i-1"), target("i-2")]
    }

    fn cookies(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(value).unwrap())])
    }

    /// The cookie that a response sets, without its attributes.
    fn remembered(stickiness: &Stickiness, response: &mut HeaderMap) -> Option<String> {
        let targets = targets();
        remember(stickiness, &front(), &targets[1], false, response);
        let set = response.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        set.map(str::to_owned).find(|value| value.starts_with(NAME))
    }

    #[test]
    fn its_own_cookie_leads_back_to_the_instance() {
        let (targets, stickiness) = (targets(), Stickiness::Duration(Some(60)));
        let set = remembered(&stickiness, &mut HeaderMap::new()).unwrap();
        let (pair, attributes) = set.split_once(';').unwrap();
        assert_eq!(attributes, "PATH=/;MAX-AGE=60");
        let request = cookies(&format!("a=b; {pair}"));
        let found = |targets| target(&stickiness, &front(), &request, targets);
        assert_eq!(found(&targets), Some(&targets[1]));
        assert_eq!(found(&targets[..1]), None, "out of service");
        assert_eq!(target(&stickiness, &front(), &cookies("AWSELB=x"), &targets), None);
    }

    #[test]
    fn the_applications_cookie_must_be_there_too() {
        let (targets, stickiness) = (targets(), Stickiness::Application("SESSION".to_owned()));
        assert_eq!(remembered(&stickiness, &mut HeaderMap::new()), None);
        let mut response =
            HeaderMap::from_iter([(SET_COOKIE, HeaderValue::from_static("SESSION=1; Path=/"))]);
        let set = remembered(&stickiness, &mut response).unwrap();
        let pair = set.split(';').next().unwrap();
        let found = |request: &str| target(&stickiness, &front(), &cookies(request), &targets);
        assert_eq!(found(&format!("{pair}; SESSION=1")), Some(&targets[1]));
        assert_eq!(found(pair), None);
    }
}
