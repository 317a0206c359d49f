//! Stickiness by cookie: to a group of a weighted forward, and to a target of a group. Pure.
//!
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html#sticky-sessions>.
//! Every cookie comes twice: the second, with `CORS` in its name, is `SameSite=None`, and of a page on another site
//! it is the only one that a browser sends.

use std::fmt::Write as _;

use hyper::HeaderMap;
use hyper::header::{HeaderValue, SET_COOKIE};
use sha2::{Digest as _, Sha256};
use time::macros::format_description;
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::local::data_plane::backend::Target;
use crate::local::data_plane::http::header::cookie;
use crate::local::state::elbv2::{TargetGroup, WeightedGroup};

/// Leads to a target, alone.
const BY_DURATION: &str = "AWSALB";
/// Leads to a target, together with a cookie of the application.
const BY_APPLICATION: &str = "AWSALBAPP-0";
/// Leads to a group.
const GROUP: &str = "AWSALBTG";

/// Which requests go to the target that an earlier one went to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stickiness {
    /// Those with a cookie of the load balancer's own, for so many seconds.
    Duration(i64),
    /// Those with a cookie of the application's, for so many seconds.
    Application(String, i64),
}

impl Stickiness {
    /// That of a group, if it has any.
    pub(super) fn of(group: &TargetGroup) -> Option<Self> {
        let attributes = &group.attributes;
        let seconds = |kind: &str| {
            let number = attributes.number(&format!("stickiness.{kind}.duration_seconds"));
            number.and_then(|number| i64::try_from(number).ok()).unwrap_or(86_400)
        };
        if !attributes.flag("stickiness.enabled") {
            return None;
        }
        match attributes.get("stickiness.type") {
            "app_cookie" => {
                let name = attributes.get("stickiness.app_cookie.cookie_name").to_owned();
                Some(Self::Application(name, seconds("app_cookie")))
            }
            _ => Some(Self::Duration(seconds("lb_cookie"))),
        }
    }

    /// The target that a request sticks to, while it gets traffic.
    pub(super) fn target<'a>(
        &self,
        request: &HeaderMap,
        targets: impl Iterator<Item = &'a Target>,
    ) -> Option<&'a Target> {
        let wanted = match self {
            Self::Duration(_) => either(request, BY_DURATION)?,
            Self::Application(name, _) => {
                cookie(request, name)?;
                cookie(request, BY_APPLICATION)?
            }
        };
        let mut targets = targets;
        targets.find(|target| value_of(target) == wanted)
    }

    /// Tells the client by cookies where its next requests go.
    pub(super) fn remember(
        &self,
        target: &Target,
        secure: bool,
        now: OffsetDateTime,
        response: &mut HeaderMap,
    ) {
        match self {
            Self::Duration(seconds) => {
                set(response, BY_DURATION, &value_of(target), *seconds, secure, now);
            }
            Self::Application(name, seconds) => {
                if sets(response, name) {
                    set(response, BY_APPLICATION, &value_of(target), *seconds, secure, now);
                }
            }
        }
    }
}

/// The value of one of the two cookies of a name.
fn either<'a>(request: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookie(request, name).or_else(|| cookie(request, &format!("{name}CORS")))
}

/// The group that a request sticks to.
pub(super) fn group<'a>(request: &HeaderMap, groups: &'a [WeightedGroup]) -> Option<&'a str> {
    let wanted = either(request, GROUP)?;
    groups.iter().map(|group| group.arn.as_str()).find(|arn| digest(arn) == wanted)
}

/// Tells the client by cookies which group its next requests go to.
pub(super) fn remember_group(
    arn: &str,
    seconds: u32,
    secure: bool,
    now: OffsetDateTime,
    response: &mut HeaderMap,
) {
    set(response, GROUP, &digest(arn), i64::from(seconds), secure, now);
}

fn value_of(target: &Target) -> String {
    digest(&format!("{}/{}/{}", target.group, target.id, target.port))
}

/// Says nothing of the target to who does not know it already.
fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn set(response: &mut HeaderMap, name: &str, value: &str, seconds: i64, secure: bool, now: OffsetDateTime) {
    let end = now.to_offset(UtcOffset::UTC).saturating_add(Duration::seconds(seconds));
    let format = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let Ok(expires) = end.format(format) else { return };
    let mut append = |cookie: String| {
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.append(SET_COOKIE, cookie);
        }
    };
    append(format!("{name}={value}; Expires={expires}; Path=/"));
    // Whether the application's cookie goes across sites is for the application to say.
    if name != BY_APPLICATION {
        let secure = if secure { "; Secure" } else { "" };
        append(format!("{name}CORS={value}; Expires={expires}; Path=/; SameSite=None{secure}"));
    }
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
    use time::macros::datetime;

    use super::*;

    fn targets() -> Vec<Target> {
        let target = |id: &str| Target {
            group: "arn:group".to_owned(),
            id: id.to_owned(),
            port: 80,
            address: "127.64.0.4:80".parse().unwrap(),
        };
        vec![target("i-1"), target("i-2")]
    }

    fn set_cookies(response: &HeaderMap) -> Vec<&str> {
        response.get_all(SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn request(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    const NOW: OffsetDateTime = datetime!(2026-02-03 23:58:01.5 UTC);

    #[test]
    fn its_own_cookie_leads_back_to_the_target() {
        let (targets, stickiness) = (targets(), Stickiness::Duration(60));
        let mut response = HeaderMap::new();
        stickiness.remember(&targets[1], true, NOW, &mut response);
        let set = set_cookies(&response);
        let (pair, attributes) = set[0].split_once("; ").unwrap();
        assert_eq!(attributes, "Expires=Tue, 03 Feb 2026 23:59:01 GMT; Path=/");
        let other = format!("{}; {attributes}; SameSite=None; Secure", pair.replace("AWSALB", "AWSALBCORS"));
        assert_eq!(set[1..], [other]);
        let found =
            |cookies: &str, targets: &[Target]| stickiness.target(&request(cookies), targets.iter()).cloned();
        assert_eq!(found(&format!("a=b; {pair}"), &targets), Some(targets[1].clone()));
        let other_site = set[1].split(';').next().unwrap();
        assert_eq!(found(other_site, &targets), Some(targets[1].clone()), "a page on another site");
        assert_eq!(found(pair, &targets[..1]), None, "it gets no traffic");
        assert_eq!(found("AWSALB=x", &targets), None);
    }

    #[test]
    fn the_applications_cookie_must_be_there_too() {
        let (targets, stickiness) = (targets(), Stickiness::Application("SESSION".to_owned(), 60));
        let mut response = HeaderMap::new();
        stickiness.remember(&targets[1], false, NOW, &mut response);
        assert!(response.is_empty());
        response.insert(SET_COOKIE, HeaderValue::from_static("SESSION=1; Path=/"));
        stickiness.remember(&targets[1], false, NOW, &mut response);
        let set = set_cookies(&response);
        assert!(set.len() == 2 && set[1].starts_with("AWSALBAPP-0="), "{set:?}");
        let pair = set[1].split(';').next().unwrap();
        let found = |cookies: &str| stickiness.target(&request(cookies), targets.iter()).cloned();
        assert_eq!(found(&format!("{pair}; SESSION=1")), Some(targets[1].clone()));
        assert_eq!(found(pair), None);
    }

    #[test]
    fn a_group_is_remembered_likewise() {
        let groups = ["arn:a", "arn:b"].map(|arn| WeightedGroup { arn: arn.to_owned(), weight: 1 });
        let mut response = HeaderMap::new();
        remember_group("arn:b", 60, false, NOW, &mut response);
        let set = set_cookies(&response);
        assert!(set[1].starts_with("AWSALBTGCORS=") && set[1].ends_with("; SameSite=None"), "{set:?}");
        for cookie in set {
            assert_eq!(
                group(&request(cookie.split(';').next().unwrap()), &groups),
                Some("arn:b"),
                "{cookie}"
            );
        }
        assert_eq!(group(&request("AWSALBTG=x"), &groups), None);
    }
}
