//! Until when connections may begin without the PROXY header that is asked for: only while a load balancer is switched.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;

use super::{Accept, ConfigError};

/// The furthest end: longer than any switch of a load balancer takes.
const LONGEST: Duration = Duration::from_hours(1);

/// A visitor could write the header that the load balancer does not send, so this must not stay open by mistake.
pub(super) fn check(
    until: SystemTime,
    now: SystemTime,
    accept: Accept,
    trusted: &[IpNet],
) -> Result<(), ConfigError> {
    let refused = |message| Err(ConfigError::field("header_optional_until", message));
    if accept == Accept::Off {
        return refused("needs `accept` to be v1, v2 or any: with `off` there is no header to wait for");
    }
    if trusted.is_empty() {
        return refused("needs `trusted`: only a load balancer may leave the header out");
    }
    if until > now + LONGEST {
        return refused("must be at most one hour from now");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    const SMALLEST: &str = "listen: 80\nroutes: [{ path: /, upstream: \"127.0.0.1:8000\" }]\n";

    #[test]
    fn a_header_may_be_optional_for_an_hour_at_most() {
        // 2026-11-22T22:00:00Z
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(498_718);
        let given = |fields: &str| file::parse(&format!("{SMALLEST}{fields}\n"), now);
        let trusted = "trusted: [10.0.0.0/8]\nheader_optional_until";
        for (time, seconds) in [
            ("2026-11-22T23:00:00Z", 3600),
            ("2026-11-22T23:30:00.5+01:00", 1800),
            ("2026-11-22t22:00:01z", 1),
        ] {
            for quote in ["", "\"", "'"] {
                let until = given(&format!("{trusted}: {quote}{time}{quote}")).unwrap().header_optional_until;
                assert_eq!(until.unwrap().duration_since(now).unwrap().as_secs(), seconds, "{time}");
            }
        }
        let past = given(&format!("{trusted}: 2026-11-22T21:59:59Z")).unwrap();
        assert!(past.header_optional_until.unwrap() < now);
        for (fields, expected) in [
            (&*format!("{trusted}: 2026-11-22T23:00:01Z"), "must be at most one hour from now"),
            (
                &*format!("accept: off\n{trusted}: 2026-11-22T22:30:00Z"),
                "needs `accept` to be v1, v2 or any: with \
             `off` there is no header to wait for",
            ),
            (
                "header_optional_until: 2026-11-22T22:30:00Z",
                "needs `trusted`: only a load balancer may leave the header out",
            ),
            (
                &*format!("{trusted}: 22:30"),
                "invalid value: string \"22:30\", expected a time such as 2026-01-31T18:30:00Z",
            ),
            (
                &*format!("{trusted}: 30m"),
                "invalid value: string \"30m\", expected a time such as 2026-01-31T18:30:00Z",
            ),
        ] {
            assert_eq!(
                given(fields).unwrap_err().to_string(),
                format!("header_optional_until: {expected}"),
                "{fields}"
            );
        }
    }
}
