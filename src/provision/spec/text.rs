//! The grammars of single values that AWS or DNS names: stacks, tags, ids, ARNs, domains, buckets.
//!
//! Each is a [`Text`] rule that the tables refer to. The patterns are for the JSON Schema, whose users have an
//! editor to please; `check` is what decides.

use super::problem::Refusal;
use super::shape::Text;

pub(super) type Checked = Result<(), Refusal>;

pub(super) static STACK: Text =
    Text { what: "a stack name", pattern: "^[a-z0-9]([a-z0-9-]{0,22}[a-z0-9])?$", check: stack };
pub(super) static REGION: Text =
    Text { what: "an AWS region", pattern: "^[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}$", check: region };
pub(super) static TAG_KEY: Text = Text { what: "a tag key", pattern: "^[\\s\\S]{1,128}$", check: tag_key };
pub(super) static TAG_FILTER_KEY: Text =
    Text { what: "a tag key", pattern: "^[\\s\\S]{1,128}$", check: tag_filter_key };
pub(super) static TAG_VALUE: Text =
    Text { what: "a tag value (text)", pattern: "^[\\s\\S]{0,256}$", check: tag_value };
pub(super) static TAG_FILTER_VALUE: Text =
    Text { what: "a tag value (text)", pattern: "^[\\s\\S]{0,256}$", check: tag_filter_value };
pub(super) static VPC: Text =
    Text { what: "default or a VPC id", pattern: "^(default|vpc-([0-9a-f]{8}|[0-9a-f]{17}))$", check: vpc };
pub(super) static SUBNET: Text = Text {
    what: "a subnet id",
    pattern: "^subnet-([0-9a-f]{8}|[0-9a-f]{17})$",
    check: |text| id(text, "subnet"),
};
pub(super) static INSTANCE: Text =
    Text { what: "an instance id", pattern: "^i-([0-9a-f]{8}|[0-9a-f]{17})$", check: |text| id(text, "i") };
pub(super) static AUTO_SCALING_GROUP: Text = Text {
    what: "the name of an Auto Scaling group",
    pattern: "^[0-9A-Za-z ._/=+@-]{1,120}$",
    check: auto_scaling_group,
};
pub(super) static CERTIFICATE_ARN: Text = Text {
    what: "the ARN of a certificate",
    pattern: "^arn:aws[a-z-]*:(acm:[a-z0-9-]+:[0-9]{12}:certificate/|iam::[0-9]{12}:server-certificate/).+$",
    check: certificate_arn,
};
pub(super) static DOMAIN: Text =
    Text { what: "a domain", pattern: "^(\\*\\.)?[0-9A-Za-z-]+(\\.[0-9A-Za-z-]+)+$", check: domain };
pub(super) static FILE: Text = Text { what: "the path of a file", pattern: "^[\\s\\S]+$", check: file };
pub(super) static LOAD_BALANCER: Text = Text {
    what: "a load balancer name",
    pattern: "^[0-9A-Za-z]([0-9A-Za-z-]{0,30}[0-9A-Za-z])?$",
    check: load_balancer,
};
pub(super) static BUCKET: Text =
    Text { what: "the name of an S3 bucket", pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", check: bucket };
pub(super) static KEY_PREFIX: Text =
    Text { what: "the prefix of the logs' keys", pattern: "^[^/]([\\s\\S]*[^/])?$", check: key_prefix };

pub(super) fn refuse<T>(reason: impl Into<String>, hint: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(reason).hint(hint))
}

/// Quotes what the user wrote, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    let start: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() { format!("\"{start}…\"") } else { format!("\"{start}\"") }
}

fn hyphen_at_an_end(text: &str) -> bool {
    text.starts_with('-') || text.ends_with('-')
}

fn stack(text: &str) -> Checked {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.chars().count() > 24 {
        return refuse(
            format!("a stack name has 1 to 24 characters, this has {}", text.chars().count()),
            "the names of what AWS holds for the stack derive from it",
        );
    }
    if !text.chars().all(allowed) {
        let lower: String =
            text.to_ascii_lowercase().chars().map(|c| if allowed(c) { c } else { '-' }).collect();
        return refuse(
            format!("{} has characters other than a-z, 0-9 and -", shown(text)),
            format!("for example {}", lower.trim_matches('-')),
        );
    }
    if hyphen_at_an_end(text) {
        return refuse(
            "a stack name has no hyphen at either end",
            format!("write {}", text.trim_matches('-')),
        );
    }
    Ok(())
}

/// AWS admits more, but not in tags, where elbws notes which groups it has attached.
fn auto_scaling_group(text: &str) -> Checked {
    let length = text.chars().count();
    if !(1..=120).contains(&length) {
        return Err(Refusal::new(format!(
            "the name of an Auto Scaling group has 1 to 120 characters here, this has {length}"
        )));
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || " ._/=+@-".contains(*c);
    match text.chars().find(|c| !allowed(c)) {
        None => Ok(()),
        Some(bad) if bad == ':' && text.starts_with("arn:") => {
            refuse("this is an ARN", "give the group's name, which is what its ARN ends in")
        }
        Some(bad) => refuse(
            format!("{} has the character {}", shown(text), shown(&bad.to_string())),
            "elbws notes the name in a tag, where AWS allows letters, digits, spaces and . _ / = + @ -",
        ),
    }
}

fn region(text: &str) -> Checked {
    let parts: Vec<_> = text.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let number = |part: &str| !part.is_empty() && part.len() < 3 && part.bytes().all(|b| b.is_ascii_digit());
    let known = match parts.as_slice() {
        [words @ .., last] => words.len() >= 2 && words.iter().all(word) && number(last),
        [] => false,
    };
    if known {
        return Ok(());
    }
    let reason = format!("{} is not an AWS region", shown(text));
    match text.strip_suffix(|c: char| c.is_ascii_lowercase()) {
        Some(zone) if region(zone).is_ok() => {
            refuse(reason, format!("that is an availability zone; its region is {zone}"))
        }
        Some(_) | None => refuse(reason, "for example us-east-1"),
    }
}

/// AWS: letters, spaces and digits of any script, and `+ - = . _ : / @`.
fn tag_characters(text: &str, what: &str) -> Checked {
    match text
        .chars()
        .find(|c| !c.is_alphanumeric() && !matches!(c, ' ' | '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@'))
    {
        None => Ok(()),
        Some(bad) => refuse(
            format!("a tag {what} cannot have the character {}", shown(&bad.to_string())),
            "AWS allows letters, digits, spaces and + - = . _ : / @",
        ),
    }
}

/// EC2 holds tags with any characters, so what selects them is held to the lengths alone.
fn tag_filter_key(text: &str) -> Checked {
    let length = text.chars().count();
    if (1..=128).contains(&length) {
        Ok(())
    } else {
        Err(Refusal::new(format!("a tag key has 1 to 128 characters, this has {length}")))
    }
}

fn tag_filter_value(text: &str) -> Checked {
    let length = text.chars().count();
    if length <= 256 {
        Ok(())
    } else {
        Err(Refusal::new(format!("a tag value has at most 256 characters, this has {length}")))
    }
}

fn tag_key(text: &str) -> Checked {
    tag_filter_key(text)?;
    tag_characters(text, "key")?;
    let lower = text.to_ascii_lowercase();
    if lower.starts_with("aws:") {
        return refuse("tag keys that begin with aws: belong to AWS", "choose another key");
    }
    if lower.starts_with("elbws:") {
        return refuse("tag keys that begin with elbws: mark what belongs to a stack", "choose another key");
    }
    Ok(())
}

fn tag_value(text: &str) -> Checked {
    tag_filter_value(text)?;
    tag_characters(text, "value")
}

pub(super) fn id(text: &str, prefix: &str) -> Checked {
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-'));
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match digits {
        Some(digits) if matches!(digits.len(), 8 | 17) && digits.bytes().all(hex) => Ok(()),
        Some(_) | None => refuse(
            format!("{} is not an id of the form {prefix}-…", shown(text)),
            format!("{prefix}- is followed by 17 (or, of old, 8) of 0-9 and a-f"),
        ),
    }
}

fn vpc(text: &str) -> Checked {
    if text == "default" { Ok(()) } else { id(text, "vpc") }
}

fn certificate_arn(text: &str) -> Checked {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    let sound = match parts.as_slice() {
        ["arn", partition, "acm", region_name, owner, resource] => {
            partition.starts_with("aws")
                && region(region_name).is_ok()
                && account(owner)
                && resource.strip_prefix("certificate/").is_some_and(|id| !id.is_empty())
        }
        ["arn", partition, "iam", "", owner, resource] => {
            partition.starts_with("aws")
                && account(owner)
                && resource.strip_prefix("server-certificate/").is_some_and(|id| !id.is_empty())
        }
        _ => false,
    };
    if sound {
        return Ok(());
    }
    refuse(
        format!("{} is not the ARN of a certificate", shown(text)),
        "arn:aws:acm:REGION:ACCOUNT:certificate/ID or arn:aws:iam::ACCOUNT:server-certificate/NAME",
    )
}

pub(super) fn label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !hyphen_at_an_end(text)
}

fn domain(text: &str) -> Checked {
    if let Some((_, rest)) = text.split_once("://") {
        return refuse(
            format!("{} is a URL, a domain is needed", shown(text)),
            format!("write {}", rest.split(['/', ':', '?']).next().unwrap_or_default()),
        );
    }
    if !text.is_ascii() {
        return refuse(
            format!("{} is not ASCII", shown(text)),
            "write the domain as certificates do, in Punycode: xn--…",
        );
    }
    if let Some(rest) = text.strip_suffix('.') {
        return refuse("a certificate's domain has no dot at its end", format!("write {rest}"));
    }
    let labels: Vec<_> = text.strip_prefix("*.").unwrap_or(text).split('.').collect();
    if text.len() > 253 || labels.len() < 2 || !labels.iter().all(|part| label(part)) {
        return refuse(format!("{} is not a domain", shown(text)), "for example chat.example.com");
    }
    Ok(())
}

fn file(text: &str) -> Checked {
    if text.is_empty() {
        return Err(Refusal::new("the path of a file cannot be empty"));
    }
    if text.starts_with("-----BEGIN") {
        return refuse(
            "this is PEM text, the path of a file is needed",
            "save it next to the spec and name the file",
        );
    }
    if text.contains('\0') {
        return Err(Refusal::new("the path of a file cannot have a NUL character"));
    }
    Ok(())
}

fn load_balancer(text: &str) -> Checked {
    let length = text.chars().count();
    if !(1..=32).contains(&length) {
        return Err(Refusal::new(format!("a load balancer name has 1 to 32 characters, this has {length}")));
    }
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return Err(Refusal::new(format!("{} has characters other than A-Z, a-z, 0-9 and -", shown(text))));
    }
    if hyphen_at_an_end(text) {
        return refuse(
            "a load balancer name has no hyphen at either end",
            format!("write {}", text.trim_matches('-')),
        );
    }
    reserved_prefix(text)
}

/// Refuses the prefix that AWS gives to the DNS names of internal load balancers.
pub(super) fn reserved_prefix(name: &str) -> Checked {
    match name.get(..9) {
        Some(prefix) if prefix.eq_ignore_ascii_case("internal-") => refuse(
            "load balancer names that begin with internal- belong to AWS",
            "set load_balancer.scheme: internal and choose another name",
        ),
        Some(_) | None => Ok(()),
    }
}

fn bucket(text: &str) -> Checked {
    let sound = (3..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains("..");
    if sound {
        return Ok(());
    }
    let reason = format!("{} is not the name of an S3 bucket", shown(text));
    match text.strip_prefix("s3://") {
        Some(rest) => refuse(reason, format!("write {}", rest.split('/').next().unwrap_or_default())),
        None => refuse(reason, "3 to 63 of a-z, 0-9, dots and hyphens"),
    }
}

fn key_prefix(text: &str) -> Checked {
    if text.is_empty() {
        return refuse("an empty prefix is none", "remove the field");
    }
    if text.starts_with('/') || text.ends_with('/') {
        return refuse("the prefix has no slash at either end", format!("write {}", text.trim_matches('/')));
    }
    if text.contains("AWSLogs") {
        return refuse("the prefix cannot contain AWSLogs", "AWS adds AWSLogs/ACCOUNT/ itself");
    }
    Ok(())
}
