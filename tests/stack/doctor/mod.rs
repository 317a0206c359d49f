//! `elbws doctor`: a sound stack of each type, and one break at a time, each with exactly the finding that it must
//! have and a fix that mends it.

mod classic;
mod command;
mod managed;
mod network;
mod newer;

use std::path::Path;

use elbws::doctor::{Diagnosis, Name, Outcome, Severity, examine};
use elbws::provision::spec;

use crate::world::World;

/// A furnished account with the stack of a spec in it.
pub(super) struct Patient {
    pub(super) world: World,
    pub(super) text: String,
}

/// A finding, as the tests name it.
pub(super) type Expected = (Severity, Name, &'static str);

impl Patient {
    /// Applies the spec.
    pub(super) fn built(world: World, text: &str) -> Self {
        let patient = Self { world, text: text.to_owned() };
        patient.apply();
        patient
    }

    /// Leaves the account as it is.
    pub(super) fn not_built(world: World, text: &str) -> Self {
        Self { world, text: text.to_owned() }
    }

    #[track_caller]
    pub(super) fn apply(&self) {
        let stack = self.world.stack(Path::new(""), &self.text);
        let (outcome, _) = self.world.account.apply(&stack);
        assert!(outcome.is_complete(), "{outcome:?}");
    }

    pub(super) fn examined(&self) -> Diagnosis {
        self.examined_as(&self.text)
    }

    /// Examines as if the spec said something else.
    pub(super) fn examined_as(&self, text: &str) -> Diagnosis {
        let text = self.world.fill(text);
        let spec = spec::parse("spec.yaml", &text, Path::new("")).unwrap();
        let stack = self.world.stack(Path::new(""), &text);
        let clients = self.world.account.clients();
        self.world.account.run(Box::pin(examine(&clients, &spec, &stack))).unwrap()
    }

    /// Checks that there are exactly these errors and warnings, each with these words in its fix.
    #[track_caller]
    pub(super) fn has(&self, when: &str, expected: &[Expected]) {
        assert_findings(&self.examined(), when, expected);
    }

    /// Breaks something, expects the findings, mends it by `apply` and expects none.
    #[track_caller]
    pub(super) fn breaks(&self, when: &str, expected: &[Expected], by: impl Fn(&World)) {
        by(&self.world);
        self.has(when, expected);
        assert!(
            expected.iter().all(|(.., fix)| fix.contains("elbws apply SPEC")),
            "{when} is mended by apply"
        );
        self.apply();
        self.has(&format!("{when}, applied"), &[]);
    }
}

#[track_caller]
pub(super) fn assert_findings(diagnosis: &Diagnosis, when: &str, expected: &[Expected]) {
    let found: Vec<_> =
        diagnosis.findings().filter(|(_, finding)| finding.severity > Severity::Note).collect();
    let mut names: Vec<_> = found.iter().map(|(check, finding)| (finding.severity, check.name)).collect();
    let mut wanted: Vec<_> = expected.iter().map(|(severity, name, _)| (*severity, *name)).collect();
    names.sort();
    wanted.sort();
    assert_eq!(names, wanted, "{when}: {found:#?}");
    for (severity, name, fix) in expected {
        let fits = found.iter().any(|(check, finding)| {
            (finding.severity, check.name) == (*severity, *name) && finding.fix.contains(fix)
        });
        assert!(fits, "{when}: no {name:?} with the fix {fix}: {found:#?}");
    }
    for (check, finding) in found {
        assert!(!check.subject.is_empty() && !finding.problem.is_empty(), "{check:?}");
        assert!(!finding.why.is_empty() && !finding.fix.is_empty(), "{check:?}");
    }
}

/// Says of what a check was found right.
pub(super) fn right(diagnosis: &Diagnosis, name: Name) -> Vec<String> {
    let of_name = diagnosis.checks.iter().filter(|check| check.name == name);
    of_name
        .filter_map(|check| match &check.outcome {
            Outcome::Right(found) => Some(format!("{}: {found}", check.subject)),
            Outcome::Wrong(_) | Outcome::Unchecked(_) => None,
        })
        .collect()
}

/// Finds the id of the security group that the stack's load balancer has.
pub(super) fn group_of(world: &World, name: &str) -> String {
    // Every VPC has a group called default, and their order is that of their random ids.
    let vpc = world.fill("${vpc}");
    let body = world.account.ec2(&format!(
        "Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1={name}\
         &Filter.2.Name=vpc-id&Filter.2.Value.1={vpc}"
    ));
    crate::account::between(&body, "<groupId>", "<").to_owned()
}

/// Removes all rules of a group of one direction.
pub(super) fn revoke(world: &World, group: &str, direction: &str, port: Option<u16>) {
    let egress = direction == "Egress";
    let rules = world
        .account
        .ec2(&format!("Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={group}"));
    let mut revoked = 0;
    for rule in rules.split("<securityGroupRuleId>").skip(1) {
        let id = rule.split('<').next().unwrap();
        let at = port.is_none_or(|port| rule.contains(&format!("<fromPort>{port}</fromPort>")));
        if rule.contains(&format!("<isEgress>{egress}</isEgress>")) && at {
            world.account.ec2(&format!(
                "Action=RevokeSecurityGroup{direction}&GroupId={group}&SecurityGroupRuleId.1={id}"
            ));
            revoked += 1;
        }
    }
    assert!(revoked > 0, "{rules}");
}
