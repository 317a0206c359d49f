//! Load balancers of one stack beside each other, of two names or two types.

use super::*;
use crate::provision::resource::Tags;

#[test]
fn another_name_is_built_beside_and_the_old_one_stays_until_the_cutover() {
    let mut stack = application();
    let observed = applied(&stack);
    balancer(&mut stack).name = "talk".into();
    insta::assert_snapshot!(script(&planned(&stack, &observed)));
}

#[test]
fn the_cutover_waits_for_healthy_targets_and_removes_the_old_one() {
    let old = network();
    let mut observed = applied(&old);
    let mut stack = application();
    balancer(&mut stack).name = "talk".into();
    let choices = Choices { adoption: Adoption::Refuse, cutover: Cutover::Now };
    let plan = plan_stack(&stack, &observed, choices).unwrap();
    insta::assert_snapshot!(script(&plan));

    observed.v2_load_balancers[0].attributes.insert("deletion_protection.enabled".into(), "true".into());
    let errors = plan_stack(&stack, &observed, choices).unwrap_err();
    assert_eq!(errors, [PlanError::DeletionProtected { name: "chat".into() }]);
    assert!(destroy(&stack, &observed).is_err());
}

#[test]
fn an_alb_and_an_nlb_cannot_have_the_same_name() {
    let errors = plan_stack(&application(), &applied(&network()), Adoption::Refuse).unwrap_err();
    assert!(matches!(errors.as_slice(), [PlanError::NameOfOtherType { .. }]), "{errors:?}");
    assert!(errors[0].hint().contains("chat-application"), "{}", errors[0].hint());
}

/// Returns the warnings about instance ports that get different headers.
fn conflicts(plan: &Plan) -> Vec<&String> {
    plan.warnings.iter().filter(|warning| warning.contains("PROXY header")).collect()
}

#[test]
fn an_instance_port_that_would_get_two_kinds_of_header_is_told() {
    // The Classic load balancer sends a header of version 1 to port 80.
    let classic = crate::provision::plan::tests::applied();
    let plan = planned(&application(), &classic);
    let [told] = conflicts(&plan).try_into().unwrap();
    assert!(told.contains("instance port 80 gets a PROXY header of version 1 from the classic"), "{told}");
    assert!(told.contains("and no PROXY header from the new one"), "{told}");
    let plan = planned(&network(), &classic);
    let [told] = conflicts(&plan).try_into().unwrap();
    assert!(told.contains("version 2") && told.contains("`proxy.accept: any`"), "{told}");

    let mut elsewhere = application();
    balancer(&mut elsewhere).target_groups.insert("web".into(), group(8000, Protocol::Http));
    assert_eq!(conflicts(&planned(&elsewhere, &classic)), Vec::<&String>::new());
    let mut renamed = network();
    let observed = applied(&renamed);
    balancer(&mut renamed).name = "talk".into();
    assert_eq!(conflicts(&planned(&renamed, &observed)), Vec::<&String>::new());
    // Nor is anything said of a load balancer that is another stack's.
    let mut others = applied(&network());
    others.v2_load_balancers[0].tags = Tags::default();
    others.v2_load_balancers[0].name = "other".into();
    assert_eq!(conflicts(&planned(&application(), &others)), Vec::<&String>::new());
}
